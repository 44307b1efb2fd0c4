//! Records the forward pass, which every architecture shares.

use super::{
    decoder::{Input, Model},
    layer_weights::{LayerNorm, MixerWeights},
    slots::Slot,
};
use crate::backend::{
    AttentionInput, Backend, DeltaNet, FeedForward, LayerInputs, LmHead, PostNorm, Rows, ShortConv,
};

impl<B: Backend> Model<B> {
    /// Records `layers`, one after the other, for `input`, whose first token is at `position`, and
    /// then the logits of `rows`. Returns the number of layers that were recorded: fewer than all
    /// where `pause` said so between two of them.
    pub(super) fn record(
        &mut self,
        input: Input,
        position: usize,
        layers: impl IntoIterator<Item = usize>,
        rows: Option<Rows>,
        pause: &mut impl FnMut() -> bool,
    ) -> usize {
        let Self {
            config,
            backend,
            weights,
            ropes,
            slots,
            step,
            ..
        } = self;
        match input {
            Input::Tokens(tokens) => slots.begin_step(position..position + tokens.len()),
            Input::Sampled => slots.begin_step(position..position + 1),
            Input::Interrupted => {}
        }
        let Slot { cache, entries, .. } = slots.current_mut();
        let eps = config.rms_eps;
        let (table, scale) = (&weights.token_embd, config.embedding_scale);
        match input {
            Input::Tokens(tokens) => backend.embed(step, table, scale, tokens, position),
            Input::Sampled => backend.embed_sampled(step, table, scale, position),
            Input::Interrupted => {}
        }
        if let (Some(input), Input::Tokens(_)) = (&weights.encoder_input, input) {
            if let Some(positions) = &input.positions {
                backend.add_rows(step, positions, true);
            }
            if let Some(token_types) = &input.token_types {
                backend.add_rows(step, token_types, false);
            }
            backend.layer_norm(step, &input.norm.weight, &input.norm.bias, eps);
        }
        // That the sum of both parts is divided by the root of 2 is left to the norm behind them.
        let dims = &config.dims;
        if let (Some(w), Input::Tokens(tokens)) = (&weights.layer_inputs, input) {
            let inputs = LayerInputs {
                proj: &w.proj,
                norm: &w.norm,
                eps: eps * dims.embedding as f32,
            };
            let rows = w.rows(tokens, (dims.layer_input as f32).sqrt());
            backend.layer_inputs(step, &inputs, &rows);
        }
        if !matches!(input, Input::Interrupted) {
            backend.tap(step, None, "token_embd");
        }
        let (mut layers, mut recorded) = (layers.into_iter().peekable(), 0);
        while let Some(i) = layers.next() {
            let (w, layer) = (&weights.layers[i], &config.layers[i]);
            let post = |norm, scale| Option::map(norm, |norm| PostNorm { norm, eps, scale });
            let (output, bias, name) = match &w.mixer {
                MixerWeights::Attention(a) => {
                    let input = AttentionInput {
                        norm: w.attn_norm.as_ref(),
                        q: &a.q,
                        k: a.k.as_ref(),
                        v: a.v.as_ref(),
                        q_bias: a.q_bias.as_ref(),
                        k_bias: a.k_bias.as_ref(),
                        v_bias: a.v_bias.as_ref(),
                        q_norm: a.q_norm.as_ref(),
                        k_norm: a.k_norm.as_ref(),
                        v_norm: a.v_norm.as_ref(),
                        rope: &ropes[layer.rope as usize],
                        eps,
                    };
                    backend.attention_input(step, cache, layer.cache_layer, &input);
                    backend.tap(step, Some(i), "attn_q");
                    backend.attend(step, cache, layer.cache_layer, &layer.attention);
                    backend.tap(step, Some(i), "attn");
                    (&a.output, a.output_bias.as_ref(), "attn_output")
                }
                MixerWeights::ShortConv(c) => {
                    let short_conv = ShortConv {
                        norm: w.attn_norm.as_ref(),
                        in_proj: &c.in_proj,
                        conv: &c.conv,
                        eps,
                    };
                    backend.short_conv(step, cache, layer.cache_layer, &short_conv);
                    backend.tap(step, Some(i), "conv");
                    (&c.out_proj, None, "conv_output")
                }
                MixerWeights::DeltaNet(d) => {
                    let delta_net = DeltaNet {
                        norm: w.attn_norm.as_ref(),
                        qkv: &d.qkv,
                        gate: &d.gate,
                        beta: &d.beta,
                        alpha: &d.alpha,
                        dt: &d.dt,
                        a: &d.a,
                        conv: &d.conv,
                        out_norm: &d.out_norm,
                        eps,
                    };
                    backend.delta_net(step, cache, layer.cache_layer, *entries, &delta_net);
                    backend.tap(step, Some(i), "delta");
                    (&d.out_proj, None, "delta_output")
                }
            };
            let norm = w.post_attention_norm.as_ref();
            backend.project_add(step, output, bias, post(norm, 1.0).as_ref());
            if let Some([LayerNorm { weight, bias }, _]) = &w.sum_norms {
                backend.layer_norm(step, weight, bias, eps);
            }
            backend.tap(step, Some(i), name);
            let (up, up_bias) = (&w.ffn_up, w.ffn_up_bias.as_ref());
            let activation = config.activation;
            match &w.ffn_gate {
                Some(gate) => {
                    let feed_forward = FeedForward {
                        norm: w.ffn_norm.as_ref(),
                        gate,
                        up,
                        gate_bias: w.ffn_gate_bias.as_ref(),
                        up_bias,
                        activation,
                        eps,
                    };
                    backend.feed_forward(step, &feed_forward);
                }
                None => backend.activate(step, up, up_bias, activation),
            }
            backend.tap(step, Some(i), "ffn_up");
            let (bias, norm) = (w.ffn_down_bias.as_ref(), w.post_ffw_norm.as_ref());
            // The last addition of a layer scales what it returns.
            let scale = match w.own_input {
                Some(_) => 1.0,
                None => layer.output_scale,
            };
            backend.project_add(step, &w.ffn_down, bias, post(norm, scale).as_ref());
            if let Some([_, LayerNorm { weight, bias }]) = &w.sum_norms {
                backend.layer_norm(step, weight, bias, eps);
            }
            backend.tap(step, Some(i), "ffn_down");
            if let Some(own) = &w.own_input {
                backend.gate_layer_input(step, i, &own.gate, activation);
                let post = PostNorm {
                    norm: &own.post_norm,
                    eps: 2.0 * eps,
                    scale: layer.output_scale,
                };
                backend.project_add(step, &own.proj, None, Some(&post));
                backend.tap(step, Some(i), "layer_output");
            }
            recorded += 1;
            if layers.peek().is_some() && pause() {
                return recorded;
            }
        }
        if let Some(rows) = rows {
            self.record_logits(rows);
        }
        recorded
    }

    /// Records the logits of `rows` of the step whose layers were recorded last; none of an
    /// encoder.
    pub(super) fn record_logits(&mut self, rows: Rows) {
        let weights = &self.weights;
        let Some(norm) = weights.output_norm.as_ref().filter(|_| !self.is_encoder()) else {
            return;
        };
        let lm_head = LmHead {
            norm,
            output: weights.output.as_ref().unwrap_or(&weights.token_embd),
            bias: weights.output_bias.as_ref(),
            eps: self.config.rms_eps,
            scale: self.config.logit_scale,
        };
        self.backend.lm_head(&mut self.step, &lm_head, rows);
    }
}
