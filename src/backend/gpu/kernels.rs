//! The operations: which shader, on which buffers, over how many workgroups.

use super::{
    Buf, Cache, Gpu, Matrix, Part, Step,
    device::{CacheType, MatmulStrategy},
    dispatch::{Op, Tokens, Words},
    pipeline::Key,
    prefill::{HEAD_PART, Then},
    segment::{BLOCK, Layout},
};
use crate::{
    backend::{AttentionInput, FeedForward, Rope, RopePairs},
    tensor::Weight,
};

/// Threads of a workgroup that multiplies a matrix by one token's activations.
const LANES: usize = 32;
/// Rows of such a workgroup.
const ROWS: usize = 4;
/// Parts of the context that attention takes side by side, at most.
pub const MAX_SPLITS: usize = 32;
/// Positions of a tile of attention.
const TILE: usize = 64;
/// Where a vector is wanted and there is none.
const NONE: u32 = u32::MAX;
/// The most workgroups along one axis.
const MAX_GROUPS: usize = 65_535;

/// How attention's context is cut: positions of a split, and splits.
pub fn splits(positions: usize) -> (usize, usize) {
    let span = positions.div_ceil(TILE * MAX_SPLITS).max(1) * TILE;
    (span, positions.div_ceil(span))
}

pub fn matrix(weight: &Weight<Buf>) -> Option<&Matrix> {
    match &weight.buf {
        Buf::Matrix(matrix) => Some(matrix),
        Buf::Vector { .. } => None,
    }
}

/// Where a vector begins in the buffer of all vectors, in vec4.
pub fn vector_at(weight: Option<&Weight<Buf>>) -> usize {
    match weight.map(|weight| &weight.buf) {
        Some(Buf::Vector { at }) => at / 4,
        _ => NONE as usize,
    }
}

impl Gpu {
    pub(super) fn products(&self) -> MatmulStrategy {
        self.device.products.get()
    }

    pub(super) fn cache_type(&self) -> CacheType {
        self.device.options.cache_type
    }

    pub(super) fn embed_ops(&mut self, step: &Step, table: &Weight<Buf>) -> Vec<Op> {
        let Some(m) = matrix(table) else {
            return Vec::new();
        };
        let blocks = table.cols / BLOCK;
        let mut ops = Vec::new();
        for part in &m.parts {
            let mut words = Words::default();
            words
                .planes(part, blocks)
                .push(part.first_row)
                .push(part.rows);
            let grid = [blocks.div_ceil(32) as u32, 1];
            let buffers = [&part.buffer, &step.token_ids, &step.x];
            ops.push(self.op(embed_key(m.layout), &words, &buffers, grid, Tokens::each(1)));
        }
        ops
    }

    pub(super) fn attention_input_ops(
        &mut self,
        step: &Step,
        cache: &Cache,
        block: usize,
        w: &AttentionInput<Buf>,
        many: bool,
    ) -> Vec<Op> {
        let (Some(q), Some(k), Some(v)) = (matrix(w.q), matrix(w.k), matrix(w.v)) else {
            return Vec::new();
        };
        let ([a], [b], [c], false) = (&*q.parts, &*k.parts, &*v.parts, many) else {
            return self.many_attention_input_ops(step, cache, block, w);
        };
        let blocks = w.q.cols / BLOCK;
        let counts = [w.q.rows, w.k.rows, w.k.rows].map(|rows| rows / ROWS);
        let (grid, groups) = rows_grid(counts.iter().sum());
        let mut words = Words::default();
        words.planes(a, blocks).planes(b, blocks).planes(c, blocks);
        words
            .push(blocks)
            .push(w.q.rows)
            .push(w.k.rows)
            .push(0)
            .push(w.q.rows);
        words.push(vector_at(Some(w.norm))).float(w.eps);
        words
            .push(vector_at(w.q_bias))
            .push(vector_at(w.k_bias))
            .push(vector_at(w.v_bias));
        words
            .push(step.dims.head_dim)
            .push(2 * w.rope.frequencies.len())
            .push(cache.context_tokens)
            .push(groups)
            .push(counts.iter().sum());
        let key = qkv_key(
            [q.layout, k.layout, v.layout],
            w.rope.pairs,
            self.products(),
            self.cache_type(),
        );
        let (vectors, turns) = (self.vectors(), self.turns(w.rope, cache.context_tokens));
        let keep = step.fresh.as_ref().unwrap_or(&cache.blocks[block]);
        let buffers = [
            &a.buffer, &step.x, &step.q, &vectors, &b.buffer, &c.buffer, &turns, keep,
        ];
        let mut ops = vec![self.op(key, &words, &buffers, grid, Tokens::each(2))];
        ops.extend(self.append_op(step, cache, block));
        ops
    }

    /// What a cache of bytes needs once keys and values are whole.
    pub(super) fn append_op(&mut self, step: &Step, cache: &Cache, block: usize) -> Option<Op> {
        let (fresh, w) = (step.fresh.as_ref()?, &step.dims);
        let mut words = Words::default();
        words.push(2 * w.kv_heads).push(cache.context_tokens);
        let grid = [(2 * w.kv_heads * w.head_dim / 32).div_ceil(64) as u32, 1];
        Some(self.op(
            append_key(w.head_dim),
            &words,
            &[fresh, &cache.blocks[block]],
            grid,
            Tokens::each(1),
        ))
    }

    pub(super) fn attend_ops(
        &mut self,
        step: &Step,
        cache: &Cache,
        block: usize,
        many: bool,
    ) -> Vec<Op> {
        let w = &step.dims;
        if many && w.head_dim.is_multiple_of(HEAD_PART) {
            return self.many_attend_ops(step, cache, block);
        }
        let mut words = Words::default();
        words
            .push(w.heads)
            .push(w.kv_heads)
            .push(cache.context_tokens)
            .push(MAX_SPLITS);
        let buffers = [&step.q, &cache.blocks[block], &step.partials];
        let key = attend_key(w.head_dim, w.heads / w.kv_heads, self.cache_type());
        let attend = Op {
            by_splits: true,
            ..self.op(
                key,
                &words,
                &buffers,
                [w.kv_heads as u32, 1],
                Tokens::each(2),
            )
        };
        let combine = self.op(
            combine_key(w.head_dim),
            &words,
            &[&step.partials, &step.a],
            [w.heads as u32, 1],
            Tokens::each(1),
        );
        vec![attend, combine]
    }

    pub(super) fn project_add_ops(&mut self, step: &Step, w: &Weight<Buf>, many: bool) -> Vec<Op> {
        match matrix(w) {
            Some(m) if !many => {
                let op = |part: &Part| {
                    self.matvec(
                        add_key(m.layout, self.products()),
                        w,
                        part,
                        &[&part.buffer, &step.a, &step.x],
                        None,
                    )
                };
                m.parts.iter().map(op).collect()
            }
            _ => self.matmul_ops(w, &step.a, &step.x, Then::Add),
        }
    }

    pub(super) fn feed_forward_ops(
        &mut self,
        step: &Step,
        w: &FeedForward<Buf>,
        many: bool,
    ) -> Vec<Op> {
        let (Some(gate), Some(up)) = (matrix(w.gate), matrix(w.up)) else {
            return Vec::new();
        };
        let ([a], [b], false) = (&*gate.parts, &*up.parts, many) else {
            return self.many_feed_forward_ops(step, w);
        };
        let blocks = w.gate.cols / BLOCK;
        let count = w.gate.rows.div_ceil(ROWS / 2);
        let (grid, groups) = rows_grid(count);
        let mut words = Words::default();
        words.planes(a, blocks).planes(b, blocks).planes(b, blocks);
        words
            .push(blocks)
            .push(w.gate.rows)
            .push(w.up.rows)
            .push(0)
            .push(w.gate.rows)
            .push(vector_at(Some(w.norm)))
            .float(w.eps);
        words
            .push(0)
            .push(0)
            .push(0)
            .push(0)
            .push(0)
            .push(0)
            .push(groups)
            .push(count);
        let vectors = self.vectors();
        let key = gate_up_key(gate.layout, up.layout, self.products());
        vec![self.op(
            key,
            &words,
            &[&a.buffer, &step.x, &step.a, &vectors, &b.buffer],
            grid,
            Tokens::each(2),
        )]
    }

    /// The logits of one row alone.
    pub(super) fn head_ops(
        &mut self,
        step: &Step,
        norm: &Weight<Buf>,
        output: &Weight<Buf>,
        eps: f32,
    ) -> Vec<Op> {
        let Some(m) = matrix(output) else {
            return Vec::new();
        };
        let vectors = self.vectors();
        let op = |part: &Part| {
            let buffers = [&part.buffer, &step.x, &step.logits, &vectors];
            Op {
                tokens: None,
                ..self.matvec(
                    head_key(m.layout, self.products()),
                    output,
                    part,
                    &buffers,
                    Some((norm, eps)),
                )
            }
        };
        m.parts.iter().map(op).collect()
    }

    pub(super) fn head_of_all_ops(
        &mut self,
        step: &Step,
        norm: &Weight<Buf>,
        output: &Weight<Buf>,
        eps: f32,
    ) -> Vec<Op> {
        let Some(out) = &step.all_logits else {
            return Vec::new();
        };
        let mut ops = vec![self.norm_op(step, norm, output.cols, eps)];
        ops.extend(self.matmul_ops(output, &step.h, out, Then::Store));
        ops
    }

    /// A matrix by one token's activations, with nothing after it but an addition.
    fn matvec(
        &mut self,
        key: Key,
        w: &Weight<Buf>,
        part: &Part,
        buffers: &[&wgpu::Buffer],
        norm: Option<(&Weight<Buf>, f32)>,
    ) -> Op {
        let blocks = w.cols / BLOCK;
        let count = part.rows.div_ceil(ROWS);
        let (grid, groups) = rows_grid(count);
        let mut words = Words::default();
        words
            .planes(part, blocks)
            .planes(part, blocks)
            .planes(part, blocks);
        words
            .push(blocks)
            .push(part.rows)
            .push(0)
            .push(part.first_row)
            .push(w.rows);
        words
            .push(vector_at(norm.map(|(norm, _)| norm)))
            .float(norm.map_or(0.0, |(_, eps)| eps));
        words
            .push(0)
            .push(0)
            .push(0)
            .push(0)
            .push(0)
            .push(0)
            .push(groups)
            .push(count);
        self.op(key, &words, buffers, grid, Tokens::each(2))
    }

    /// Cosine and sine of every position's turns `[context, frequencies]`, made once, in double precision: a shader's own lose all of it far out.
    pub(super) fn turns(&mut self, rope: &Rope, context_tokens: usize) -> wgpu::Buffer {
        if let Some(turns) = &self.turns {
            return turns.clone();
        }
        let turn = |position: usize, frequency: &f32| {
            let (sin, cos) = (position as f64 * f64::from(*frequency)).sin_cos();
            [cos as f32, sin as f32]
        };
        let values: Vec<[f32; 2]> = (0..context_tokens)
            .flat_map(|position| {
                rope.frequencies
                    .iter()
                    .map(move |frequency| turn(position, frequency))
            })
            .collect();
        let turns = self.upload("rotations", bytemuck::cast_slice(&values));
        self.turns.insert(turns).clone()
    }
}

/// Workgroups for so many groups of rows, and how many of them lie along x.
fn rows_grid(groups: usize) -> ([u32; 2], usize) {
    let y = groups.div_ceil(MAX_GROUPS);
    let x = groups.div_ceil(y);
    ([x as u32, y as u32], x)
}

/// The first weight is `A`, the second `B`, the third `C`.
fn matvec_key(layouts: &[Layout], products: MatmulStrategy) -> Key {
    let mut key = Key::new("matvec").with("LANES", format!("{LANES}u"));
    for (name, layout) in ["A", "B", "C"].into_iter().zip(layouts) {
        key = key.with(name, layout.name);
    }
    if products.int8_dot && layouts.iter().all(Layout::has_bytes) {
        key.flag("DOTS")
    } else {
        key
    }
}

pub fn qkv_key(
    layouts: [Layout; 3],
    pairs: RopePairs,
    products: MatmulStrategy,
    cache_type: CacheType,
) -> Key {
    let key = matvec_key(&layouts, products)
        .flag("NORM")
        .flag("QKV")
        .cached(cache_type);
    if pairs == RopePairs::Halves {
        key.flag("HALVES")
    } else {
        key
    }
}

pub fn gate_up_key(gate: Layout, up: Layout, products: MatmulStrategy) -> Key {
    matvec_key(&[gate, up], products)
        .flag("NORM")
        .flag("GATE_UP")
}

pub fn add_key(w: Layout, products: MatmulStrategy) -> Key {
    matvec_key(&[w], products).flag("ADD")
}

pub fn head_key(w: Layout, products: MatmulStrategy) -> Key {
    matvec_key(&[w], products).flag("NORM").flag("HEAD")
}

pub fn embed_key(table: Layout) -> Key {
    Key::new("embed").with("A", table.name)
}

pub fn append_key(head: usize) -> Key {
    Key::new("append").with("HEAD", format!("{head}u"))
}

pub fn attend_key(head: usize, group: usize, cache_type: CacheType) -> Key {
    Key::new("attend")
        .with("HEAD", format!("{head}u"))
        .with("GROUP", format!("{group}u"))
        .cached(cache_type)
}

pub fn combine_key(head: usize) -> Key {
    Key::new("combine").with("HEAD", format!("{head}u"))
}
