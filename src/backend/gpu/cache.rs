//! The KV cache, and its way to another cache or to the host.

use super::{
    context::Gpu,
    device::{CacheType, readback::Readback},
};
use crate::{Code, Error, Result, backend::Dims};
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
    /// A buffer for each layer, `[k | v, kv_heads, context, head_dim]`, as
    /// `shaders/lib/kv_cache.wgsl` reads it.
    pub layers: Vec<Buffer>,
    /// Positions that it holds.
    pub context_tokens: usize,
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

    /// Returns where the first of the positions is in a layer's buffer, for each head.
    fn heads(&self, first: usize) -> impl Iterator<Item = u64> {
        let (stride, row_bytes) = (self.context_tokens * self.row_bytes, self.row_bytes);
        (0..self.heads).map(move |head| (head * stride + first * row_bytes) as u64)
    }
}

impl Gpu {
    /// Makes a cache of `context_tokens` positions.
    ///
    /// # Errors
    /// `gpu_unsupported`, `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub(super) fn new_cache(&mut self, dims: &Dims, context_tokens: usize) -> Result<Cache> {
        let layer_bytes = self.cache_layer_bytes(dims, context_tokens);
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let layers = (0..dims.layers)
            .map(|_| self.buffer("cache", layer_bytes, usage))
            .collect::<Result<_>>()?;
        self.device.check()?;
        Ok(Cache {
            id: self.next_id(),
            layers,
            context_tokens,
            heads: 2 * dims.kv_heads,
            row_bytes: self.cache_type().size_bytes(dims.head_dim),
        })
    }

    /// Returns the bytes of one layer of a cache.
    pub(super) fn cache_layer_bytes(&self, dims: &Dims, context_tokens: usize) -> usize {
        self.cache_type()
            .size_bytes(2 * dims.kv_heads * context_tokens * dims.head_dim)
    }

    /// Copies the first `positions` of every layer to another cache of the same size.
    pub(super) fn copy_positions(&mut self, from: &Cache, to: &Cache, positions: usize) {
        let mut encoder = self
            .device
            .device
            .create_command_encoder(&Default::default());
        let size_bytes = (positions * from.row_bytes) as u64;
        for (source, target) in from.layers.iter().zip(&to.layers) {
            for at in from.heads(0) {
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
        positions: Range<usize>,
    ) -> Result<Vec<u16>> {
        let mut kv = Vec::new();
        let elements = dims.layers * cache.heads * positions.len() * dims.head_dim;
        kv.try_reserve_exact(elements).map_err(|_| {
            Error::new(
                Code::OutOfMemory,
                "There is no memory for a copy of the keys and values. Close other tabs, or load \
                 the model with a shorter context.",
            )
        })?;
        if positions.is_empty() {
            return Ok(kv);
        }
        let cache_type = self.cache_type();
        let head_bytes = (positions.len() * cache.row_bytes) as u64;
        let size_bytes = cache.heads as u64 * head_bytes;
        // One layer at a time goes through one buffer, whose size any device allows.
        let mut readback = self.device.readback(size_bytes);
        self.count(&readback);
        for layer in &cache.layers {
            let mut encoder = self
                .device
                .device
                .create_command_encoder(&Default::default());
            for (head, at) in (0..).zip(cache.heads(positions.start)) {
                encoder.copy_buffer_to_buffer(layer, at, &readback, head * head_bytes, head_bytes);
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

    /// Writes positions of a cache from `first` on, which
    /// [`Backend::export`](crate::backend::Backend::export) has laid out.
    pub(super) fn import_positions(
        &mut self,
        dims: &Dims,
        cache: &Cache,
        first: usize,
        kv: &[u16],
    ) {
        let positions = kv.len() / (dims.layers * cache.heads * dims.head_dim);
        let mut heads = kv.chunks_exact((positions * dims.head_dim).max(1));
        for layer in &cache.layers {
            for (at, head) in cache.heads(first).zip(&mut heads) {
                let packed: Vec<u8>;
                let bytes = match self.cache_type() {
                    CacheType::F16 => bytemuck::cast_slice(head),
                    CacheType::Q8_0 => {
                        packed = head.chunks_exact(BLOCK).flat_map(pack).collect();
                        &packed
                    }
                };
                self.device.queue.write_buffer(layer, at, bytes);
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
