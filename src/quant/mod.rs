//! Block formats: how GGUF packs weights, one file a format. Bytes to f32 and back; no SIMD, no GPU.
//!
//! The loops here are the plain ones: what a fast kernel computes is checked against them. Formulas are ggml's
//! (`dequantize_row_*` and `quantize_row_*_ref` in `ggml-quants.c`), and so are the names of the fields.

mod floats;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;

pub use floats::{BF16, F16, F32};
pub use q2_k::BlockQ2K;
pub use q3_k::BlockQ3K;
pub use q4_0::BlockQ4_0;
pub use q4_1::BlockQ4_1;
pub use q4_k::{BlockQ4K, scale_and_min};
pub use q5_0::BlockQ5_0;
pub use q5_1::BlockQ5_1;
pub use q5_k::BlockQ5K;
pub use q6_k::BlockQ6K;
pub use q8_0::BlockQ8_0;

/// The data type of a tensor in a GGUF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

/// `LEN` weights as they lie in a file: plain bytes at any address, scales and packed integers.
pub trait Block<const LEN: usize>: bytemuck::Pod {
    /// Unpacks the block's weights, in order.
    fn dequantize(&self, out: &mut [f32; LEN]);
    /// Whether no weight of the block can be NaN or infinite by its scales.
    fn scales_are_finite(&self) -> bool;
}

/// 32 quantized weights as integers: weight i is `scale[i / 16] * q[i] - minimum[i / 16]`. What fast layouts are made from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Levels {
    pub q: [i8; 32],
    pub scale: [f32; 2],
    pub minimum: [f32; 2],
}

impl Levels {
    fn symmetric(q: [i8; 32], scale: f32) -> Self {
        Self::above_minimum(q, scale, 0.0)
    }

    fn above_minimum(q: [i8; 32], scale: f32, minimum: f32) -> Self {
        Self {
            q,
            scale: [scale; 2],
            minimum: [minimum; 2],
        }
    }
}

/// A block of `32 * GROUPS` weights that are integers times scales: every format but the floats.
pub trait Levelled<const GROUPS: usize>: bytemuck::Pod {
    fn levels(&self, out: &mut [Levels; GROUPS]);
    /// Whether no weight of the block can be NaN or infinite by its scales.
    fn scales_are_finite(&self) -> bool;
}

impl<B: Levelled<1>> Block<32> for B {
    fn dequantize(&self, out: &mut [f32; 32]) {
        dequantize_levels::<B, 1>(self, out);
    }
    fn scales_are_finite(&self) -> bool {
        Levelled::scales_are_finite(self)
    }
}

impl<B: Levelled<8>> Block<256> for B {
    fn dequantize(&self, out: &mut [f32; 256]) {
        dequantize_levels::<B, 8>(self, out);
    }
    fn scales_are_finite(&self) -> bool {
        Levelled::scales_are_finite(self)
    }
}

fn dequantize_levels<B: Levelled<GROUPS>, const GROUPS: usize>(block: &B, out: &mut [f32]) {
    let mut levels = [Levels::default(); GROUPS];
    block.levels(&mut levels);
    for (levels, out) in levels.iter().zip(out.as_chunks_mut::<32>().0) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = levels.scale[i / 16] * f32::from(levels.q[i]) - levels.minimum[i / 16];
        }
    }
}

/// A block that `LEN` weights can be packed into.
pub trait Quantize<const LEN: usize>: Block<LEN> {
    /// Packs to the nearest values, bit for bit as ggml's reference does.
    fn quantize(values: &[f32; LEN]) -> Self;
}

impl DType {
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

    /// The type with this number in ggml's `enum ggml_type`, if Siskin reads it.
    pub fn from_ggml(number: u32) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|dtype| dtype.to_ggml() == number)
    }

    /// The type's number in ggml's `enum ggml_type`.
    pub fn to_ggml(self) -> u32 {
        self.format().ggml_type
    }

    /// The name that people and file names use: "Q4_K".
    pub fn name(self) -> &'static str {
        self.format().name
    }

    /// Weights in a block; 1 for the float types.
    pub fn block_len(self) -> usize {
        self.format().block_len
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.format().block_bytes
    }

    /// Bytes of `elements` weights; `None` if they are no whole number of blocks, or too many to count.
    pub fn size_bytes(self, elements: u64) -> Option<u64> {
        let block_len = self.block_len() as u64;
        elements
            .is_multiple_of(block_len)
            .then(|| (elements / block_len).checked_mul(self.block_bytes() as u64))?
    }

    /// Unpacks whole blocks.
    ///
    /// # Panics
    /// If `bytes` is not exactly the blocks of `out`'s weights.
    pub fn dequantize(self, bytes: &[u8], out: &mut [f32]) {
        (self.format().dequantize)(bytes, out);
    }

    /// Unpacks whole blocks to integers and scales, 32 weights an element of `out`. The float types have none: nothing is written.
    ///
    /// # Panics
    /// If `bytes` is not exactly the blocks of `out`'s weights.
    pub fn levels(self, bytes: &[u8], out: &mut [Levels]) {
        if let Some(levels) = self.format().levels {
            levels(bytes, out);
        }
    }

    /// Whether every scale and minimum (for the float types: every weight) is neither NaN nor infinite.
    ///
    /// # Panics
    /// If `bytes` is no whole number of blocks.
    pub fn scales_are_finite(self, bytes: &[u8]) -> bool {
        (self.format().scales_are_finite)(bytes)
    }

    /// Packs `values` and appends the blocks to `out`, bit for bit as ggml's reference does.
    /// `None`, with `out` untouched, if the format is one that Siskin only reads (the K formats), or `values` is no whole number of blocks.
    pub fn quantize(self, values: &[f32], out: &mut Vec<u8>) -> Option<()> {
        self.format().quantize?(values, out)
    }

    fn format(self) -> &'static Format {
        match self {
            DType::F32 => const { &Format::of::<F32, 1>(0, "F32").quantized::<F32, 1>() },
            DType::F16 => const { &Format::of::<F16, 1>(1, "F16").quantized::<F16, 1>() },
            DType::BF16 => const { &Format::of::<BF16, 1>(30, "BF16").quantized::<BF16, 1>() },
            DType::Q4_0 => {
                const {
                    &Format::of::<BlockQ4_0, 32>(2, "Q4_0")
                        .levelled::<BlockQ4_0, 1>()
                        .quantized::<BlockQ4_0, 32>()
                }
            }
            DType::Q4_1 => {
                const {
                    &Format::of::<BlockQ4_1, 32>(3, "Q4_1")
                        .levelled::<BlockQ4_1, 1>()
                        .quantized::<BlockQ4_1, 32>()
                }
            }
            DType::Q5_0 => {
                const {
                    &Format::of::<BlockQ5_0, 32>(6, "Q5_0")
                        .levelled::<BlockQ5_0, 1>()
                        .quantized::<BlockQ5_0, 32>()
                }
            }
            DType::Q5_1 => {
                const {
                    &Format::of::<BlockQ5_1, 32>(7, "Q5_1")
                        .levelled::<BlockQ5_1, 1>()
                        .quantized::<BlockQ5_1, 32>()
                }
            }
            DType::Q8_0 => {
                const {
                    &Format::of::<BlockQ8_0, 32>(8, "Q8_0")
                        .levelled::<BlockQ8_0, 1>()
                        .quantized::<BlockQ8_0, 32>()
                }
            }
            DType::Q2K => {
                const { &Format::of::<BlockQ2K, 256>(10, "Q2_K").levelled::<BlockQ2K, 8>() }
            }
            DType::Q3K => {
                const { &Format::of::<BlockQ3K, 256>(11, "Q3_K").levelled::<BlockQ3K, 8>() }
            }
            DType::Q4K => {
                const { &Format::of::<BlockQ4K, 256>(12, "Q4_K").levelled::<BlockQ4K, 8>() }
            }
            DType::Q5K => {
                const { &Format::of::<BlockQ5K, 256>(13, "Q5_K").levelled::<BlockQ5K, 8>() }
            }
            DType::Q6K => {
                const { &Format::of::<BlockQ6K, 256>(14, "Q6_K").levelled::<BlockQ6K, 8>() }
            }
        }
    }
}

type QuantizeFn = fn(&[f32], &mut Vec<u8>) -> Option<()>;

type ToLevels = fn(&[u8], &mut [Levels]);

/// What is known of a format, gathered once from its block type.
struct Format {
    ggml_type: u32,
    name: &'static str,
    block_len: usize,
    block_bytes: usize,
    dequantize: fn(&[u8], &mut [f32]),
    levels: Option<ToLevels>,
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
            levels: None,
            quantize: None,
        }
    }

    const fn levelled<B: Levelled<GROUPS>, const GROUPS: usize>(self) -> Self {
        Self {
            levels: Some(levels::<B, GROUPS>),
            ..self
        }
    }

    const fn quantized<B: Quantize<LEN>, const LEN: usize>(self) -> Self {
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

fn levels<B: Levelled<GROUPS>, const GROUPS: usize>(bytes: &[u8], out: &mut [Levels]) {
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    assert_eq!(
        blocks.len() * GROUPS,
        out.len(),
        "as many weights as the blocks hold"
    );
    for (block, out) in blocks.iter().zip(out.as_chunks_mut().0) {
        block.levels(out);
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

/// Declares a struct of byte arrays to be a block of so many bytes.
macro_rules! block_bytes {
    ($block:ty, $bytes:literal) => {
        const _: () = assert!(size_of::<$block>() == $bytes && align_of::<$block>() == 1);
        // SAFETY: every field is u8, i8 or an array of them, so there is no padding and no invalid bit pattern.
        unsafe impl bytemuck::Zeroable for $block {}
        // SAFETY: as above; the struct is `repr(C)`, `Copy` and holds no pointers.
        unsafe impl bytemuck::Pod for $block {}
    };
}
use block_bytes;
