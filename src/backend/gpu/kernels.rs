//! The operations: which shader, on which buffers, over how many workgroups.

use super::{
    Buf, Cache, Gpu, Matrix, Part, Step,
    dispatch::{Op, Words},
    pipeline::Key,
    segment::BLOCK,
    step::SLICES,
};
use crate::{
    backend::{AttentionInput, FeedForward, Rope, RopePairs},
    tensor::Weight,
};

/// Threads of a workgroup that multiplies a matrix by one token's activations.
const LANES: u32 = 32;
/// Rows that such a workgroup takes.
const ROWS: usize = 4;
/// Parts of the context that attention takes side by side, at most.
pub const MAX_SPLITS: usize = 32;
/// Positions of a tile of attention.
const TILE: usize = 64;
/// Where a vector is wanted and there is none.
const NONE: u32 = u32::MAX;
/// The most workgroups along one axis is 65,535.
const MAX_GROUPS: u32 = 1 << 15;

fn grid(groups: usize) -> ([u32; 2], usize) {
    let x = (groups as u32).min(MAX_GROUPS);
    ([x, (groups as u32).div_ceil(x)], x as usize)
}

/// How attention's context is cut: positions of a split, and splits.
pub fn splits(positions: usize) -> (usize, usize) {
    let span = positions.div_ceil(TILE * MAX_SPLITS).max(1) * TILE;
    (span, positions.div_ceil(span))
}

fn matrix(weight: &Weight<Buf>) -> Option<&Matrix> {
    match &weight.buf {
        Buf::Matrix(matrix) => Some(matrix),
        Buf::Vector { .. } => None,
    }
}

/// Where a vector begins in the buffer of all vectors, in vec4.
fn vector_at(weight: Option<&Weight<Buf>>) -> usize {
    match weight.map(|weight| &weight.buf) {
        Some(Buf::Vector { at }) => at / 4,
        _ => NONE as usize,
    }
}

impl Gpu {
    /// Workgroups for so many groups of rows, and how many of them lie along x.
    fn rows_grid(&self, count: usize) -> ([u32; 2], usize) {
        grid(if self.device.alone.get() { count.div_ceil(LANES as usize) } else { count })
    }

    fn matvec(&self, a: &Matrix) -> Key {
        let key = Key::new("matvec").with("LANES", format!("{LANES}u")).with("A", a.layout.name);
        if self.device.alone.get() { key.flag("ALONE") } else { key }
    }

    pub(super) fn embed_ops(&mut self, step: &Step, table: &Weight<Buf>) -> Vec<Op> {
        let Some(m) = matrix(table) else { return Vec::new() };
        let blocks = table.cols / BLOCK;
        let mut ops = Vec::new();
        for part in &m.parts {
            let mut words = Words::default();
            words.planes(part, blocks).push(part.first_row).push(part.rows);
            let key = Key::new("embed").with("A", m.layout.name);
            let grid = [blocks.div_ceil(32) as u32, 1];
            ops.push(self.op(key, &words, &[&part.buffer, &step.token_ids, &step.x], grid, Some(1)));
        }
        ops
    }

    pub(super) fn attention_input_ops(&mut self, step: &Step, cache: &Cache, block: usize, w: &AttentionInput<Buf>) -> Vec<Op> {
        let (Some(q), Some(k), Some(v)) = (matrix(w.q), matrix(w.k), matrix(w.v)) else { return Vec::new() };
        let ([a], [b], [c]) = (&*q.parts, &*k.parts, &*v.parts) else { return Vec::new() };
        let blocks = w.q.cols / BLOCK;
        let count = (w.q.rows + 2 * w.k.rows).div_ceil(ROWS);
        let (grid, groups) = self.rows_grid(count);
        let mut words = Words::default();
        words.planes(a, blocks).planes(b, blocks).planes(c, blocks);
        words.push(blocks).push(w.q.rows).push(w.k.rows).push(0).push(w.q.rows);
        words.push(vector_at(Some(w.norm))).float(w.eps);
        words.push(vector_at(w.q_bias)).push(vector_at(w.k_bias)).push(vector_at(w.v_bias));
        words.push(step.widths.head).push(2 * w.rope.frequencies.len()).push(cache.context_tokens).push(groups).push(count);
        let mut key = self.matvec(q).with("B", k.layout.name).with("C", v.layout.name).flag("NORM").flag("QKV");
        if w.rope.pairs == RopePairs::Halves {
            key = key.flag("HALVES");
        }
        let (vectors, turns) = (self.vectors(), self.turns(w.rope, cache.context_tokens));
        let buffers = [&a.buffer, &step.x, &step.q, &vectors, &b.buffer, &c.buffer, &turns, &cache.blocks[block]];
        vec![self.op(key, &words, &buffers, grid, Some(2))]
    }

    pub(super) fn attend_ops(&mut self, step: &Step, cache: &Cache, block: usize) -> Vec<Op> {
        let w = &step.widths;
        let mut words = Words::default();
        words.push(w.heads).push(w.kv_heads).push(cache.context_tokens).push(MAX_SPLITS);
        let head = format!("{}u", w.head);
        let attend = Key::new("attend").with("HEAD", &head).with("GROUP", format!("{}u", w.heads / w.kv_heads));
        let attend = self.op(attend, &words, &[&step.q, &cache.blocks[block], &step.partials], [w.kv_heads as u32, 1], Some(2));
        let combine = Key::new("combine").with("HEAD", head);
        let combine = self.op(combine, &words, &[&step.partials, &step.a], [w.heads as u32, 1], Some(1));
        vec![attend, combine]
    }

    pub(super) fn project_add_ops(&mut self, step: &Step, w: &Weight<Buf>) -> Vec<Op> {
        let Some(m) = matrix(w) else { return Vec::new() };
        m.parts.iter().map(|part| self.plain(self.matvec(m).flag("ADD"), w, part, &step.a, &step.x, None)).collect()
    }

    pub(super) fn feed_forward_ops(&mut self, step: &Step, w: &FeedForward<Buf>) -> Vec<Op> {
        let (Some(gate), Some(up)) = (matrix(w.gate), matrix(w.up)) else { return Vec::new() };
        let ([a], [b]) = (&*gate.parts, &*up.parts) else { return Vec::new() };
        let blocks = w.gate.cols / BLOCK;
        let count = w.gate.rows.div_ceil(ROWS / 2);
        let (grid, groups) = self.rows_grid(count);
        let mut words = Words::default();
        words.planes(a, blocks).planes(b, blocks).planes(b, blocks);
        words.push(blocks).push(w.gate.rows).push(w.up.rows).push(0).push(w.gate.rows).push(vector_at(Some(w.norm))).float(w.eps);
        words.push(0).push(0).push(0).push(0).push(0).push(0).push(groups).push(count);
        let vectors = self.vectors();
        let key = self.matvec(gate).with("B", up.layout.name).flag("NORM").flag("GATE_UP");
        vec![self.op(key, &words, &[&a.buffer, &step.x, &step.a, &vectors, &b.buffer], grid, Some(2))]
    }

    /// Into `step.logits` of the wanted row alone, into any other buffer of every row.
    pub(super) fn head_ops(&mut self, step: &Step, norm: &Weight<Buf>, output: &Weight<Buf>, eps: f32, out: &wgpu::Buffer) -> Vec<Op> {
        let Some(m) = matrix(output) else { return Vec::new() };
        let one = *out == step.logits;
        let key = if one { self.matvec(m).flag("NORM").flag("HEAD") } else { self.matvec(m).flag("NORM") };
        let mut ops = Vec::new();
        for part in &m.parts {
            let op = self.plain(key.clone(), output, part, &step.x, out, Some((norm, eps)));
            ops.push(Op { tokens_axis: if one { None } else { op.tokens_axis }, ..op });
        }
        ops
    }

    pub(super) fn choose_ops(&mut self, step: &Step) -> Vec<Op> {
        let (vocab, choice) = (step.widths.vocab, &step.choice);
        let mut words = Words::default();
        words.push(vocab).push(vocab.div_ceil(SLICES)).push(SLICES);
        let grid = [SLICES as u32, 1];
        let adjust = [&step.logits, &choice.marks, &choice.bias, &choice.maxima];
        let gather = [&step.logits, &choice.maxima, &choice.kept, &choice.counts];
        let choose = [&choice.maxima, &choice.kept, &choice.counts, &step.token_ids, &choice.marks];
        vec![
            self.op(Key::new("adjust"), &words, &adjust, grid, None),
            self.op(Key::new("gather"), &words, &gather, grid, None),
            self.op(Key::new("choose"), &words, &choose, [1, 1], None),
        ]
    }

    /// A matrix by activations, with nothing after it but an addition.
    fn plain(
        &mut self,
        key: Key,
        w: &Weight<Buf>,
        part: &Part,
        x: &wgpu::Buffer,
        out: &wgpu::Buffer,
        norm: Option<(&Weight<Buf>, f32)>,
    ) -> Op {
        let blocks = w.cols / BLOCK;
        let count = part.rows.div_ceil(ROWS);
        let (grid, groups) = self.rows_grid(count);
        let mut words = Words::default();
        words.planes(part, blocks).planes(part, blocks).planes(part, blocks);
        words.push(blocks).push(part.rows).push(0).push(part.first_row).push(w.rows);
        words.push(vector_at(norm.map(|(norm, _)| norm))).float(norm.map_or(0.0, |(_, eps)| eps));
        words.push(0).push(0).push(0).push(0).push(0).push(0).push(groups).push(count);
        let vectors = self.vectors();
        let buffers = [&part.buffer, x, out, &vectors];
        self.op(key, &words, if norm.is_some() { &buffers } else { &buffers[..3] }, grid, Some(2))
    }

    /// Cosine and sine of every position's turns `[context, frequencies]`, made once, in double precision: a shader's own lose all of it far out.
    fn turns(&mut self, rope: &Rope, context_tokens: usize) -> wgpu::Buffer {
        if let Some(turns) = &self.turns {
            return turns.clone();
        }
        let turn = |position: usize, frequency: &f32| {
            let (sin, cos) = (position as f64 * f64::from(*frequency)).sin_cos();
            [cos as f32, sin as f32]
        };
        let values: Vec<[f32; 2]> =
            (0..context_tokens).flat_map(|position| rope.frequencies.iter().map(move |frequency| turn(position, frequency))).collect();
        let turns = self.upload("rotations", bytemuck::cast_slice(&values));
        self.turns.insert(turns).clone()
    }
}
