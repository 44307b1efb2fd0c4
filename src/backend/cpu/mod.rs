//! The CPU backend has SIMD kernels for the matrix products and attention, and plain loops for the
//! rest.

pub mod attention;
mod attention_input;
pub mod cache;
pub mod delta_net;
mod encoder;
mod layer_inputs;
pub mod matmul;
pub mod ops;
mod pack;
pub mod pool;
mod projection;
pub mod quantize;
mod query_set;
pub mod repack;
pub mod short_conv;
pub mod simd;
mod softmax;
mod step;
mod warm_up;
pub mod weight;
pub mod worker_slots;

pub use step::Step;
pub use weight::Buf;

use self::{
    attention::attend,
    attention_input::attention_input,
    cache::Cache,
    delta_net::delta_net,
    matmul::Store,
    pool::Pool,
    projection::{Adapters, add_bias, normed},
    repack::Layout,
    short_conv::short_conv,
    step::no_memory,
    warm_up::WarmUp,
};
use super::{
    Activation, Attention, AttentionInput, Backend, CacheSize, DeltaNet, Dims, FeedForward,
    LayerInputs, LmHead, PostNorm, Rows, ShortConv, StateEntries, tap_name,
};
use crate::{Result, quant::DType, tensor::Weight};
use std::ops::Range;

/// Computes on the CPU.
#[derive(Default)]
pub struct Cpu {
    /// Holds the threads that share the work.
    pub pool: Pool,
    /// Holds the tensors that steps computed, by name, if they are to be kept.
    pub taps: Option<Vec<(String, Vec<f32>)>>,
    /// Runs the kernels of weights that have come.
    pub warm_up: WarmUp,
    /// Holds what LoRA adapters take.
    pub adapters: Adapters,
}

impl Cpu {
    /// Makes a backend that computes with the threads of `pool` and keeps no tensors.
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            ..Self::default()
        }
    }
}

impl Backend for Cpu {
    type Buf = Buf;
    type Cache = Cache;
    type Step = Step;

    fn weight_bytes(&self, dtype: DType, rows: usize, cols: usize) -> u64 {
        let values = (rows as u64).saturating_mul(cols as u64);
        match (dtype, Layout::of(dtype)) {
            (_, Some(layout)) if rows > 1 => layout.matrix_bytes(rows, cols),
            (DType::F16 | DType::BF16, _) if rows > 1 => values.saturating_mul(2),
            _ => values.saturating_mul(4),
        }
    }

    fn alloc(&mut self, dtype: DType, rows: usize, cols: usize) -> Result<Weight<Buf>> {
        let size_bytes = self.weight_bytes(dtype, rows, cols);
        if size_bytes > isize::MAX as u64 {
            return Err(no_memory(size_bytes, "weights"));
        }
        let buf = Buf::alloc(dtype, rows, cols)?;
        Ok(Weight::new(dtype, rows, cols, buf))
    }

    fn write(&mut self, weight: &mut Weight<Buf>, first_row: usize, bytes: &[u8]) {
        let cols = weight.cols;
        match &mut weight.buf {
            Buf::Repacked(matrix) => matrix.write(&self.pool, weight.dtype, first_row, bytes),
            Buf::F32(data) => {
                let at = first_row * cols;
                let len = bytes.len() / weight.dtype.block_bytes() * weight.dtype.block_len();
                weight.dtype.dequantize(bytes, &mut data[at..at + len]);
            }
            Buf::F16(data) | Buf::BF16(data) => {
                for (to, from) in data[first_row * cols..].iter_mut().zip(bytes.as_chunks().0) {
                    *to = u16::from_le_bytes(*from);
                }
            }
        }
    }

    fn warm_up(&mut self, weight: &Weight<Buf>) {
        if warm_up::IS_NEEDED {
            self.warm_up.take(&self.pool, weight);
        }
    }

    fn takes_changes(&self, _tensor: &str) -> bool {
        true
    }

    fn set_adapters(&mut self, scales: &[f32]) {
        self.adapters.scales = scales.to_vec();
    }

    fn cache(&mut self, dims: &Dims, size: &CacheSize) -> Result<Cache> {
        Cache::new(dims, size)
    }

    fn cache_bytes(&self, dims: &Dims, size: &CacheSize) -> usize {
        Cache::size_bytes(dims, size)
    }

    fn copy_cache(&mut self, from: &Cache, to: &mut Cache, positions: &[Range<usize>]) {
        to.copy_from(from, positions);
    }

    async fn export(
        &mut self,
        _dims: &Dims,
        cache: &Cache,
        positions: &[Range<usize>],
    ) -> Result<Vec<u16>> {
        cache.export(positions)
    }

    fn import(&mut self, _dims: &Dims, cache: &mut Cache, positions: &[Range<usize>], kv: &[u16]) {
        cache.import(positions, kv);
    }

    fn step_bytes(&self, dims: &Dims, max_tokens: usize) -> u64 {
        Step::size_bytes(dims, max_tokens)
    }

    fn step(&mut self, dims: &Dims, max_tokens: usize) -> Result<Step> {
        Step::new(dims, max_tokens)
    }

    fn embed(
        &mut self,
        step: &mut Step,
        table: &Weight<Buf>,
        scale: f32,
        tokens: &[u32],
        position: usize,
    ) {
        (step.tokens, step.position) = (tokens.len(), position);
        step.x.resize(tokens.len() * table.cols, 0.0);
        for (&token, x) in tokens.iter().zip(step.x.chunks_exact_mut(table.cols)) {
            table.row(token as usize, x);
            self.adapters.add_rows(table, token as usize, x);
            if scale != 1.0 {
                x.iter_mut().for_each(|x| *x *= scale);
            }
        }
    }

    fn runs_encoders(&self) -> bool {
        true
    }

    fn add_rows(&mut self, step: &mut Step, table: &Weight<Buf>, are_of_positions: bool) {
        encoder::add_rows(step, table, are_of_positions);
    }

    fn layer_norm(&mut self, step: &mut Step, weight: &Weight<Buf>, bias: &Weight<Buf>, eps: f32) {
        let (weight, bias) = (weight.vector(), bias.vector());
        ops::layer_norm(&self.pool, &mut step.x, weight, bias, eps);
    }

    fn activate(
        &mut self,
        step: &mut Step,
        up: &Weight<Buf>,
        bias: Option<&Weight<Buf>>,
        activation: Activation,
    ) {
        encoder::activate(&self.pool, &self.adapters, step, up, bias, activation);
    }

    fn dense(&mut self, step: &mut Step, w: &Weight<Buf>, pooled: &mut Vec<f32>) {
        encoder::dense(&self.pool, &self.adapters, step, w, pooled);
    }

    fn layer_inputs(&mut self, step: &mut Step, w: &LayerInputs<Buf>, tokens: &[f32]) {
        layer_inputs::add(&self.pool, &self.adapters, step, w, tokens);
    }

    fn gate_layer_input(
        &mut self,
        step: &mut Step,
        layer: usize,
        gate: &Weight<Buf>,
        activation: Activation,
    ) {
        layer_inputs::gate(&self.pool, &self.adapters, step, layer, gate, activation);
    }

    fn attention_input(
        &mut self,
        step: &mut Step,
        cache: &mut Cache,
        layer: usize,
        w: &AttentionInput<Buf>,
    ) {
        attention_input(&self.pool, &self.adapters, step, cache, layer, w);
    }

    fn attend(&mut self, step: &mut Step, cache: &Cache, layer: usize, attention: &Attention) {
        step.a.resize(step.q.len(), 0.0);
        attend(
            &self.pool,
            cache,
            layer,
            attention,
            step.dims.heads,
            step.position,
            &step.q,
            &mut step.a,
        );
        if step.is_gated {
            ops::gate(
                &self.pool,
                &mut step.a,
                &step.up,
                cache.layer(layer).head_dim,
            );
        }
    }

    fn short_conv(&mut self, step: &mut Step, cache: &mut Cache, layer: usize, w: &ShortConv<Buf>) {
        let Step {
            tokens,
            position,
            x,
            h,
            a,
            up,
            quantized,
            ..
        } = step;
        let h = normed(&self.pool, w.norm, w.eps, x, h);
        let products = [(w.in_proj, &mut *up, Store::Set)];
        self.adapters
            .project(&self.pool, h, *tokens, quantized, products);
        a.resize(*tokens * w.in_proj.cols, 0.0);
        short_conv(&self.pool, cache, layer, *position, w.conv.vector(), up, a);
    }

    fn delta_net(
        &mut self,
        step: &mut Step,
        cache: &mut Cache,
        layer: usize,
        entries: StateEntries,
        w: &DeltaNet<Buf>,
    ) {
        delta_net(&self.pool, &self.adapters, step, cache, layer, entries, w);
    }

    fn project_add(
        &mut self,
        step: &mut Step,
        w: &Weight<Buf>,
        bias: Option<&Weight<Buf>>,
        post: Option<&PostNorm<Buf>>,
    ) {
        let Step {
            tokens,
            x,
            h,
            a,
            quantized,
            ..
        } = step;
        let Some(PostNorm { norm, eps, scale }) = post else {
            self.adapters
                .project(&self.pool, a, *tokens, quantized, [(w, x, Store::Add)]);
            add_bias(&self.pool, x, bias);
            return;
        };
        self.adapters
            .project(&self.pool, a, *tokens, quantized, [(w, h, Store::Set)]);
        add_bias(&self.pool, h, bias);
        ops::rms_norm_in_place(&self.pool, h, norm.vector(), *eps);
        ops::add(&self.pool, x, h, norm.cols);
        if *scale != 1.0 {
            x.iter_mut().for_each(|x| *x *= scale);
        }
    }

    fn feed_forward(&mut self, step: &mut Step, w: &FeedForward<Buf>) {
        let Step {
            tokens,
            x,
            h,
            a,
            up,
            quantized,
            ..
        } = step;
        let h = normed(&self.pool, w.norm, w.eps, x, h);
        let products = [(w.gate, &mut *a, Store::Set), (w.up, &mut *up, Store::Set)];
        self.adapters
            .project(&self.pool, h, *tokens, quantized, products);
        add_bias(&self.pool, a, w.gate_bias);
        add_bias(&self.pool, up, w.up_bias);
        ops::activate_mul(&self.pool, w.activation, a, up, w.gate.rows);
    }

    fn lm_head(&mut self, step: &mut Step, w: &LmHead<Buf>, rows: Rows) {
        let Step {
            tokens,
            x,
            h,
            logits,
            quantized,
            ..
        } = step;
        let rows = rows.range(*tokens);
        let x = &x[rows.start * w.norm.cols..rows.end * w.norm.cols];
        h.resize(x.len(), 0.0);
        ops::rms_norm(&self.pool, x, w.norm.vector(), w.eps, h);
        let products = [(w.output, &mut *logits, Store::Set)];
        self.adapters
            .project(&self.pool, h, rows.len(), quantized, products);
        add_bias(&self.pool, logits, w.bias);
        ops::scale_logits(&self.pool, w.scale, logits, w.output.rows);
    }

    fn tap(&mut self, step: &mut Step, layer: Option<usize>, name: &str) {
        if let Some(taps) = &mut self.taps {
            let tensor = match name {
                "attn_q" => &step.q,
                "attn" | "conv" | "delta" | "ffn_up" => &step.a,
                _ => &step.x,
            };
            taps.push((tap_name(layer, name), tensor.clone()));
        }
    }

    async fn read(&mut self, step: &mut Step, logits: &mut Vec<f32>) -> Result<()> {
        logits.clone_from(&step.logits);
        Ok(())
    }

    async fn read_hidden(
        &mut self,
        step: &mut Step,
        norm: Option<&Weight<Buf>>,
        eps: f32,
        hidden: &mut Vec<f32>,
    ) -> Result<()> {
        match norm {
            Some(norm) => {
                hidden.resize(step.x.len(), 0.0);
                ops::rms_norm(&self.pool, &step.x, norm.vector(), eps, hidden);
            }
            None => hidden.clone_from(&step.x),
        }
        Ok(())
    }
}
