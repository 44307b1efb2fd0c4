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
    /// A buffer for each layer that has a convolution, of its inputs: f16,
    /// `[positions, embedding]`; or of its states: f32, `[states, state]`.
    pub conv_inputs: Vec<Buffer>,
    /// The positions that it, and each of its layers, has room for.
    pub size: CacheSize,
    /// How each layer that attends lies in its buffer.
    kv: Vec<Rows>,
    inputs: Rows,
}

/// How the numbers of a layer lie in its buffer, `[heads, positions, head]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    /// Heads of keys and values together; 1 for inputs of a convolution.
    heads: usize,
    /// Numbers of one head at one position.
    width: usize,
    cache_type: CacheType,
}

impl Rows {
    /// Returns the bytes of so many positions of one head.
    fn bytes(self, positions: usize) -> usize {
        positions * self.cache_type.size_bytes(self.width)
    }

    /// Returns the bytes of so many positions of a layer.
    pub(super) fn layer_bytes(self, positions: usize) -> usize {
        self.heads * self.bytes(positions)
    }
}

impl Cache {
    /// Returns the bytes of one position in a layer that attends.
    pub(super) fn position_bytes(&self, layer: usize) -> u64 {
        self.kv[layer].layer_bytes(1) as u64
    }

    /// Returns the buffer of a layer, those of convolutions last, and how it lies there.
    fn buffer(&self, layer: usize) -> (&Buffer, Rows) {
        match layer.checked_sub(self.layers.len()) {
            None => (&self.layers[layer], self.kv[layer]),
            Some(layer) => (&self.conv_inputs[layer], self.inputs),
        }
    }

    /// Returns where positions lie in a layer's buffer, head after head. They begin anew where the
    /// layer's room ends, and of more than it has room for the last ones are there.
    fn runs(&self, layer: usize, positions: &Range<usize>) -> Vec<Run> {
        let (room, (_, rows)) = (self.size.layers[layer], self.buffer(layer));
        let (len, mut runs) = (positions.len(), Vec::new());
        for head in 0..rows.heads {
            let mut index = len.saturating_sub(room);
            while index < len {
                let at = (positions.start + index) % room;
                let count = (len - index).min(room - at);
                runs.push(Run {
                    at: rows.bytes(head * room + at) as u64,
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
        let mut buffers = Vec::new();
        for (layer, &positions) in size.layers.iter().enumerate() {
            let size_bytes = self.cache_rows(dims, layer).layer_bytes(positions);
            buffers.push(self.buffer("cache", size_bytes, usage)?);
        }
        let conv_inputs = buffers.split_off(dims.attention_layers());
        self.device.check()?;
        Ok(Cache {
            id: self.next_id(),
            layers: buffers,
            conv_inputs,
            size: size.clone(),
            kv: (0..dims.attention_layers())
                .map(|layer| self.cache_rows(dims, layer))
                .collect(),
            inputs: self.cache_rows(dims, dims.attention_layers()),
        })
    }

    /// Returns how a layer of a cache lies in its buffer.
    pub(super) fn cache_rows(&self, dims: &Dims, layer: usize) -> Rows {
        match layer < dims.attention_layers() {
            true => Rows {
                heads: 2 * dims.kv_heads,
                width: dims.head_dim_of(layer),
                cache_type: self.cache_type(),
            },
            false => Rows {
                heads: 1,
                width: dims.layer_numbers(layer),
                cache_type: CacheType::F16,
            },
        }
    }

    /// Copies positions of each layer to another cache of the same size.
    pub(super) fn copy_positions(&mut self, from: &Cache, to: &Cache, positions: &[Range<usize>]) {
        let mut encoder = self
            .device
            .device
            .create_command_encoder(&Default::default());
        for (layer, positions) in positions.iter().enumerate() {
            let ((source, rows), (target, _)) = (from.buffer(layer), to.buffer(layer));
            for Run { at, count, .. } in from.runs(layer, positions) {
                let size_bytes = rows.bytes(count) as u64;
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
        let layers = || positions.iter().enumerate();
        let numbers = layers().map(|(layer, it)| it.len() * dims.layer_numbers(layer));
        kv.try_reserve_exact(numbers.sum()).map_err(|_| {
            Error::new(
                Code::OutOfMemory,
                "There is no memory for a copy of the keys and values. Close other tabs, or load \
                 the model with a shorter context.",
            )
        })?;
        if positions.iter().all(Range::is_empty) {
            return Ok(kv);
        }
        let bytes_of = |(layer, it): (usize, &Range<usize>)| {
            cache.buffer(layer).1.layer_bytes(it.len()) as u64
        };
        // One layer at a time goes through one buffer, whose size any device allows.
        let mut readback = self
            .device
            .readback(layers().map(bytes_of).max().unwrap_or(0));
        self.count(&readback);
        for (layer, positions) in layers().filter(|(_, it)| !it.is_empty()) {
            let size_bytes = bytes_of((layer, positions));
            let (buffer, rows) = cache.buffer(layer);
            let mut encoder = self
                .device
                .device
                .create_command_encoder(&Default::default());
            for Run { at, first, count } in cache.runs(layer, positions) {
                let [to, len] = [first, count].map(|it| rows.bytes(it) as u64);
                encoder.copy_buffer_to_buffer(buffer, at, &readback, to, len);
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
            let (of_layer, later) = rest.split_at(positions.len() * dims.layer_numbers(layer));
            let (buffer, rows) = cache.buffer(layer);
            rest = later;
            for Run { at, first, count } in cache.runs(layer, positions) {
                let run = &of_layer[first * rows.width..][..count * rows.width];
                let packed: Vec<u8>;
                let bytes = match rows.cache_type {
                    CacheType::F16 => bytemuck::cast_slice(run),
                    CacheType::Q8_0 => {
                        packed = run.chunks_exact(BLOCK).flat_map(pack).collect();
                        &packed
                    }
                };
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
