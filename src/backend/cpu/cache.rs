//! The KV cache: how keys and values lie, and their way to another cache or out of this one.

use super::{
    pool::{Pool, SharedMut},
    query_set::{LANES, Row, TILE},
};
use crate::{Code, Error, Result, backend::Dims};
use half::f16;
use std::ops::Range;

/// Holds the KV cache: keys and values of every position as f16, by layer and key-value head, and
/// the inputs of convolutions.
pub struct Cache {
    /// Holds the keys `[layers, kv_heads, positions / LANES, head_dim, LANES]`: a row is one
    /// dimension of neighbouring positions.
    pub(super) keys: Vec<Row>,
    /// Holds the values `[layers, kv_heads, positions / TILE, columns / LANES, TILE, LANES]`: a row
    /// is neighbouring dimensions of one position.
    pub(super) values: Vec<Row>,
    /// Holds the inputs of convolutions `[layers, positions, embedding]`.
    pub(super) conv_inputs: Vec<u16>,
    pub(super) embedding: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    /// Holds `head_dim` rounded up to whole rows.
    pub(super) columns: usize,
    /// Counts the positions, rounded up to whole tiles.
    pub(super) positions: usize,
}

impl Cache {
    /// Allocates a cache of `context_tokens` positions.
    ///
    /// # Errors
    /// `out_of_memory`.
    pub fn new(dims: &Dims, context_tokens: usize) -> Result<Cache> {
        let (head_dim, columns) = (dims.head_dim, dims.head_dim.next_multiple_of(LANES));
        let positions = context_tokens.next_multiple_of(TILE);
        let rows = dims.attention_layers() * dims.kv_heads * positions / LANES;
        Ok(Cache {
            keys: zeros(rows * head_dim, context_tokens)?,
            values: zeros(rows * columns, context_tokens)?,
            conv_inputs: zeros(
                dims.conv_layers * positions * dims.embedding,
                context_tokens,
            )?,
            embedding: dims.embedding,
            kv_heads: dims.kv_heads,
            head_dim,
            columns,
            positions,
        })
    }

    /// Returns the memory that a cache of `context_tokens` positions takes, in bytes.
    pub fn size_bytes(dims: &Dims, context_tokens: usize) -> usize {
        let row = dims.head_dim + dims.head_dim.next_multiple_of(LANES);
        let kv = dims.attention_layers() * dims.kv_heads * row;
        let position = kv + dims.conv_layers * dims.embedding;
        context_tokens.next_multiple_of(TILE) * position * size_of::<u16>()
    }

    /// Returns the range of the rows of layer `layer` and key-value head `kv`, where a position is
    /// `width` wide.
    pub(super) fn rows(&self, layer: usize, kv: usize, width: usize) -> Range<usize> {
        let rows = self.positions / LANES * width;
        let first = (layer * self.kv_heads + kv) * rows;
        first..first + rows
    }

    /// Stores `k` and `v`, `[tokens, kv_heads, head_dim]` each, at the positions from `position`
    /// on. The threads share the positions, in groups whose keys lie in the same rows.
    pub fn append(&mut self, pool: &Pool, layer: usize, position: usize, k: &[f32], v: &[f32]) {
        let (head_dim, columns) = (self.head_dim, self.columns);
        let width = self.kv_heads * head_dim;
        let (first, end) = (position / LANES, position + k.len() / width);
        let key_rows = self.rows(layer, 0, head_dim);
        let value_rows = self.rows(layer, 0, columns);
        let (keys, values) = (
            SharedMut::new(&mut self.keys),
            SharedMut::new(&mut self.values),
        );
        let groups = end.div_ceil(LANES).saturating_sub(first);
        pool.split(groups, |range| {
            for p in
                position.max((first + range.start) * LANES)..end.min((first + range.end) * LANES)
            {
                let token = (p - position) * width..(p - position + 1) * width;
                let heads = k[token.clone()]
                    .chunks_exact(head_dim)
                    .zip(v[token].chunks_exact(head_dim));
                for (kv, (k, v)) in heads.enumerate() {
                    let at = key_rows.start + kv * key_rows.len() + p / LANES * head_dim;
                    // SAFETY: the rows of a group of positions belong to one item.
                    let keys = unsafe { keys.slice(at..at + head_dim) };
                    for (row, &k) in keys.iter_mut().zip(k) {
                        row[p % LANES] = to_f16(k);
                    }
                    let tile = value_rows.start
                        + kv * value_rows.len()
                        + p / TILE * (TILE * columns / LANES);
                    for (i, v) in v.chunks(LANES).enumerate() {
                        let at = tile + i * TILE + p % TILE;
                        // SAFETY: this row is of this position alone.
                        let row = unsafe { values.slice(at..at + 1) };
                        for (to, &v) in row.iter_mut().flatten().zip(v) {
                            *to = to_f16(v);
                        }
                    }
                }
            }
        });
    }
}

/// Returns that many zeros.
///
/// # Errors
/// `out_of_memory`, which tells of the context.
fn zeros<T: Clone + Default>(len: usize, context_tokens: usize) -> Result<Vec<T>> {
    let mut v = Vec::new();
    v.try_reserve_exact(len).map_err(|_| {
        Error::new(
            Code::OutOfMemory,
            format!(
                "There is no memory for a context of {context_tokens} tokens. Ask for a shorter \
                 one."
            ),
        )
    })?;
    v.resize(len, T::default());
    Ok(v)
}

/// Rounds to the nearest f16; large values are held inside its range.
pub(super) fn to_f16(x: f32) -> u16 {
    f16::from_f32(x.clamp(-65504.0, 65504.0)).to_bits()
}

impl Cache {
    /// Copies the first `positions` positions of every layer from `from`, which has the same size.
    pub fn copy_from(&mut self, from: &Cache, positions: usize) {
        // Whole tiles are copied: what lies behind the last position counts for nothing.
        let tiles = positions.div_ceil(TILE);
        for (to, from, width) in [
            (&mut self.keys, &from.keys, from.head_dim),
            (&mut self.values, &from.values, from.columns),
        ] {
            let len = tiles * (TILE / LANES * width);
            let head_rows = head_rows(self.positions, width);
            for (to, from) in to
                .chunks_exact_mut(head_rows)
                .zip(from.chunks_exact(head_rows))
            {
                to[..len].copy_from_slice(&from[..len]);
            }
        }
        let (layer, len) = (self.conv_layer(), positions * self.embedding);
        let layers = self.conv_inputs.chunks_exact_mut(layer);
        for (to, from) in layers.zip(from.conv_inputs.chunks_exact(layer)) {
            to[..len].copy_from_slice(&from[..len]);
        }
    }

    /// Returns the numbers of one layer of inputs.
    fn conv_layer(&self) -> usize {
        self.positions * self.embedding
    }

    /// Returns the inputs of convolution `layer`, `[positions, embedding]`.
    pub(super) fn conv_inputs_mut(&mut self, layer: usize) -> &mut [u16] {
        let len = self.conv_layer();
        &mut self.conv_inputs[layer * len..][..len]
    }

    /// Returns the keys and values at `positions`,
    /// `[layers, k | v, kv_heads, positions, head_dim]`, and the inputs of convolutions,
    /// `[layers, positions, embedding]`.
    ///
    /// # Errors
    /// `out_of_memory`.
    pub fn export(&self, positions: Range<usize>) -> Result<Vec<u16>> {
        let layers = self.layers();
        let len = self.numbers() * positions.len();
        let mut kv = Vec::new();
        kv.try_reserve_exact(len).map_err(|_| {
            Error::new(
                Code::OutOfMemory,
                format!(
                    "There is no memory for a copy of the keys and values of {} tokens. Close \
                     other tabs, or load the model with a shorter context.",
                    positions.len()
                ),
            )
        })?;
        for layer in 0..layers {
            for is_value in [false, true] {
                for head in 0..self.kv_heads {
                    for position in positions.clone() {
                        kv.extend(
                            (0..self.head_dim).map(|d| self.at(is_value, layer, head, position, d)),
                        );
                    }
                }
            }
        }
        let (begin, end) = (
            positions.start * self.embedding,
            positions.end * self.embedding,
        );
        for inputs in self.conv_inputs.chunks_exact(self.conv_layer()) {
            kv.extend_from_slice(&inputs[begin..end]);
        }
        Ok(kv)
    }

    /// Returns the numbers that are kept of one position.
    fn numbers(&self) -> usize {
        let conv_layers = self.conv_inputs.len() / self.conv_layer();
        2 * self.layers() * self.kv_heads * self.head_dim + conv_layers * self.embedding
    }

    /// Stores keys and values, laid out as [`Cache::export`] gives them, from position `first` on.
    pub fn import(&mut self, first: usize, kv: &[u16]) {
        let (layers, heads, head_dim) = (self.layers(), self.kv_heads, self.head_dim);
        let positions = kv.len() / self.numbers();
        let (kv, inputs) = kv.split_at(2 * layers * heads * head_dim * positions);
        let mut vectors = kv.chunks_exact(head_dim);
        for layer in 0..layers {
            for is_value in [false, true] {
                for head in 0..heads {
                    for (position, vector) in (first..first + positions).zip(&mut vectors) {
                        for (d, &bits) in vector.iter().enumerate() {
                            *self.at_mut(is_value, layer, head, position, d) = bits;
                        }
                    }
                }
            }
        }
        let (begin, len) = (first * self.embedding, positions * self.embedding);
        for (layer, inputs) in inputs.chunks_exact(len.max(1)).enumerate() {
            self.conv_inputs_mut(layer)[begin..begin + len].copy_from_slice(inputs);
        }
    }

    fn layers(&self) -> usize {
        self.keys.len() / (self.kv_heads * head_rows(self.positions, self.head_dim))
    }

    /// Returns the row and the lane of element `d` of a key or value.
    fn place(
        &self,
        is_value: bool,
        layer: usize,
        head: usize,
        p: usize,
        d: usize,
    ) -> (usize, usize) {
        if is_value {
            let tile = p / TILE * (TILE * self.columns / LANES);
            let row = self.rows(layer, head, self.columns).start + tile + d / LANES * TILE;
            (row + p % TILE, d % LANES)
        } else {
            let row = self.rows(layer, head, self.head_dim).start + p / LANES * self.head_dim;
            (row + d, p % LANES)
        }
    }

    fn at(&self, is_value: bool, layer: usize, head: usize, position: usize, d: usize) -> u16 {
        let (row, lane) = self.place(is_value, layer, head, position, d);
        match is_value {
            true => self.values[row][lane],
            false => self.keys[row][lane],
        }
    }

    fn at_mut(
        &mut self,
        is_value: bool,
        layer: usize,
        head: usize,
        position: usize,
        d: usize,
    ) -> &mut u16 {
        let (row, lane) = self.place(is_value, layer, head, position, d);
        match is_value {
            true => &mut self.values[row][lane],
            false => &mut self.keys[row][lane],
        }
    }
}

/// Returns the rows of one key-value head of a layer, where a position is `width` wide.
fn head_rows(positions: usize, width: usize) -> usize {
    positions / LANES * width
}
