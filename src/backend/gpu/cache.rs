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
    /// A buffer for each layer that has a convolution, of its inputs: f16, `[context, embedding]`.
    pub conv_inputs: Vec<Buffer>,
    /// Positions that it holds.
    pub context_tokens: usize,
    kv: Rows,
    inputs: Rows,
}

/// How the numbers of a layer lie in its buffer, `[heads, context, head]`.
#[derive(Clone, Copy, Debug)]
struct Rows {
    /// Heads of keys and values together; 1 for inputs of a convolution.
    heads: usize,
    /// Numbers of one head at one position.
    width: usize,
    cache_type: CacheType,
    /// Positions of the cache.
    context_tokens: usize,
}

impl Rows {
    /// Returns the bytes of so many positions of one head.
    fn bytes(&self, positions: usize) -> usize {
        positions * self.cache_type.size_bytes(self.width)
    }

    /// Returns where a position is in a layer's buffer, for each head.
    fn heads(self, position: usize) -> impl Iterator<Item = u64> {
        let first = move |head| head * self.context_tokens + position;
        (0..self.heads).map(move |head| self.bytes(first(head)) as u64)
    }
}

impl Cache {
    /// Returns the bytes of one position in a layer that attends.
    pub(super) fn position_bytes(&self) -> u64 {
        (self.kv.heads * self.kv.bytes(1)) as u64
    }

    /// Returns the buffer of each layer, those of convolutions last, and how it lies there.
    fn buffers(&self) -> impl Iterator<Item = (&Buffer, Rows)> {
        let kv = self.layers.iter().map(|buffer| (buffer, self.kv));
        let inputs = self.conv_inputs.iter();
        kv.chain(inputs.map(|buffer| (buffer, self.inputs)))
    }
}

/// Returns the bytes of the inputs of one layer's convolution.
pub(super) fn conv_layer_bytes(dims: &Dims, context_tokens: usize) -> usize {
    CacheType::F16.size_bytes(dims.embedding * context_tokens)
}

impl Gpu {
    /// Makes a cache of `context_tokens` positions.
    ///
    /// # Errors
    /// `gpu_unsupported`, `gpu_lost`, `gpu_out_of_memory`, `gpu_refused`
    pub(super) fn new_cache(&mut self, dims: &Dims, context_tokens: usize) -> Result<Cache> {
        let layer_bytes = self.cache_layer_bytes(dims, context_tokens);
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let mut buffers = |count, size_bytes| -> Result<Vec<Buffer>> {
            (0..count)
                .map(|_| self.buffer("cache", size_bytes, usage))
                .collect()
        };
        let layers = buffers(dims.attention_layers(), layer_bytes)?;
        let conv_inputs = buffers(dims.conv_layers, conv_layer_bytes(dims, context_tokens))?;
        self.device.check()?;
        Ok(Cache {
            id: self.next_id(),
            layers,
            conv_inputs,
            context_tokens,
            kv: Rows {
                heads: 2 * dims.kv_heads,
                width: dims.head_dim,
                cache_type: self.cache_type(),
                context_tokens,
            },
            inputs: Rows {
                heads: 1,
                width: dims.embedding,
                cache_type: CacheType::F16,
                context_tokens,
            },
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
        for ((source, rows), (target, _)) in from.buffers().zip(to.buffers()) {
            let size_bytes = rows.bytes(positions) as u64;
            for at in rows.heads(0) {
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
        kv.try_reserve_exact(dims.cached_numbers() * positions.len()).map_err(|_| {
            Error::new(
                Code::OutOfMemory,
                "There is no memory for a copy of the keys and values. Close other tabs, or load \
                 the model with a shorter context.",
            )
        })?;
        if positions.is_empty() {
            return Ok(kv);
        }
        let layer_bytes = |rows: Rows| (rows.heads * rows.bytes(positions.len())) as u64;
        let largest = cache.buffers().map(|(_, rows)| layer_bytes(rows)).max();
        // One layer at a time goes through one buffer, whose size any device allows.
        let mut readback = self.device.readback(largest.unwrap_or_default());
        self.count(&readback);
        for (layer, rows) in cache.buffers() {
            let size_bytes = layer_bytes(rows);
            let head_bytes = rows.bytes(positions.len()) as u64;
            let mut encoder = self
                .device
                .device
                .create_command_encoder(&Default::default());
            for (head, at) in (0..).zip(rows.heads(positions.start)) {
                encoder.copy_buffer_to_buffer(layer, at, &readback, head * head_bytes, head_bytes);
            }
            let submission = self.device.queue.submit([encoder.finish()]);
            self.counters.submits += 1;
            self.counters.read_bytes += size_bytes;
            let reading = Readback::after(&self.device, submission, readback, size_bytes);
            let take = |bytes: &[u8]| match rows.cache_type {
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
        let positions = kv.len() / dims.cached_numbers();
        let mut rest = kv;
        for (layer, rows) in cache.buffers() {
            for at in rows.heads(first) {
                let (head, others) = rest.split_at(positions * rows.width);
                rest = others;
                let packed: Vec<u8>;
                let bytes = match rows.cache_type {
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
