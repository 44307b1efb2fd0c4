//! TQ2_0 packs 256 weights of -1, 0 or 1 in 2 bits each, with one scale.

use super::block::block_bytes;
use super::codebook::{CodebookBlock, Integers, codebook};
use super::floats::F16;

/// Weight i is `d * (q - 1)`. In each half of the block, the bits of a byte are weights l, l + 32,
/// l + 64 and l + 96, from the low bits up.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BlockTQ2_0 {
    /// Holds the integers of 2 bits.
    pub qs: [u8; 64],
    /// Holds the scale.
    pub d: F16,
}
block_bytes!(BlockTQ2_0, 66);

impl CodebookBlock for BlockTQ2_0 {
    /// A 3, which ggml never writes, is 2.
    const CODEBOOK: [i8; 16] = codebook(&[-1, 0, 1, 2]);

    fn d(&self) -> F16 {
        self.d
    }

    /// Follows ggml's `dequantize_row_tq2_0`.
    fn integers(&self, out: &mut Integers) {
        out.steps = [1; 16];
        for (i, q) in out.q.iter_mut().enumerate() {
            *q = (self.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3) as i8 - 1;
        }
    }
}
