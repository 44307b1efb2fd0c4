//! Takes keys and values out of a cache, puts them back, and copies them to another one.

use super::attention::{Cache, LANES, TILE};
use crate::{Code, Error, Result};
use std::ops::Range;

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
    }

    /// Returns the keys and values at `positions`, `[layers, k | v, kv_heads, positions, head_dim]`.
    ///
    /// # Errors
    /// `out_of_memory`.
    pub fn export(&self, positions: Range<usize>) -> Result<Vec<u16>> {
        let layers = self.layers();
        let len = 2 * layers * self.kv_heads * positions.len() * self.head_dim;
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
        Ok(kv)
    }

    /// Stores keys and values, laid out as [`Cache::export`] gives them, from position `first` on.
    pub fn import(&mut self, first: usize, kv: &[u16]) {
        let (layers, heads, head_dim) = (self.layers(), self.kv_heads, self.head_dim);
        let positions = kv.len() / (2 * layers * heads * head_dim);
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
