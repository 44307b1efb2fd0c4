//! The CPU backend has SIMD kernels for the matrix products and attention, and plain loops for the
//! rest.

pub mod attention;
pub mod cache;
pub mod matmul;
pub mod ops;
mod pack;
pub mod pool;
mod project;
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
    cache::Cache,
    matmul::Store,
    pool::Pool,
    project::Adapters,
    quantize::QuantizedActivations,
    repack::{Layout, RepackedMatrix},
    short_conv::short_conv,
    step::{no_memory, zeros},
    warm_up::WarmUp,
};
use super::{
    Attention, AttentionInput, Backend, CacheSize, Dims, FeedForward, LmHead, PostNorm, Rows,
    ShortConv, tap_name,
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

/// Computes `y += bias` for each token's row of `y`, where there is a bias.
fn add_bias(pool: &Pool, y: &mut [f32], bias: Option<&Weight<Buf>>) {
    if let Some(bias) = bias {
        ops::add_bias(pool, y, bias.vector());
    }
}

impl Cpu {
    /// Makes a backend that computes with the threads of `pool` and keeps no tensors.
    pub fn new(pool: Pool) -> Self {
        Self {
            pool,
            ..Self::default()
        }
    }

    /// Returns `x` normed in `h`, or `x` itself without a norm.
    fn normed<'a>(
        &self,
        norm: Option<&Weight<Buf>>,
        eps: f32,
        x: &'a [f32],
        h: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        let Some(norm) = norm else { return x };
        h.resize(x.len(), 0.0);
        ops::rms_norm(&self.pool, x, norm.vector(), eps, h);
        h
    }

    /// Computes products of the same input, as [`Adapters::project`].
    fn project<const N: usize>(
        &self,
        x: &[f32],
        tokens: usize,
        quantized: &mut QuantizedActivations,
        products: [(&Weight<Buf>, &mut Vec<f32>, Store); N],
    ) {
        let (pool, adapters) = (&self.pool, &self.adapters);
        adapters.project(pool, x, tokens, quantized, products);
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
        let buf = match (dtype, Layout::of(dtype)) {
            (_, Some(layout)) if rows > 1 => {
                Buf::Repacked(RepackedMatrix::new(dtype, layout, rows, cols)?)
            }
            (DType::F16, _) if rows > 1 => Buf::F16(zeros(rows * cols, "weights")?),
            (DType::BF16, _) if rows > 1 => Buf::BF16(zeros(rows * cols, "weights")?),
            _ => Buf::F32(zeros(rows * cols, "weights")?),
        };
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

    fn attention_input(
        &mut self,
        step: &mut Step,
        cache: &mut Cache,
        layer: usize,
        w: &AttentionInput<Buf>,
    ) {
        let Step {
            dims,
            tokens,
            position,
            x,
            h,
            q,
            k,
            v,
            quantized,
            rope,
            ..
        } = step;
        let h = self.normed(w.norm, w.eps, x, h);
        self.project(
            h,
            *tokens,
            quantized,
            [
                (w.q, q, Store::Set),
                (w.k, k, Store::Set),
                (w.v, v, Store::Set),
            ],
        );
        for (y, bias) in [
            (&mut *q, w.q_bias),
            (&mut *k, w.k_bias),
            (&mut *v, w.v_bias),
        ] {
            add_bias(&self.pool, y, bias);
        }
        for (y, norm) in [(&mut *q, w.q_norm), (&mut *k, w.k_norm)] {
            if let Some(norm) = norm {
                ops::rms_norm_in_place(&self.pool, y, norm.vector(), w.eps);
            }
        }
        let rope = rope.table(w.rope, *position, *tokens);
        rope.apply(&self.pool, q, dims.heads, dims.head_dim);
        rope.apply(&self.pool, k, dims.kv_heads, dims.head_dim);
        cache.append(&self.pool, layer, *position, k, v);
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
        let h = self.normed(w.norm, w.eps, x, h);
        self.project(h, *tokens, quantized, [(w.in_proj, up, Store::Set)]);
        a.resize(*tokens * w.in_proj.cols, 0.0);
        short_conv(&self.pool, cache, layer, *position, w.conv.vector(), up, a);
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
        let Some(PostNorm { norm, eps }) = post else {
            self.project(a, *tokens, quantized, [(w, x, Store::Add)]);
            add_bias(&self.pool, x, bias);
            return;
        };
        self.project(a, *tokens, quantized, [(w, h, Store::Set)]);
        add_bias(&self.pool, h, bias);
        ops::rms_norm_in_place(&self.pool, h, norm.vector(), *eps);
        ops::add(&self.pool, x, h, norm.cols);
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
        let h = self.normed(w.norm, w.eps, x, h);
        self.project(
            h,
            *tokens,
            quantized,
            [(w.gate, a, Store::Set), (w.up, up, Store::Set)],
        );
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
        self.project(h, rows.len(), quantized, [(w.output, logits, Store::Set)]);
        add_bias(&self.pool, logits, w.bias);
        ops::scale_logits(&self.pool, w.scale, logits, w.output.rows);
    }

    fn tap(&mut self, step: &mut Step, layer: Option<usize>, name: &str) {
        if let Some(taps) = &mut self.taps {
            let tensor = match name {
                "attn_q" => &step.q,
                "attn" | "conv" | "ffn_up" => &step.a,
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
        norm: &Weight<Buf>,
        eps: f32,
        hidden: &mut Vec<f32>,
    ) -> Result<()> {
        let x = &step.x[..step.tokens * norm.cols];
        hidden.resize(x.len(), 0.0);
        ops::rms_norm(&self.pool, x, norm.vector(), eps, hidden);
        Ok(())
    }
}
