//! The trait [`Simd`] has the vector operations that the kernels need. It is no general SIMD layer:
//! there are four 32-bit lanes, and just the operations below.

/// Holds the operations of one instruction set.
///
/// The integer dot products come in two widths: of 7-bit unsigned weights (`dot7`), which every
/// instruction set has one instruction for, and of signed 8-bit weights (`dot8`).
///
/// # Safety
/// The caller makes sure that the CPU has the instructions, that 16 bytes can be read at every
/// `load` (4 at every `four`, 8 at `load_f16`), and that the method ends up inlined into a function
/// that enables the instructions.
#[expect(
    clippy::missing_safety_doc,
    reason = "one contract holds for all methods: the trait's"
)]
pub trait Simd: Copy {
    /// Holds 16 bytes.
    type Bytes: Copy;
    /// Holds four activations in every lane, for `dot7`.
    type Four: Copy;
    /// Holds four activations in every lane, for `dot8`.
    type Four8: Copy;
    /// Holds four integer sums of 7-bit by 8-bit products, one in each lane.
    type Sum7: Copy;
    /// Holds sums of a few such products, on their way to a `Sum7`: that itself, or eight sums of
    /// pairs in 16 bits (`SUMS_PAIRS`).
    type Part7: Copy;
    /// Holds four integer sums of 8-bit by 8-bit products, one in each lane.
    type Sum8: Copy;
    /// Holds four f32.
    type F32: Copy;

    /// Loads 16 bytes.
    unsafe fn load(p: *const u8) -> Self::Bytes;
    /// Stores 16 bytes.
    unsafe fn store_bytes(p: *mut u8, v: Self::Bytes);
    /// Returns `word` four times, made once for a whole loop. V8 would make a constant anew
    /// wherever it is used, in three instructions, but keeps a vector whose value it cannot see.
    unsafe fn mask(word: u32) -> Self::Bytes;
    /// Returns `(v >> SHIFT) & mask`, a byte at a time; `mask` has no bits that the byte above
    /// would be shifted into.
    unsafe fn bits<const SHIFT: i32>(v: Self::Bytes, mask: Self::Bytes) -> Self::Bytes;
    /// Returns `a | b`.
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Returns `(v >> 1) ^ w`, 16 bits at a time, of which the low byte is the first.
    unsafe fn shift_xor(v: Self::Bytes, w: Self::Bytes) -> Self::Bytes;
    /// Returns the byte of `table` that each byte of `v` is the number of; none is above 15.
    unsafe fn look_up(table: Self::Bytes, v: Self::Bytes) -> Self::Bytes;
    /// Returns `v ^ 128`, a byte at a time, which makes signed bytes -128..=127 unsigned 0..=255.
    unsafe fn unsign(v: Self::Bytes) -> Self::Bytes;

    /// Loads four activations to every lane.
    unsafe fn four(p: *const i8) -> Self::Four;
    /// Returns sums that are all `*start << SHIFT`.
    unsafe fn start7<const SHIFT: u32>(start: *const i32) -> Self::Sum7;
    /// Returns sums that are all 0.
    unsafe fn zero7() -> Self::Sum7;
    /// Says that a `Part7` has 16 bits for a sum, so that only [`room`] products fit. That is faster
    /// where the dot product is three instructions or more, of which the first adds pairs.
    const SUMS_PAIRS: bool = false;
    /// Begins a part of `sum`.
    unsafe fn begin7(sum: Self::Sum7) -> Self::Part7;
    /// Computes `part[lane] += w[4 lane + i] * a[i]` for i in 0..4, with `w` in 0..=127 and `a` in
    /// -127..=127.
    unsafe fn dot7(part: Self::Part7, w: Self::Bytes, a: Self::Four) -> Self::Part7;
    /// Returns the sums that the part was begun of, with it.
    unsafe fn end7(sum: Self::Sum7, part: Self::Part7) -> Self::Sum7;
    /// Returns whether `dot7` is exact for `w` in 0..=255 too. Relaxed SIMD is where the processor
    /// multiplies unsigned by signed bytes without saturating (`vpdpbusd`), which only a product
    /// tells.
    unsafe fn dot7_takes_bytes() -> bool {
        false
    }
    /// Returns `sum << SHIFT`.
    unsafe fn shift7<const SHIFT: u32>(sum: Self::Sum7) -> Self::Sum7;
    /// Converts the sums to f32.
    unsafe fn finish7(sum: Self::Sum7) -> Self::F32;

    /// Loads four activations to every lane.
    unsafe fn four8(p: *const i8) -> Self::Four8;
    /// Returns sums that are all 0.
    unsafe fn zero8() -> Self::Sum8;
    /// Computes `sum[lane] += w[4 lane + i] * a[i]` for i in 0..4, with signed bytes `w` and `a` in
    /// -127..=127.
    unsafe fn dot8(sum: Self::Sum8, w: Self::Bytes, a: Self::Four8) -> Self::Sum8;
    /// Converts the sums to f32.
    unsafe fn finish8(sum: Self::Sum8) -> Self::F32;

    /// Returns `x` in every lane.
    unsafe fn splat(x: f32) -> Self::F32;
    /// Loads four f32.
    unsafe fn load_f32(p: *const f32) -> Self::F32;
    /// Numbers loaded by `load_f16_part` are to be multiplied by this power of four.
    const F16_REST: f32;
    /// Loads four f16 as f32, but for the factor `F16_REST`, by which the caller multiplies
    /// something else. Infinities and NaN are not expected; `mask` is the mask of [`F16_MASK`].
    unsafe fn load_f16_part(p: *const u16, mask: Self::Bytes) -> Self::F32;
    /// Loads four f16 as f32; infinities and NaN are not expected.
    unsafe fn load_f16(p: *const u16) -> Self::F32;
    /// Loads four bf16 as f32.
    unsafe fn load_bf16(p: *const u16) -> Self::F32;
    /// Stores four f32.
    unsafe fn store(p: *mut f32, v: Self::F32);
    /// Returns `a + b`.
    unsafe fn add(a: Self::F32, b: Self::F32) -> Self::F32;
    /// Returns `a * b`.
    unsafe fn mul(a: Self::F32, b: Self::F32) -> Self::F32;
    /// Returns `a * b + c`, fused or not.
    unsafe fn mul_add(a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// Returns the larger of `a` and `b` in each lane; NaN is not expected.
    unsafe fn max(a: Self::F32, b: Self::F32) -> Self::F32;
    /// Returns the smaller of `a` and `b` in each lane; NaN is not expected.
    unsafe fn min(a: Self::F32, b: Self::F32) -> Self::F32;
    /// Returns `x * 2^n` for an integral `n`, given as `n + ROUNDER`; `x` and the result are
    /// neither 0 nor subnormal.
    unsafe fn scale_by_power(x: Self::F32, n: Self::F32) -> Self::F32;
    /// Returns `a / b`.
    unsafe fn div(a: Self::F32, b: Self::F32) -> Self::F32;
    /// Stores sixteen values -127..=127 rounded to integers, ties to even; returns their sum.
    unsafe fn store_i8(p: *mut i8, v: [Self::F32; 4]) -> i32;
    /// Returns the sum of the four lanes, as (0 + 2) + (1 + 3).
    unsafe fn horizontal_sum(v: Self::F32) -> f32;
}

/// Returns how many dot products of weights of so many bits a `Part7` has room for, 8 at most, for
/// that is a block of them: a pair of products is up to `2 * 127 * (2^bits - 1)`.
pub const fn room<S: Simd>(bits: u32) -> usize {
    match bits {
        _ if !S::SUMS_PAIRS => 8,
        0..=4 => 8,
        5 => 4,
        6 => 2,
        _ => 1,
    }
}

/// Keeps the bits of an f32 that an f16 can set, once its bits are moved to f32's places.
pub const F16_MASK: u32 = 0x8fff_e000;

/// This is 1.5 * 2^23: a number added to it is rounded to the nearest integer, ties to
/// even, which the low bits then hold.
pub const ROUNDER: f32 = 12_582_912.0;
