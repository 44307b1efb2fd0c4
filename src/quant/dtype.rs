//! The data types of tensors, and for each one what its block type says of the format.

use super::block::{Block, Quantize, QuantizedBlock, Quants};
use super::floats::{BF16, F16, F32};
use super::q2_k::BlockQ2K;
use super::q3_k::BlockQ3K;
use super::q4_0::BlockQ4_0;
use super::q4_1::BlockQ4_1;
use super::q4_k::BlockQ4K;
use super::q5_0::BlockQ5_0;
use super::q5_1::BlockQ5_1;
use super::q5_k::BlockQ5K;
use super::q6_k::BlockQ6K;
use super::q8_0::BlockQ8_0;

/// Names the data type of a tensor in a GGUF file by ggml's name.
///
/// ```
/// use siskin::quant::DType;
///
/// // A block of Q8_0 is a scale of two bytes and 32 integers of one byte.
/// assert_eq!(DType::Q8_0.size_bytes(64), Some(2 * (2 + 32)));
///
/// let mut bytes = Vec::new();
/// DType::Q8_0.quantize(&[1.0; 32], &mut bytes);
/// let mut values = [0.0; 32];
/// DType::Q8_0.dequantize(&bytes, &mut values);
/// assert!(values.iter().all(|value| (value - 1.0).abs() < 0.01));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// Weights are IEEE 754 floats of 32 bits.
    F32,
    /// Weights are IEEE 754 floats of 16 bits.
    F16,
    /// Weights are the upper 16 bits of floats of 32 bits ("brain floats").
    BF16,
    /// Weights have 4 bits around zero; 32 of them share a scale.
    Q4_0,
    /// Weights have 4 bits above a minimum; 32 of them share a scale.
    Q4_1,
    /// Weights have 5 bits around zero; 32 of them share a scale.
    Q5_0,
    /// Weights have 5 bits above a minimum; 32 of them share a scale.
    Q5_1,
    /// Weights have 8 bits around zero; 32 of them share a scale.
    Q8_0,
    /// Weights have 2 bits above minimums; 256 of them share 16 scales.
    Q2K,
    /// Weights have 3 bits around zero; 256 of them share 16 scales.
    Q3K,
    /// Weights have 4 bits above minimums; 256 of them share 8 scales.
    Q4K,
    /// Weights have 5 bits above minimums; 256 of them share 8 scales.
    Q5K,
    /// Weights have 6 bits around zero; 256 of them share 16 scales.
    Q6K,
}

impl DType {
    /// Every type that Siskin reads.
    pub const ALL: &[DType] = &[
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::Q4_0,
        DType::Q4_1,
        DType::Q5_0,
        DType::Q5_1,
        DType::Q8_0,
        DType::Q2K,
        DType::Q3K,
        DType::Q4K,
        DType::Q5K,
        DType::Q6K,
    ];

    /// Returns the type with this number in ggml's `enum ggml_type`, if Siskin reads it.
    pub fn from_ggml(number: u32) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|dtype| dtype.to_ggml() == number)
    }

    /// Returns the type's number in ggml's `enum ggml_type`.
    pub fn to_ggml(self) -> u32 {
        self.format().ggml_type
    }

    /// Returns the name that people and file names use, such as "Q4_K".
    pub fn name(self) -> &'static str {
        self.format().name
    }

    /// Returns the number of weights in a block; 1 for the float types.
    pub fn block_len(self) -> usize {
        self.format().block_len
    }

    /// Returns the size of a block in bytes.
    pub fn block_bytes(self) -> usize {
        self.format().block_bytes
    }

    /// Returns the size of `elements` weights in bytes; `None` if they are no whole number of
    /// blocks, or too many to count.
    pub fn size_bytes(self, elements: u64) -> Option<u64> {
        let block_len = self.block_len() as u64;
        elements
            .is_multiple_of(block_len)
            .then(|| (elements / block_len).checked_mul(self.block_bytes() as u64))?
    }

    /// Unpacks whole blocks to floats.
    ///
    /// # Panics
    /// Panics if `bytes` is not exactly the blocks of `out`'s weights.
    pub fn dequantize(self, bytes: &[u8], out: &mut [f32]) {
        (self.format().dequantize)(bytes, out);
    }

    /// Unpacks whole blocks to integers and scales, 32 weights an element of `out`. The float types
    /// have none: nothing is written.
    ///
    /// # Panics
    /// Panics if `bytes` is not exactly the blocks of `out`'s weights.
    pub fn quants(self, bytes: &[u8], out: &mut [Quants]) {
        if let Some(quants) = self.format().quants {
            quants(bytes, out);
        }
    }

    /// Returns whether every scale and minimum (for the float types: every weight) is neither NaN
    /// nor infinite.
    ///
    /// # Panics
    /// Panics if `bytes` is no whole number of blocks.
    pub fn scales_are_finite(self, bytes: &[u8]) -> bool {
        (self.format().scales_are_finite)(bytes)
    }

    /// Packs `values` and appends the blocks to `out`, bit for bit as ggml's reference does.
    ///
    /// Returns `None`, with `out` untouched, if the format is one that Siskin only reads (the K
    /// formats), or `values` is no whole number of blocks.
    pub fn quantize(self, values: &[f32], out: &mut Vec<u8>) -> Option<()> {
        self.format().quantize?(values, out)
    }

    fn format(self) -> &'static Format {
        match self {
            DType::F32 => const { &Format::of::<F32, 1>(0, "F32").with_quantize::<F32, 1>() },
            DType::F16 => const { &Format::of::<F16, 1>(1, "F16").with_quantize::<F16, 1>() },
            DType::BF16 => const { &Format::of::<BF16, 1>(30, "BF16").with_quantize::<BF16, 1>() },
            DType::Q4_0 => {
                const {
                    &Format::of::<BlockQ4_0, 32>(2, "Q4_0")
                        .with_quants::<BlockQ4_0, 1>()
                        .with_quantize::<BlockQ4_0, 32>()
                }
            }
            DType::Q4_1 => {
                const {
                    &Format::of::<BlockQ4_1, 32>(3, "Q4_1")
                        .with_quants::<BlockQ4_1, 1>()
                        .with_quantize::<BlockQ4_1, 32>()
                }
            }
            DType::Q5_0 => {
                const {
                    &Format::of::<BlockQ5_0, 32>(6, "Q5_0")
                        .with_quants::<BlockQ5_0, 1>()
                        .with_quantize::<BlockQ5_0, 32>()
                }
            }
            DType::Q5_1 => {
                const {
                    &Format::of::<BlockQ5_1, 32>(7, "Q5_1")
                        .with_quants::<BlockQ5_1, 1>()
                        .with_quantize::<BlockQ5_1, 32>()
                }
            }
            DType::Q8_0 => {
                const {
                    &Format::of::<BlockQ8_0, 32>(8, "Q8_0")
                        .with_quants::<BlockQ8_0, 1>()
                        .with_quantize::<BlockQ8_0, 32>()
                }
            }
            DType::Q2K => {
                const { &Format::of::<BlockQ2K, 256>(10, "Q2_K").with_quants::<BlockQ2K, 8>() }
            }
            DType::Q3K => {
                const { &Format::of::<BlockQ3K, 256>(11, "Q3_K").with_quants::<BlockQ3K, 8>() }
            }
            DType::Q4K => {
                const { &Format::of::<BlockQ4K, 256>(12, "Q4_K").with_quants::<BlockQ4K, 8>() }
            }
            DType::Q5K => {
                const { &Format::of::<BlockQ5K, 256>(13, "Q5_K").with_quants::<BlockQ5K, 8>() }
            }
            DType::Q6K => {
                const { &Format::of::<BlockQ6K, 256>(14, "Q6_K").with_quants::<BlockQ6K, 8>() }
            }
        }
    }
}

type QuantizeFn = fn(&[f32], &mut Vec<u8>) -> Option<()>;

type QuantsFn = fn(&[u8], &mut [Quants]);

/// Holds a format as a table row: its block type's sizes and functions, without the block type.
struct Format {
    ggml_type: u32,
    name: &'static str,
    block_len: usize,
    block_bytes: usize,
    dequantize: fn(&[u8], &mut [f32]),
    quants: Option<QuantsFn>,
    scales_are_finite: fn(&[u8]) -> bool,
    quantize: Option<QuantizeFn>,
}

impl Format {
    const fn of<B: Block<LEN>, const LEN: usize>(ggml_type: u32, name: &'static str) -> Self {
        Self {
            ggml_type,
            name,
            block_len: LEN,
            block_bytes: size_of::<B>(),
            dequantize: dequantize::<B, LEN>,
            scales_are_finite: scales_are_finite::<B, LEN>,
            quants: None,
            quantize: None,
        }
    }

    const fn with_quants<B: QuantizedBlock<GROUPS>, const GROUPS: usize>(self) -> Self {
        Self {
            quants: Some(quants::<B, GROUPS>),
            ..self
        }
    }

    const fn with_quantize<B: Quantize<LEN>, const LEN: usize>(self) -> Self {
        Self {
            quantize: Some(quantize::<B, LEN>),
            ..self
        }
    }
}

fn dequantize<B: Block<LEN>, const LEN: usize>(bytes: &[u8], out: &mut [f32]) {
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    assert_eq!(
        blocks.len() * LEN,
        out.len(),
        "as many weights as the blocks hold"
    );
    for (block, out) in blocks.iter().zip(out.as_chunks_mut().0) {
        block.dequantize(out);
    }
}

fn quants<B: QuantizedBlock<GROUPS>, const GROUPS: usize>(bytes: &[u8], out: &mut [Quants]) {
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    assert_eq!(
        blocks.len() * GROUPS,
        out.len(),
        "as many weights as the blocks hold"
    );
    for (block, out) in blocks.iter().zip(out.as_chunks_mut().0) {
        block.quants(out);
    }
}

fn scales_are_finite<B: Block<LEN>, const LEN: usize>(bytes: &[u8]) -> bool {
    bytemuck::cast_slice::<u8, B>(bytes)
        .iter()
        .all(B::scales_are_finite)
}

fn quantize<B: Quantize<LEN>, const LEN: usize>(values: &[f32], out: &mut Vec<u8>) -> Option<()> {
    let (chunks, rest) = values.as_chunks();
    if !rest.is_empty() {
        return None;
    }
    out.reserve(chunks.len() * size_of::<B>());
    for chunk in chunks {
        out.extend_from_slice(bytemuck::bytes_of(&B::quantize(chunk)));
    }
    Some(())
}
