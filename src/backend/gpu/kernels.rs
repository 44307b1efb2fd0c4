//! The operations: which shader, on which buffers, over how many workgroups.

use super::{
    Buf, Cache, Gpu, Matrix, Part, Step,
    device::{CacheType, Products},
    dispatch::{Op, Tokens, View, Words},
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
/// And where they work alone: as wide as the vectors of a processor that plays the graphics card.
const ALONE_LANES: usize = 8;
/// Rows of a group: such a workgroup takes one, or each of its lanes several where they work alone.
const ROWS: usize = 4;
/// So many groups of rows has a lane there of matrices of so many: the more, the less often is x read, but all cores shall have work.
const FOURS: [(usize, usize); 3] = [(4, 512), (3, 128), (1, 0)];
/// Parts of the context that attention takes side by side, at most.
pub const MAX_SPLITS: usize = 32;
/// Positions of a tile of attention.
const TILE: usize = 64;
/// And where a workgroup is as wide as a vector.
const ALONE_TILE: usize = 32;
/// So many positions are one split there: joining two would take longer.
const ALONE_SPLIT: usize = 256;
/// Where a vector is wanted and there is none.
const NONE: u32 = u32::MAX;
/// The most workgroups along one axis.
const MAX_GROUPS: usize = 65_535;

/// How attention's context is cut: positions of a split, and splits.
pub fn splits(positions: usize, alone: bool) -> (usize, usize) {
    if alone && positions <= ALONE_SPLIT {
        return (ALONE_SPLIT, 1);
    }
    let tile = if alone { ALONE_TILE } else { TILE };
    let span = positions.div_ceil(tile * MAX_SPLITS).max(1) * tile;
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
    /// Workgroups for so many groups of rows of each weight, or a few more, and how many of them lie along x.
    fn rows_grid(&self, counts: &[usize]) -> ([u32; 2], usize) {
        let side = if self.alone() { ALONE_LANES * fours(counts[0]) } else { 1 };
        let groups: usize = counts.iter().map(|count| count.div_ceil(side)).sum();
        let y = groups.div_ceil(MAX_GROUPS);
        let x = groups.div_ceil(y);
        ([x as u32, y as u32], x)
    }

    /// The activations of few tokens.
    fn input<'a>(&self, x: &'a wgpu::Buffer) -> View<'a> {
        if self.alone() { View::Constants(x, 0) } else { View::Whole(x) }
    }

    /// What stands for all vectors where lanes work alone.
    fn constant_norm<'a>(&self, vectors: &'a wgpu::Buffer, norm: &Weight<Buf>) -> Option<View<'a>> {
        self.alone().then(|| View::Constants(vectors, 16 * vector_at(Some(norm))))
    }

    pub(super) fn products(&self) -> Products {
        self.device.products.get()
    }

    pub(super) fn cache_type(&self) -> CacheType {
        self.device.options.cache_type
    }

    /// Whether each lane multiplies rows of its own.
    pub(super) fn alone(&self) -> bool {
        self.products().alone
    }

    pub(super) fn embed_ops(&mut self, step: &Step, table: &Weight<Buf>) -> Vec<Op> {
        let Some(m) = matrix(table) else { return Vec::new() };
        let blocks = table.cols / BLOCK;
        let mut ops = Vec::new();
        for part in &m.parts {
            let mut words = Words::default();
            words.planes(part, blocks).push(part.first_row).push(part.rows);
            let grid = [blocks.div_ceil(32) as u32, 1];
            let views = [View::from(&part.place), View::from(&step.token_ids), View::from(&step.x)];
            ops.push(self.op(embed_key(m.layout, self.products()), &words, &views, grid, Tokens::each(1)));
        }
        ops
    }

    pub(super) fn attention_input_ops(&mut self, step: &Step, cache: &Cache, block: usize, w: &AttentionInput<Buf>, many: bool) -> Vec<Op> {
        let (Some(q), Some(k), Some(v)) = (matrix(w.q), matrix(w.k), matrix(w.v)) else { return Vec::new() };
        let ([a], [b], [c], false) = (&*q.parts, &*k.parts, &*v.parts, many) else {
            return self.many_attention_input_ops(step, cache, block, w);
        };
        let blocks = w.q.cols / BLOCK;
        let counts = [w.q.rows, w.k.rows, w.k.rows].map(|rows| rows / ROWS);
        let (grid, groups) = self.rows_grid(&counts);
        let mut words = Words::default();
        words.planes(a, blocks).planes(b, blocks).planes(c, blocks);
        words.push(blocks).push(w.q.rows).push(w.k.rows).push(0).push(w.q.rows);
        words.push(vector_at(Some(w.norm))).float(w.eps);
        words.push(vector_at(w.q_bias)).push(vector_at(w.k_bias)).push(vector_at(w.v_bias));
        words.push(step.widths.head).push(2 * w.rope.frequencies.len()).push(cache.context_tokens).push(groups).push(counts.iter().sum());
        let key = qkv_key([q.layout, k.layout, v.layout], w.rope.pairs, self.products(), counts[0], self.cache_type());
        let (vectors, turns) = (self.vectors(), self.turns(w.rope, cache.context_tokens));
        let keep = step.fresh.as_ref().unwrap_or(&cache.blocks[block]);
        let mut views = vec![View::from(&a.place), self.input(&step.x)];
        views.extend([&step.q, &vectors].map(View::from));
        views.extend([&b.place, &c.place].map(View::from));
        views.extend([&turns, keep].map(View::from));
        views.extend(self.constant_norm(&vectors, w.norm));
        let mut ops = vec![self.op(key, &words, &views, grid, Tokens::each(2))];
        ops.extend(self.append_op(step, cache, block));
        ops
    }

    /// What a cache of bytes needs once keys and values are whole.
    pub(super) fn append_op(&mut self, step: &Step, cache: &Cache, block: usize) -> Option<Op> {
        let (fresh, w) = (step.fresh.as_ref()?, &step.widths);
        let mut words = Words::default();
        words.push(2 * w.kv_heads).push(cache.context_tokens);
        let grid = [(2 * w.kv_heads * w.head / 32).div_ceil(64) as u32, 1];
        Some(self.op(append_key(w.head), &words, &[fresh, &cache.blocks[block]], grid, Tokens::each(1)))
    }

    pub(super) fn attend_ops(&mut self, step: &Step, cache: &Cache, block: usize, many: bool) -> Vec<Op> {
        let w = &step.widths;
        if many && w.head.is_multiple_of(HEAD_PART) {
            return self.many_attend_ops(step, cache, block);
        }
        let mut words = Words::default();
        words.push(w.heads).push(w.kv_heads).push(cache.context_tokens).push(MAX_SPLITS);
        let alone = self.alone() && !many;
        let mut views = vec![View::from(&step.q), View::from(&cache.blocks[block]), View::from(&step.partials)];
        if alone {
            views[0] = View::Constants(&step.q, 0);
            views.push(View::from(&step.a));
        }
        let key = attend_key(w.head, w.heads / w.kv_heads, alone, self.cache_type());
        let attend = self.op(key, &words, &views, [w.kv_heads as u32, 1], Tokens::each(2));
        let combine = self.op(combine_key(w.head), &words, &[&step.partials, &step.a], [w.heads as u32, 1], Tokens::each(1));
        vec![attend, combine]
    }

    pub(super) fn project_add_ops(&mut self, step: &Step, w: &Weight<Buf>, many: bool) -> Vec<Op> {
        match matrix(w) {
            Some(m) if !many => {
                let op = |part: &Part| {
                    let key = add_key(m.layout, self.products(), part.rows.div_ceil(ROWS));
                    self.matvec(key, w, part, &[View::from(&part.place), self.input(&step.a), View::from(&step.x)], None)
                };
                m.parts.iter().map(op).collect()
            }
            _ => self.matmul_ops(w, &step.a, &step.x, Then::Add),
        }
    }

    pub(super) fn feed_forward_ops(&mut self, step: &Step, w: &FeedForward<Buf>, many: bool) -> Vec<Op> {
        let (Some(gate), Some(up)) = (matrix(w.gate), matrix(w.up)) else { return Vec::new() };
        let ([a], [b], false) = (&*gate.parts, &*up.parts, many) else { return self.many_feed_forward_ops(step, w) };
        let blocks = w.gate.cols / BLOCK;
        let count = w.gate.rows.div_ceil(ROWS / 2);
        let (grid, groups) = self.rows_grid(&[count]);
        let mut words = Words::default();
        words.planes(a, blocks).planes(b, blocks).planes(b, blocks);
        words.push(blocks).push(w.gate.rows).push(w.up.rows).push(0).push(w.gate.rows).push(vector_at(Some(w.norm))).float(w.eps);
        words.push(0).push(0).push(0).push(0).push(0).push(0).push(groups).push(count);
        let vectors = self.vectors();
        let key = gate_up_key(gate.layout, up.layout, self.products(), count);
        let mut views = vec![View::from(&a.place), self.input(&step.x), View::from(&step.a)];
        match self.constant_norm(&vectors, w.norm) {
            Some(norm) => views.extend([View::from(&b.place), norm]),
            None => views.extend([View::from(&vectors), View::from(&b.place)]),
        }
        vec![self.op(key, &words, &views, grid, Tokens::each(2))]
    }

    /// The logits of one row alone.
    pub(super) fn head_ops(&mut self, step: &Step, norm: &Weight<Buf>, output: &Weight<Buf>, eps: f32, many: bool) -> Vec<Op> {
        let Some(m) = matrix(output) else { return Vec::new() };
        let vectors = self.vectors();
        let op = |part: &Part| {
            let key = head_key(m.layout, self.products(), part.rows.div_ceil(ROWS), many);
            let views = [
                View::from(&part.place),
                if many { View::from(&step.x) } else { self.input(&step.x) },
                View::from(&step.logits),
                self.constant_norm(&vectors, norm).unwrap_or(View::from(&vectors)),
            ];
            Op { tokens: None, ..self.matvec(key, output, part, &views, Some((norm, eps))) }
        };
        m.parts.iter().map(op).collect()
    }

    pub(super) fn head_of_all_ops(&mut self, step: &Step, norm: &Weight<Buf>, output: &Weight<Buf>, eps: f32) -> Vec<Op> {
        let Some(out) = &step.all_logits else { return Vec::new() };
        let mut ops = vec![self.norm_op(step, norm, output.cols, eps)];
        ops.extend(self.matmul_ops(output, &step.h, out, Then::Store));
        ops
    }

    /// A matrix by one token's activations, with nothing after it but an addition.
    fn matvec(&mut self, key: Key, w: &Weight<Buf>, part: &Part, views: &[View], norm: Option<(&Weight<Buf>, f32)>) -> Op {
        let blocks = w.cols / BLOCK;
        let count = part.rows.div_ceil(ROWS);
        let (grid, groups) = self.rows_grid(&[count]);
        let mut words = Words::default();
        words.planes(part, blocks).planes(part, blocks).planes(part, blocks);
        words.push(blocks).push(part.rows).push(0).push(part.first_row).push(w.rows);
        words.push(vector_at(norm.map(|(norm, _)| norm))).float(norm.map_or(0.0, |(_, eps)| eps));
        words.push(0).push(0).push(0).push(0).push(0).push(0).push(groups).push(count);
        self.op(key, &words, views, grid, Tokens::each(2))
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
        let values: Vec<[f32; 2]> =
            (0..context_tokens).flat_map(|position| rope.frequencies.iter().map(move |frequency| turn(position, frequency))).collect();
        let turns = self.upload("rotations", bytemuck::cast_slice(&values));
        self.turns.insert(turns).clone()
    }
}

fn fours(count: usize) -> usize {
    FOURS.into_iter().find_map(|(fours, least)| (count >= least).then_some(fours)).unwrap_or(1)
}

/// The first weight is `A`, the second `B`, the third `C`; `count` are the first one's groups of rows.
fn matvec_key(layouts: &[Layout], products: Products, count: usize) -> Key {
    let mut key = if products.alone {
        Key::new("matvec_alone").with("LANES", format!("{ALONE_LANES}u")).with("FOURS", format!("{}u", fours(count)))
    } else {
        Key::new("matvec").with("LANES", format!("{LANES}u"))
    };
    if products.textures {
        key = key.flag("TEXTURES");
    }
    for (name, layout) in ["A", "B", "C"].into_iter().zip(layouts) {
        key = key.with(name, layout.name);
    }
    if products.dots && layouts.iter().all(Layout::has_bytes) { key.flag("DOTS") } else { key }
}

/// Of few tokens, whose activations are a uniform where lanes work alone.
fn few(key: Key, products: Products) -> Key {
    if products.alone { key.flag("CONSTANT_X") } else { key }
}

/// Of four rows side by side, whose scales lie in one texel.
fn together(key: Key, products: Products) -> Key {
    if products.textures { key.flag("TOGETHER") } else { key }
}

fn normed(key: Key, products: Products) -> Key {
    key.flag("NORM").flag(if products.alone { "CONSTANT_NORM" } else { "VECTORS" })
}

pub fn qkv_key(layouts: [Layout; 3], pairs: RopePairs, products: Products, count: usize, cache_type: CacheType) -> Key {
    let key = few(normed(matvec_key(&layouts, products, count), products), products).flag("QKV").flag("VECTORS").cached(cache_type);
    if pairs == RopePairs::Halves { key.flag("HALVES") } else { together(key, products) }
}

pub fn gate_up_key(gate: Layout, up: Layout, products: Products, count: usize) -> Key {
    few(normed(matvec_key(&[gate, up], products, count), products), products).flag("GATE_UP")
}

pub fn add_key(w: Layout, products: Products, count: usize) -> Key {
    together(few(matvec_key(&[w], products, count), products).flag("ADD"), products)
}

pub fn head_key(w: Layout, products: Products, count: usize, many: bool) -> Key {
    let key = together(normed(matvec_key(&[w], products, count), products).flag("HEAD"), products);
    if many { key } else { few(key, products) }
}

pub fn embed_key(table: Layout, products: Products) -> Key {
    let key = Key::new("embed").with("A", table.name);
    if products.textures { key.flag("TEXTURES") } else { key }
}

pub fn append_key(head: usize) -> Key {
    Key::new("append").with("HEAD", format!("{head}u"))
}

pub fn attend_key(head: usize, group: usize, alone: bool, cache_type: CacheType) -> Key {
    let key =
        if alone { Key::new("attend_alone").with("LANES", format!("{}u", (head / 8).next_multiple_of(8))) } else { Key::new("attend") };
    key.with("HEAD", format!("{head}u")).with("GROUP", format!("{group}u")).cached(cache_type)
}

pub fn combine_key(head: usize) -> Key {
    Key::new("combine").with("HEAD", format!("{head}u"))
}
