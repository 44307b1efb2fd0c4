//! The KV cache: how keys and values lie, and their way to another cache or out of this one.

use super::{
    pool::{Pool, SharedMut},
    query_set::{LANES, Row, TILE},
};
use crate::{
    Code, Error, Result,
    backend::{CacheSize, Dims, StateEntries},
};
use half::f16;
use std::ops::Range;

/// Holds the KV cache: keys and values as f16, by layer and key-value head, and the inputs of
/// convolutions or states of layers that have these. A layer's last positions are kept, as many as
/// it has room for.
pub struct Cache {
    /// Holds the keys `[layers, kv_heads, positions / LANES, head_dim, LANES]`: a row is one
    /// dimension of neighbouring positions.
    pub(super) keys: Vec<Row>,
    /// Holds the values `[layers, kv_heads, positions / TILE, columns / LANES, TILE, LANES]`: a row
    /// is neighbouring dimensions of one position.
    pub(super) values: Vec<Row>,
    /// Holds the inputs of convolutions `[layers, positions, width]` as f16, or states as f32.
    conv_inputs: Vec<f32>,
    /// Counts the positions of each convolution.
    conv_positions: usize,
    /// Counts the halves of f32 that each of them has.
    pub(super) width: usize,
    pub(super) kv_heads: usize,
    layers: Vec<Layer>,
}

/// Tells where a layer lies in a cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    /// Counts the rows of keys of the layers before it.
    first_key: usize,
    /// Counts the rows of values of the layers before it.
    first_value: usize,
    /// Counts its own positions, rounded up to whole tiles.
    pub(super) positions: usize,
    /// Holds the length of a head.
    pub(super) head_dim: usize,
    /// Holds `head_dim` rounded up to whole rows.
    pub(super) columns: usize,
}

impl Cache {
    /// Allocates a cache.
    ///
    /// # Errors
    /// `out_of_memory`.
    pub fn new(dims: &Dims, size: &CacheSize) -> Result<Cache> {
        let (attend, convolve) = size.layers.split_at(dims.attention_layers());
        let (mut keys, mut values) = (0, 0);
        let layers = attend.iter().enumerate().map(|(layer, positions)| {
            let head_dim = dims.head_dim_of(layer);
            let layer = Layer {
                first_key: keys,
                first_value: values,
                positions: positions.next_multiple_of(TILE),
                head_dim,
                columns: head_dim.next_multiple_of(LANES),
            };
            let rows = dims.kv_heads * layer.positions / LANES;
            keys += rows * head_dim;
            values += rows * layer.columns;
            layer
        });
        let layers = layers.collect();
        let conv_positions = convolve.first().copied().unwrap_or_default();
        let width = dims.layer_numbers(dims.attention_layers());
        let conv_inputs = (convolve.len() * conv_positions * width).div_ceil(2);
        Ok(Cache {
            keys: zeros(keys, size.context_tokens)?,
            values: zeros(values, size.context_tokens)?,
            conv_inputs: zeros(conv_inputs, size.context_tokens)?,
            conv_positions,
            width,
            kv_heads: dims.kv_heads,
            layers,
        })
    }

    /// Returns the memory that a cache takes, in bytes.
    pub fn size_bytes(dims: &Dims, size: &CacheSize) -> usize {
        let (attend, convolve) = size.layers.split_at(dims.attention_layers());
        let kv = attend.iter().enumerate().map(|(layer, positions)| {
            let head_dim = dims.head_dim_of(layer);
            let row = head_dim + head_dim.next_multiple_of(LANES);
            dims.kv_heads * positions.next_multiple_of(TILE) * row
        });
        let kv = kv.sum::<usize>();
        let width = dims.layer_numbers(dims.attention_layers());
        (kv + convolve.iter().sum::<usize>() * width) * size_of::<u16>()
    }

    /// Returns where a layer that attends lies, and how long its heads are.
    pub(super) fn layer(&self, layer: usize) -> Layer {
        self.layers[layer]
    }

    /// Returns the range of the rows of keys of layer `layer` and key-value head `kv`.
    pub(super) fn key_rows(&self, layer: usize, kv: usize) -> Range<usize> {
        let it = self.layers[layer];
        let rows = it.positions / LANES * it.head_dim;
        it.first_key + kv * rows..it.first_key + (kv + 1) * rows
    }

    /// Returns the range of the rows of values of layer `layer` and key-value head `kv`.
    pub(super) fn value_rows(&self, layer: usize, kv: usize) -> Range<usize> {
        let it = self.layers[layer];
        let rows = it.positions / LANES * it.columns;
        it.first_value + kv * rows..it.first_value + (kv + 1) * rows
    }

    /// Stores `k` and `v`, `[tokens, kv_heads, head_dim]` each, at the positions from `position`
    /// on. The threads share the positions, in groups whose keys lie in the same rows.
    ///
    /// # Panics
    /// Where the layer has no room for so many tokens.
    pub fn append(&mut self, pool: &Pool, layer: usize, position: usize, k: &[f32], v: &[f32]) {
        let Layer {
            positions,
            head_dim,
            columns,
            ..
        } = self.layers[layer];
        let width = self.kv_heads * head_dim;
        let (first, end) = (position / LANES, position + k.len() / width);
        let key_rows = self.key_rows(layer, 0);
        let value_rows = self.value_rows(layer, 0);
        let (keys, values) = (
            SharedMut::new(&mut self.keys),
            SharedMut::new(&mut self.values),
        );
        let groups = end.div_ceil(LANES).saturating_sub(first);
        assert!(
            groups <= positions / LANES,
            "a step is too long for its layer"
        );
        pool.split(groups, |range| {
            for p in
                position.max((first + range.start) * LANES)..end.min((first + range.end) * LANES)
            {
                let token = (p - position) * width..(p - position + 1) * width;
                let p = p % positions;
                let heads = k[token.clone()]
                    .chunks_exact(head_dim)
                    .zip(v[token].chunks_exact(head_dim));
                for (kv, (k, v)) in heads.enumerate() {
                    let at = key_rows.start + kv * key_rows.len() + p / LANES * head_dim;
                    // SAFETY: the rows of a group of positions belong to one item, for there are no
                    // more groups than the layer has.
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
    /// Copies the positions that are listed for each layer from `from`, which has the same size.
    pub fn copy_from(&mut self, from: &Cache, positions: &[Range<usize>]) {
        let (attend, convolve) = positions.split_at(from.layers.len());
        for (layer, range) in attend.iter().enumerate() {
            let it = from.layers[layer];
            for head in 0..from.kv_heads {
                let (keys, values) = (
                    from.key_rows(layer, head).start,
                    from.value_rows(layer, head).start,
                );
                // Whole tiles are copied: what lies around the positions counts for nothing.
                for tile in range.start / TILE..range.end.div_ceil(TILE) {
                    let group = tile * TILE % it.positions / LANES;
                    for (to, from, first, width) in [
                        (&mut self.keys, &from.keys, keys, it.head_dim),
                        (&mut self.values, &from.values, values, it.columns),
                    ] {
                        let at = first + group * width;
                        let rows = at..at + TILE / LANES * width;
                        to[rows.clone()].copy_from_slice(&from[rows]);
                    }
                }
            }
        }
        for (layer, positions) in convolve.iter().enumerate() {
            let range = from.conv_range(layer, positions);
            self.halves_mut()[range.clone()].copy_from_slice(&from.halves()[range]);
        }
    }

    fn halves(&self) -> &[u16] {
        bytemuck::cast_slice(&self.conv_inputs)
    }

    fn halves_mut(&mut self) -> &mut [u16] {
        bytemuck::cast_slice_mut(&mut self.conv_inputs)
    }

    /// Returns the inputs of convolution `layer`, `[positions, embedding]`.
    pub(super) fn conv_inputs_mut(&mut self, layer: usize) -> &mut [u16] {
        let len = self.conv_positions * self.width;
        &mut self.halves_mut()[layer * len..][..len]
    }

    /// Returns the state that a step goes on from, and the one that it replaces.
    ///
    /// # Panics
    /// Where they are the same.
    pub(super) fn states(
        &mut self,
        layer: usize,
        entries: StateEntries,
    ) -> (Option<&[f32]>, &mut [f32]) {
        let (len, first) = (self.width / 2, layer * self.conv_positions);
        let of = |entry: usize| (first + entry) * len..(first + entry + 1) * len;
        match entries.from {
            None => (None, &mut self.conv_inputs[of(entries.to)]),
            Some(from) => {
                let pair = self
                    .conv_inputs
                    .get_disjoint_mut([of(from), of(entries.to)]);
                let [from, to] = pair.expect("two states of the cache");
                (Some(&*from), to)
            }
        }
    }

    /// Returns where the inputs of convolution `layer` at these positions are.
    fn conv_range(&self, layer: usize, positions: &Range<usize>) -> Range<usize> {
        let first = layer * self.conv_positions;
        (first + positions.start) * self.width..(first + positions.end) * self.width
    }

    /// Returns the keys and values at the positions that are listed for each layer,
    /// `[layers, k | v, kv_heads, positions, head_dim]`, and the inputs of convolutions,
    /// `[layers, positions, embedding]`.
    ///
    /// # Errors
    /// `out_of_memory`.
    pub fn export(&self, positions: &[Range<usize>]) -> Result<Vec<u16>> {
        let (attend, convolve) = positions.split_at(self.layers.len());
        let conv_positions = convolve.iter().map(Range::len).sum::<usize>();
        let len = self.kv_numbers(attend);
        let mut kv = Vec::new();
        kv.try_reserve_exact(len + conv_positions * self.width)
            .map_err(|_| {
                Error::new(
                    Code::OutOfMemory,
                    "There is no memory for a copy of the keys and values. Close other tabs, or \
                     load the model with a shorter context.",
                )
            })?;
        for (layer, positions) in attend.iter().enumerate() {
            for is_value in [false, true] {
                for head in 0..self.kv_heads {
                    for position in positions.clone() {
                        let dims = 0..self.layers[layer].head_dim;
                        kv.extend(dims.map(|d| self.at(is_value, layer, head, position, d)));
                    }
                }
            }
        }
        for (layer, positions) in convolve.iter().enumerate() {
            kv.extend_from_slice(&self.halves()[self.conv_range(layer, positions)]);
        }
        Ok(kv)
    }

    /// Stores keys and values and inputs of convolutions, laid out as [`Cache::export`] gives them,
    /// at the positions that are listed for each layer.
    pub fn import(&mut self, positions: &[Range<usize>], kv: &[u16]) {
        let (attend, convolve) = positions.split_at(self.layers.len());
        let (mut kv, mut inputs) = kv.split_at(self.kv_numbers(attend));
        for (layer, positions) in attend.iter().enumerate() {
            let head_dim = self.layers[layer].head_dim;
            let (of_layer, others) = kv.split_at(2 * self.kv_heads * positions.len() * head_dim);
            let mut vectors = of_layer.chunks_exact(head_dim);
            kv = others;
            for is_value in [false, true] {
                for head in 0..self.kv_heads {
                    for (position, vector) in positions.clone().zip(&mut vectors) {
                        for (d, &bits) in vector.iter().enumerate() {
                            *self.at_mut(is_value, layer, head, position, d) = bits;
                        }
                    }
                }
            }
        }
        for (layer, positions) in convolve.iter().enumerate() {
            let range = self.conv_range(layer, positions);
            let (of_layer, others) = inputs.split_at(range.len());
            self.halves_mut()[range].copy_from_slice(of_layer);
            inputs = others;
        }
    }

    /// Returns the numbers of the keys and values at the positions that are listed for each layer.
    fn kv_numbers(&self, positions: &[Range<usize>]) -> usize {
        let layers = self.layers.iter().zip(positions);
        let of_head = layers.map(|(layer, positions)| positions.len() * layer.head_dim);
        2 * self.kv_heads * of_head.sum::<usize>()
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
        let it = self.layers[layer];
        let p = p % it.positions;
        if is_value {
            let tile = p / TILE * (TILE * it.columns / LANES);
            let row = self.value_rows(layer, head).start + tile + d / LANES * TILE;
            (row + p % TILE, d % LANES)
        } else {
            let row = self.key_rows(layer, head).start + p / LANES * it.head_dim;
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
