//! Block formats say how GGUF packs weights; each format has its own file.
//!
//! Bytes become f32 and come back, without SIMD and without a GPU. The loops are the plain ones,
//! for what a fast kernel computes is checked against them. The formulas are ggml's
//! (`dequantize_row_*` and `quantize_row_*_ref` in `ggml-quants.c`), and so are the names of the
//! fields.

mod block;
mod dtype;
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
mod random;

pub use block::{Block, Quantize, QuantizedBlock, Quants};
pub use dtype::DType;
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
pub use random::random_weights;
