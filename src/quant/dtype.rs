//! Each data type of tensors has the sizes and functions of a block type.

use super::block::Quants;
use super::codebook::codebook;
use super::format::Format;
use super::iq1_m::BlockIQ1M;
use super::iq1_s::BlockIQ1S;
use super::iq2_s::BlockIQ2S;
use super::iq2_xs::BlockIQ2XS;
use super::iq2_xxs::BlockIQ2XXS;
use super::iq3_s::BlockIQ3S;
use super::iq3_xxs::BlockIQ3XXS;
use super::iq4_nl::{self, BlockIQ4NL};
use super::iq4_xs::BlockIQ4XS;
use super::mxfp4::{self, BlockMXFP4};
use super::nvfp4::BlockNVFP4;
use super::q1_0::BlockQ1_0;
use super::tq1_0::BlockTQ1_0;
use super::tq2_0::BlockTQ2_0;

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
    /// Weights are 4-bit numbers of values; 32 of them share a scale.
    IQ4NL,
    /// Weights are 4-bit numbers of values; 256 of them share 8 scales.
    IQ4XS,
    /// Weights are, four together, entries of a grid of 256; 256 share 8 scales.
    IQ3XXS,
    /// Weights are, four together, entries of a grid of 512; 256 share 8 scales.
    IQ3S,
    /// Weights are, eight together, entries of a grid of 256; 256 share 8 scales.
    IQ2XXS,
    /// Weights are, eight together, entries of a grid of 512; 256 share 16 scales.
    IQ2XS,
    /// Weights are, eight together, entries of a grid of 1,024; 256 share 16 scales.
    IQ2S,
    /// Weights are, eight together, entries of a grid of 2,048; 256 share 8 scales.
    IQ1S,
    /// Weights are as in IQ1_S; 256 share 16 scales.
    IQ1M,
    /// Weights are -1, 0 or 1, five a byte; 256 of them share a scale.
    TQ1_0,
    /// Weights are -1, 0 or 1 in 2 bits; 256 of them share a scale.
    TQ2_0,
    /// Weights are floats of 4 bits; 32 of them share a power of two.
    MXFP4,
    /// Weights are floats of 4 bits; 16 of them share a float of 8 bits.
    NVFP4,
    /// Weights are signs; 128 of them share a scale.
    Q1_0,
}

impl DType {
    /// Lists every type that Siskin reads.
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
        DType::IQ4NL,
        DType::IQ4XS,
        DType::IQ3XXS,
        DType::IQ3S,
        DType::IQ2XXS,
        DType::IQ2XS,
        DType::IQ2S,
        DType::IQ1S,
        DType::IQ1M,
        DType::TQ1_0,
        DType::TQ2_0,
        DType::MXFP4,
        DType::NVFP4,
        DType::Q1_0,
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

    /// Returns the integers that a weight is one of, where they are at most 16 at odd distances.
    pub fn codebook(self) -> Option<&'static [i8; 16]> {
        self.format().codebook.as_ref()
    }

    /// Calls `each` with the scale of every 256 weights and the 16 integers that it is multiplied
    /// by; not at all for a format without a codebook or without such scales.
    ///
    /// # Panics
    /// Panics if `bytes` is no whole number of blocks.
    pub fn each_scale(self, bytes: &[u8], each: &mut dyn FnMut(f32, [i8; 16])) {
        if let Some(integers) = self.format().integers {
            integers(bytes, each);
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
            DType::IQ4NL => {
                const {
                    &Format::of::<BlockIQ4NL, 32>(20, "IQ4_NL")
                        .with_quants::<BlockIQ4NL, 1>()
                        .with_codebook(iq4_nl::CODEBOOK)
                }
            }
            DType::IQ4XS => const { &Format::of_codebook::<BlockIQ4XS>(23, "IQ4_XS") },
            DType::IQ3XXS => const { &Format::of_codebook::<BlockIQ3XXS>(18, "IQ3_XXS") },
            DType::IQ3S => const { &Format::of_codebook::<BlockIQ3S>(21, "IQ3_S") },
            DType::IQ2XXS => const { &Format::of_codebook::<BlockIQ2XXS>(16, "IQ2_XXS") },
            DType::IQ2XS => const { &Format::of_codebook::<BlockIQ2XS>(17, "IQ2_XS") },
            DType::IQ2S => const { &Format::of_codebook::<BlockIQ2S>(22, "IQ2_S") },
            DType::IQ1S => const { &Format::of_codebook::<BlockIQ1S>(19, "IQ1_S") },
            DType::IQ1M => const { &Format::of_codebook::<BlockIQ1M>(29, "IQ1_M") },
            DType::TQ1_0 => const { &Format::of_codebook::<BlockTQ1_0>(34, "TQ1_0") },
            DType::TQ2_0 => const { &Format::of_codebook::<BlockTQ2_0>(35, "TQ2_0") },
            DType::MXFP4 => {
                const {
                    &Format::of::<BlockMXFP4, 32>(39, "MXFP4")
                        .with_quants::<BlockMXFP4, 1>()
                        .with_codebook(mxfp4::CODEBOOK)
                }
            }
            DType::NVFP4 => {
                const {
                    &Format::of::<BlockNVFP4, 64>(40, "NVFP4")
                        .with_quants::<BlockNVFP4, 2>()
                        .with_codebook(mxfp4::CODEBOOK)
                }
            }
            DType::Q1_0 => {
                const {
                    &Format::of::<BlockQ1_0, 128>(41, "Q1_0")
                        .with_quants::<BlockQ1_0, 4>()
                        .with_codebook(codebook(&[-1, 1]))
                }
            }
        }
    }
}
