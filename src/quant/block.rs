//! All formats share the traits of a block, and the form of a block's weights as integers with
//! scales.

/// Holds `LEN` weights as they lie in a file: plain bytes at any address, scales and packed
/// integers.
pub trait Block<const LEN: usize>: bytemuck::Pod {
    /// Unpacks the block's weights, in order.
    fn dequantize(&self, out: &mut [f32; LEN]);
    /// Returns whether no weight of the block can be NaN or infinite by its scales.
    fn scales_are_finite(&self) -> bool;
}

/// Packs `LEN` weights into a block.
pub trait Quantize<const LEN: usize>: Block<LEN> {
    /// Packs to the nearest values, bit for bit as ggml's reference does.
    fn quantize(values: &[f32; LEN]) -> Self;
}

/// Holds `32 * GROUPS` weights that are integers times scales, as every format but the floats does.
pub trait QuantizedBlock<const GROUPS: usize>: bytemuck::Pod {
    /// Unpacks the block's integers and scales, 32 weights an element of `out`.
    fn quants(&self, out: &mut [Quants; GROUPS]);
    /// Returns whether no weight of the block can be NaN or infinite by its scales.
    fn scales_are_finite(&self) -> bool;
}

/// Holds 32 quantized weights as integers: weight i is `scale[i / 16] * q[i] - minimum[i / 16]`.
///
/// Every quantized format unpacks to this one form, so that a backend repacks them all alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quants {
    /// Holds the integers, in the order of the weights.
    pub q: [i8; 32],
    /// Holds the scales of weights 0 to 15 and 16 to 31.
    pub scale: [f32; 2],
    /// Holds what is subtracted from weights 0 to 15 and 16 to 31; 0 in a symmetric format.
    pub minimum: [f32; 2],
}

impl Quants {
    pub(super) fn symmetric(q: [i8; 32], scale: f32) -> Self {
        Self::above_minimum(q, scale, 0.0)
    }

    pub(super) fn of_halves(q: [i8; 32], scale: [f32; 2]) -> Self {
        Self {
            q,
            scale,
            minimum: [0.0; 2],
        }
    }

    pub(super) fn above_minimum(q: [i8; 32], scale: f32, minimum: f32) -> Self {
        Self {
            q,
            scale: [scale; 2],
            minimum: [minimum; 2],
        }
    }
}

impl<B: QuantizedBlock<1>> Block<32> for B {
    fn dequantize(&self, out: &mut [f32; 32]) {
        dequantize_quants::<B, 1>(self, out);
    }
    fn scales_are_finite(&self) -> bool {
        QuantizedBlock::scales_are_finite(self)
    }
}

impl<B: QuantizedBlock<2>> Block<64> for B {
    fn dequantize(&self, out: &mut [f32; 64]) {
        dequantize_quants::<B, 2>(self, out);
    }
    fn scales_are_finite(&self) -> bool {
        QuantizedBlock::scales_are_finite(self)
    }
}

impl<B: QuantizedBlock<4>> Block<128> for B {
    fn dequantize(&self, out: &mut [f32; 128]) {
        dequantize_quants::<B, 4>(self, out);
    }
    fn scales_are_finite(&self) -> bool {
        QuantizedBlock::scales_are_finite(self)
    }
}

impl<B: QuantizedBlock<8>> Block<256> for B {
    fn dequantize(&self, out: &mut [f32; 256]) {
        dequantize_quants::<B, 8>(self, out);
    }
    fn scales_are_finite(&self) -> bool {
        QuantizedBlock::scales_are_finite(self)
    }
}

fn dequantize_quants<B: QuantizedBlock<GROUPS>, const GROUPS: usize>(block: &B, out: &mut [f32]) {
    let mut quants = [Quants::default(); GROUPS];
    block.quants(&mut quants);
    weights(&quants, out);
}

/// Writes the weights of quants. It is one function for all formats, for the wasm's size.
#[inline(never)]
fn weights(quants: &[Quants], out: &mut [f32]) {
    for (quants, out) in quants.iter().zip(out.as_chunks_mut::<32>().0) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = quants.scale[i / 16] * f32::from(quants.q[i]) - quants.minimum[i / 16];
        }
    }
}

/// Declares a struct of byte arrays to be a block of the given number of bytes.
macro_rules! block_bytes {
    ($block:ty, $bytes:literal) => {
        const _: () = assert!(size_of::<$block>() == $bytes && align_of::<$block>() == 1);
        // SAFETY: every field is u8, i8 or an array of them: no padding, no invalid bit pattern.
        unsafe impl bytemuck::Zeroable for $block {}
        // SAFETY: the fields are bytes; the struct is `repr(C)`, `Copy` and holds no pointers.
        unsafe impl bytemuck::Pod for $block {}
    };
}
pub(super) use block_bytes;
