//! The steps for many tokens: what a shader for one token does in one go is norm, products and the rest, each by itself, so that a product
//! takes each weight once for many tokens. Also for weights that are larger than a shader can see at once.

use super::{
    Buf, Cache, Gpu, Step,
    device::{CacheType, MatmulStrategy},
    dispatch::{Op, Tokens, Words},
    kernels::{matrix, vector_at},
    pipeline::Key,
    segment::{BLOCK, Layout},
};
use crate::{
    backend::{AttentionInput, FeedForward, RopePairs},
    tensor::Weight,
};

/// Rows of a tile, and tokens.
const TILE: [usize; 2] = [32, 32];
/// Queries that attention takes together.
const QUERIES: usize = 32;
/// Attention takes heads of so many elements, or times as many.
pub const HEAD_PART: usize = 64;

/// What a product does with its results but store them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Store,
    Add,
    Gated,
}

pub fn matmul_key(a: Layout, then: Then, products: MatmulStrategy) -> Key {
    let mut key = Key::new("matmul").with("A", a.name);
    // Who chose f32 weights wants them whole.
    if products.f16_tiles && a.name != "f32" {
        key = key.flag("HALF_TILES");
    }
    match then {
        Then::Store => key,
        Then::Add => key.flag("ADD"),
        Then::Gated => key.flag("GATED"),
    }
}

pub fn rotate_key(pairs: RopePairs, cache_type: CacheType) -> Key {
    let key = Key::new("rotate").cached(cache_type);
    if pairs == RopePairs::Halves {
        key.flag("HALVES")
    } else {
        key
    }
}

pub fn attend_many_key(head: usize, group: usize, cache_type: CacheType) -> Key {
    Key::new("attend_many")
        .with("HEAD", format!("{head}u"))
        .with("GROUP", format!("{group}u"))
        .cached(cache_type)
}

impl Gpu {
    /// `h = rms_norm(x) * norm`, as wide as the columns of a weight.
    pub(super) fn norm_op(&mut self, step: &Step, norm: &Weight<Buf>, cols: usize, eps: f32) -> Op {
        let mut words = Words::default();
        words.push(cols / 4).push(vector_at(Some(norm))).float(eps);
        let vectors = self.vectors();
        self.op(
            Key::new("norm"),
            &words,
            &[&step.x, &vectors, &step.h],
            [1, 1],
            Tokens::each(1),
        )
    }

    pub(super) fn matmul_ops(
        &mut self,
        w: &Weight<Buf>,
        x: &wgpu::Buffer,
        out: &wgpu::Buffer,
        then: Then,
    ) -> Vec<Op> {
        let Some(m) = matrix(w) else {
            return Vec::new();
        };
        let [rows, tokens] = TILE;
        let mut ops = Vec::new();
        for part in &m.parts {
            let mut words = Words::default();
            words
                .planes(part, w.cols / BLOCK)
                .push(part.rows)
                .push(part.first_row)
                .push(w.rows);
            let grid = [part.rows.div_ceil(rows) as u32, 1];
            ops.push(self.op(
                matmul_key(m.layout, then, self.products()),
                &words,
                &[&part.buffer, x, out],
                grid,
                Some(Tokens {
                    axis: 1,
                    rows: 1,
                    tile: tokens,
                }),
            ));
        }
        ops
    }

    pub(super) fn many_attention_input_ops(
        &mut self,
        step: &Step,
        cache: &Cache,
        block: usize,
        w: &AttentionInput<Buf>,
    ) -> Vec<Op> {
        let mut ops = vec![self.norm_op(step, w.norm, w.q.cols, w.eps)];
        for (w, out) in [(w.q, &step.q), (w.k, &step.k), (w.v, &step.v)] {
            ops.extend(self.matmul_ops(w, &step.h, out, Then::Store));
        }
        let mut words = Words::default();
        words
            .push(w.q.rows)
            .push(w.k.rows)
            .push(vector_at(w.q_bias))
            .push(vector_at(w.k_bias))
            .push(vector_at(w.v_bias));
        words
            .push(step.dims.head_dim)
            .push(2 * w.rope.frequencies.len())
            .push(cache.context_tokens);
        let (vectors, turns) = (self.vectors(), self.turns(w.rope, cache.context_tokens));
        let keep = step.fresh.as_ref().unwrap_or(&cache.blocks[block]);
        let buffers = [&step.q, &step.k, &step.v, &vectors, &turns, keep];
        let grid = [((w.q.rows + 2 * w.k.rows) / 4).div_ceil(64) as u32, 1];
        ops.push(self.op(
            rotate_key(w.rope.pairs, self.cache_type()),
            &words,
            &buffers,
            grid,
            Tokens::each(1),
        ));
        ops.extend(self.append_op(step, cache, block));
        ops
    }

    pub(super) fn many_attend_ops(&mut self, step: &Step, cache: &Cache, block: usize) -> Vec<Op> {
        let w = &step.dims;
        let group = w.heads / w.kv_heads;
        let mut words = Words::default();
        words
            .push(w.heads)
            .push(w.kv_heads)
            .push(cache.context_tokens);
        let tokens = Tokens {
            axis: 1,
            rows: group,
            tile: QUERIES,
        };
        let buffers = [&step.q, &cache.blocks[block], &step.a];
        vec![self.op(
            attend_many_key(w.head_dim, group, self.cache_type()),
            &words,
            &buffers,
            [w.kv_heads as u32, 1],
            Some(tokens),
        )]
    }

    pub(super) fn many_feed_forward_ops(&mut self, step: &Step, w: &FeedForward<Buf>) -> Vec<Op> {
        let mut ops = vec![self.norm_op(step, w.norm, w.gate.cols, w.eps)];
        ops.extend(self.matmul_ops(w.gate, &step.h, &step.a, Then::Store));
        ops.extend(self.matmul_ops(w.up, &step.h, &step.a, Then::Gated));
        ops
    }
}
