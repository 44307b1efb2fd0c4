//! The KV cache, and its way to another cache or to the host.

use super::{
    context::Gpu,
    device::{CacheType, readback::Readback},
};
use crate::{
    Code, Error, Result,
    backend::{CacheSize, Dims},
};
use half::f16;
use std::ops::Range;
use wgpu::{Buffer, BufferUsages as Usage};

/// Elements of a block of a `Q8_0` cache, and its bytes: an element a byte, and an f32.
const BLOCK: usize = 32;
const BLOCK_BYTES: usize = BLOCK + size_of::<f32>();
/// What a byte is at most, as WGSL's `pack4x8snorm` has it.
const LARGEST_BYTE: f32 = 127.0;

/// Keys and values of every position.
#[derive(Debug)]
pub struct Cache {
    /// A number that no other cache of the backend has.
    pub id: u32,
    /// A buffer for each layer, `[k | v, kv_heads, positions, head_dim]`, as
    /// `shaders/lib/kv_cache.wgsl` reads it.
    pub layers: Vec<Buffer>,
    /// The positions that it, and each of its layers, has room for.
    pub size: CacheSize,
    /// Heads of keys and values together.
    heads: usize,
    /// The bytes of one head at one position.
    row_bytes: usize,
}

impl Cache {
    /// Returns the bytes of one position in a layer.
    pub(super) fn position_bytes(&self) -> u64 {
        (self.heads * self.row_bytes) as u64
    }

    /// Returns where positions lie in a layer's buffer, head after head. They begin anew where the
    /// layer's room ends, and of more than it has room for the last ones are there.
    fn runs(&self, layer: usize, positions: &Range<usize>) -> Vec<Run> {
        let room = self.size.layers[layer];
        let (len, mut runs) = (positions.len(), Vec::new());
        for head in 0..self.heads {
            let mut index = len.saturating_sub(room);
            while index < len {
                let at = (positions.start + index) % room;
                let count = (len - index).min(room - at);
                runs.push(Run {
                    at: ((head * room + at) * self.row_bytes) as u64,
                    first: head * len + index,
                    count,
                });
                index += count;
            }
        }
        runs
    }
}

/// Positions of a head that lie side by side.
struct Run {
    /// Where the first is in the layer's buffer.
    at: u64,
    /// Where it is among the positions of all heads that are copied.
    first: usize,
    /// How many there are.
    count: usize,
}

impl Gpu {
    /// Makes a cache.
    ///
    /// # Errors
    /// `gpu_unsupported`, `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub(super) fn new_cache(&mut self, dims: &Dims, size: &CacheSize) -> Result<Cache> {
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let layers = size
            .layers
            .iter()
            .map(|&positions| self.buffer("cache", self.cache_layer_bytes(dims, positions), usage));
        let layers = layers.collect::<Result<_>>()?;
        self.device.check()?;
        Ok(Cache {
            id: self.next_id(),
            layers,
            size: size.clone(),
            heads: 2 * dims.kv_heads,
            row_bytes: self.cache_type().size_bytes(dims.head_dim),
        })
    }

    /// Returns the bytes of a layer of a cache that has room for so many positions.
    pub(super) fn cache_layer_bytes(&self, dims: &Dims, positions: usize) -> usize {
        self.cache_type()
            .size_bytes(2 * dims.kv_heads * positions * dims.head_dim)
    }

    /// Copies positions of each layer to another cache of the same size.
    pub(super) fn copy_positions(&mut self, from: &Cache, to: &Cache, positions: &[Range<usize>]) {
        let mut encoder = self
            .device
            .device
            .create_command_encoder(&Default::default());
        for (layer, positions) in positions.iter().enumerate() {
            let (source, target) = (&from.layers[layer], &to.layers[layer]);
            for Run { at, count, .. } in from.runs(layer, positions) {
                let size_bytes = (count * from.row_bytes) as u64;
                encoder.copy_buffer_to_buffer(source, at, target, at, size_bytes);
            }
        }
        self.device.queue.submit([encoder.finish()]);
        self.counters.submits += 1;
    }

    /// Reads positions of a cache, as [`Backend::export`](crate::backend::Backend::export) lays
    /// them out.
    ///
    /// # Errors
    /// `out_of_memory`, `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub(super) async fn export_positions(
        &mut self,
        dims: &Dims,
        cache: &Cache,
        positions: &[Range<usize>],
    ) -> Result<Vec<u16>> {
        let mut kv = Vec::new();
        let lengths = positions.iter().map(Range::len);
        let (all, longest) = (lengths.clone().sum::<usize>(), lengths.max().unwrap_or(0));
        let elements = all * cache.heads * dims.head_dim;
        kv.try_reserve_exact(elements).map_err(|_| {
            Error::new(
                Code::OutOfMemory,
                "There is no memory for a copy of the keys and values. Close other tabs, or load \
                 the model with a shorter context.",
            )
        })?;
        if longest == 0 {
            return Ok(kv);
        }
        let cache_type = self.cache_type();
        let row_bytes = cache.row_bytes as u64;
        let bytes_of = |positions: usize| (cache.heads * positions) as u64 * row_bytes;
        // One layer at a time goes through one buffer, whose size any device allows.
        let mut readback = self.device.readback(bytes_of(longest));
        self.count(&readback);
        for (layer, positions) in positions.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
            let size_bytes = bytes_of(positions.len());
            let mut encoder = self
                .device
                .device
                .create_command_encoder(&Default::default());
            for Run { at, first, count } in cache.runs(layer, positions) {
                let (to, len) = (first as u64 * row_bytes, count as u64 * row_bytes);
                encoder.copy_buffer_to_buffer(&cache.layers[layer], at, &readback, to, len);
            }
            let submission = self.device.queue.submit([encoder.finish()]);
            self.counters.submits += 1;
            self.counters.read_bytes += size_bytes;
            let reading = Readback::after(&self.device, submission, readback, size_bytes);
            let take = |bytes: &[u8]| match cache_type {
                CacheType::F16 => kv.extend_from_slice(bytemuck::cast_slice(bytes)),
                CacheType::Q8_0 => kv.extend(bytes.chunks_exact(BLOCK_BYTES).flat_map(unpack)),
            };
            readback = reading.finish(&self.device, take).await?;
        }
        Ok(kv)
    }

    /// Writes positions of a cache, which [`Backend::export`](crate::backend::Backend::export) has
    /// laid out.
    pub(super) fn import_positions(
        &mut self,
        dims: &Dims,
        cache: &Cache,
        positions: &[Range<usize>],
        kv: &[u16],
    ) {
        let mut rest = kv;
        for (layer, positions) in positions.iter().enumerate() {
            let (of_layer, later) = rest.split_at(cache.heads * positions.len() * dims.head_dim);
            rest = later;
            for Run { at, first, count } in cache.runs(layer, positions) {
                let run = &of_layer[first * dims.head_dim..][..count * dims.head_dim];
                let packed: Vec<u8>;
                let bytes = match self.cache_type() {
                    CacheType::F16 => bytemuck::cast_slice(run),
                    CacheType::Q8_0 => {
                        packed = run.chunks_exact(BLOCK).flat_map(pack).collect();
                        &packed
                    }
                };
                let buffer = &cache.layers[layer];
                self.device.queue.write_buffer(buffer, at, bytes);
            }
        }
    }
}

/// Returns the elements of a block of bytes.
fn unpack(block: &[u8]) -> impl Iterator<Item = u16> {
    let (bytes, largest) = block.split_at(BLOCK);
    let largest: f32 = bytemuck::pod_read_unaligned(largest);
    bytes.iter().map(move |&byte| {
        let share = (f32::from(byte.cast_signed()) / LARGEST_BYTE).max(-1.0);
        f16::from_f32(largest * share).to_bits()
    })
}

/// Returns the bytes of a block, as `shaders/ops/kv_quantize.wgsl` makes them.
fn pack(block: &[u16]) -> impl Iterator<Item = u8> {
    let value = |&bits: &u16| f16::from_bits(bits).to_f32();
    let largest = block
        .iter()
        .map(value)
        .fold(0.0, |m: f32, x| m.max(x.abs()));
    let per_largest = match largest > 0.0 {
        true => LARGEST_BYTE / largest,
        false => 0.0,
    };
    let byte = move |bits| (0.5 + value(bits) * per_largest).floor() as i8;
    let bytes = block.iter().map(move |bits| byte(bits).cast_unsigned());
    bytes.chain(largest.to_le_bytes())
}
