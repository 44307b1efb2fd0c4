//! Block formats: how GGUF packs weights, one file a format. Bytes to f32 and back; no SIMD, no GPU.

/// The data type of a tensor in a GGUF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType { F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2K, Q3K, Q4K, Q5K, Q6K }
