//! The memory of a step, with what is refused for no kernel takes it.

use super::{
    activations::Activations,
    context::Gpu,
    device::{CacheType, run_ahead::MAX_STEPS},
    kernels::{
        StepParams,
        attention::{MAX_SPLITS, decode::Decode},
        ops::delta_rule::DeltaRule,
    },
    sampler::GpuSampler,
};
use crate::{Code, Error, Result, backend::Dims};
use wgpu::BufferUsages as Usage;

impl Gpu {
    /// Makes the activations of up to `max_tokens` tokens.
    ///
    /// # Errors
    /// `gpu_unsupported`, `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub(super) fn new_activations(
        &mut self,
        dims: &Dims,
        max_tokens: usize,
    ) -> Result<Activations> {
        let d = dims;
        if d.delta
            .as_ref()
            .is_some_and(|delta| DeltaRule::of(delta).is_none())
        {
            let message = "The GPU has no kernel for gated DeltaNets of this size.";
            return Err(Error::new(Code::GpuUnsupported, message));
        }
        let cache_type = self.cache_type();
        let is_q8_0 = cache_type == CacheType::Q8_0;
        let fits = |dim: &usize| dim.is_multiple_of(cache_type.block_len());
        let all_fit = fits(&d.head_dim) && d.head_dims.iter().all(fits);
        if !all_fit || !d.heads.is_multiple_of(d.kv_heads) {
            let what = if is_q8_0 {
                " and a cache of type q8_0"
            } else {
                ""
            };
            return Err(Error::new(
                Code::GpuUnsupported,
                format!(
                    "The GPU has no kernel for attention heads of {} elements{what}.",
                    d.head_dim
                ),
            ));
        }
        let decode = Decode {
            head_dim: d.head_dim,
            gqa_group: d.heads / d.kv_heads,
            cache_type,
            is_bounded: false,
        };
        let (wanted, most) = (decode.workgroup_bytes(), self.device.max_workgroup_bytes());
        if wanted > most {
            let message = format!(
                "Attention of {} heads of {} elements takes {wanted} bytes of the GPU's workgroup \
                 memory, which has {most}.",
                decode.gqa_group, d.head_dim
            );
            return Err(Error::new(Code::GpuUnsupported, message));
        }
        let id = self.next_id();
        let mut make = |label, len: usize, usage| {
            self.buffer(label, len * size_of::<f32>(), Usage::STORAGE | usage)
        };
        let (q_len, kv_len) = (d.heads * d.head_dim, d.kv_heads * d.head_dim);
        // What is convolved, what a convolution or DeltaNet returns, and the heads of the latter.
        let (fused, mixed, few) = match (d.delta, d.conv_layers) {
            (Some(delta), _) => (
                delta.channels().max(2 * q_len),
                delta.values(),
                delta.value_heads,
            ),
            (None, 0) => (0, 0, 0),
            (None, _) => (3 * d.embedding, d.embedding, 0),
        };
        let gates = if d.delta.is_some() { mixed } else { 0 };
        let none = Usage::empty();
        let sampler = GpuSampler::new(d.vocab, max_tokens, &mut make)?;
        let step = Activations {
            id,
            dims: dims.clone(),
            max_tokens,
            params: StepParams::default(),
            token_ids: make(
                "token ids",
                max_tokens + MAX_STEPS,
                Usage::COPY_DST | Usage::COPY_SRC,
            )?,
            x: make("x", max_tokens * d.embedding, Usage::COPY_SRC)?,
            q: make("q", max_tokens * q_len.max(gates), Usage::COPY_SRC)?,
            k: make("k", max_tokens * kv_len.max(few), none)?,
            v: make("v", max_tokens * kv_len.max(few), none)?,
            kv_staging: match is_q8_0 {
                true => Some(make("kv staging", max_tokens * 2 * kv_len, none)?),
                false => None,
            },
            h: make("h", max_tokens * d.embedding, Usage::COPY_SRC)?,
            bcu: match fused {
                0 => None,
                _ => Some(make("bcu", max_tokens * fused, none)?),
            },
            inputs: match max_tokens * d.layer_inputs() {
                0 => None,
                len => Some([
                    make("layer inputs", len, Usage::COPY_DST)?,
                    make("projected inputs", len, none)?,
                ]),
            },
            convolved: match d.delta {
                None => None,
                Some(delta) => Some(make("convolved", max_tokens * delta.channels(), none)?),
            },
            a: make(
                "a",
                max_tokens * d.feed_forward.max(q_len).max(mixed).max(d.layer_input),
                Usage::COPY_SRC,
            )?,
            partials: make(
                "partials",
                max_tokens * d.heads * MAX_SPLITS * (d.head_dim + 2),
                none,
            )?,
            logits: make("logits", d.vocab, Usage::COPY_SRC | Usage::COPY_DST)?,
            few_or_all_logits: [None, None],
            readback: None,
            sampler,
            commands: None,
            rows: None,
            submitted: None,
        };
        self.device.check()?;
        Ok(step)
    }
}
