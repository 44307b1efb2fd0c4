//! Block formats say how GGUF packs weights; each format has its own file.
//!
//! Bytes become f32 and come back, without SIMD and without a GPU. The loops are the plain ones,
//! for what a fast kernel computes is checked against them. The formulas are ggml's
//! (`dequantize_row_*` and `quantize_row_*_ref` in `ggml-quants.c`), and so are the names of the
//! fields.

mod block;
mod codebook;
mod dtype;
mod floats;
mod format;
mod grid;
mod iq1_m;
mod iq1_s;
mod iq2_s;
mod iq2_xs;
mod iq2_xxs;
mod iq3_s;
mod iq3_xxs;
mod iq4_nl;
mod iq4_xs;
mod mxfp4;
mod nvfp4;
mod q1_0;
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
mod random;
mod tq1_0;
mod tq2_0;

pub use block::{Block, Quantize, QuantizedBlock, Quants};
pub use codebook::{CodebookBlock, Integers};
pub use dtype::DType;
pub use floats::{BF16, F16, F32};
pub use iq1_m::BlockIQ1M;
pub use iq1_s::BlockIQ1S;
pub use iq2_s::BlockIQ2S;
pub use iq2_xs::BlockIQ2XS;
pub use iq2_xxs::BlockIQ2XXS;
pub use iq3_s::BlockIQ3S;
pub use iq3_xxs::BlockIQ3XXS;
pub use iq4_nl::BlockIQ4NL;
pub use iq4_xs::BlockIQ4XS;
pub use mxfp4::BlockMXFP4;
pub use nvfp4::BlockNVFP4;
pub use q1_0::BlockQ1_0;
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
pub use random::{random_weights, set_scale};
pub use tq1_0::BlockTQ1_0;
pub use tq2_0::BlockTQ2_0;
