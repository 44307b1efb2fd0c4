//! The vector operations that the kernels need: four 32-bit lanes, and no more operations than are used.

/// # Safety
/// The caller makes sure that the CPU has the instructions, that 16 bytes can be read at every `load` (4 at every `four`,
/// 8 at `load_f16`), and that the method ends up inlined into a function that enables them.
#[expect(
    clippy::missing_safety_doc,
    reason = "one contract holds for all methods: the trait's"
)]
pub trait Simd: Copy {
    /// 16 bytes.
    type Bytes: Copy;
    /// Four activations, in every lane.
    type Four: Copy;
    /// The same for `dot8`.
    type Four8: Copy;
    /// Four integer sums of 7-bit by 8-bit products, one a lane.
    type Sum7: Copy;
    /// Four integer sums of 8-bit by 8-bit products, one a lane.
    type Sum8: Copy;
    /// Four f32.
    type F32: Copy;

    unsafe fn load(p: *const u8) -> Self::Bytes;
    unsafe fn store_bytes(p: *mut u8, v: Self::Bytes);
    /// `word` four times, made once for a whole loop. V8 would make a constant anew wherever it is used, in three instructions, but keeps
    /// a vector whose value it cannot see.
    unsafe fn mask(word: u32) -> Self::Bytes;
    /// `(v >> SHIFT) & mask`, a byte at a time; `mask` has no bits that the byte above would be shifted into.
    unsafe fn bits<const SHIFT: i32>(v: Self::Bytes, mask: Self::Bytes) -> Self::Bytes;
    unsafe fn or(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// `v ^ 128`, a byte at a time: signed bytes -128..=127 as 0..=255.
    unsafe fn unsign(v: Self::Bytes) -> Self::Bytes;

    unsafe fn four(p: *const i8) -> Self::Four;
    /// Every sum `*start << SHIFT`.
    unsafe fn start7<const SHIFT: u32>(start: *const i32) -> Self::Sum7;
    unsafe fn zero7() -> Self::Sum7;
    /// `sum[lane] += w[4 lane + i] * a[i]` for i in 0..4: `w` 0..=127, `a` -127..=127.
    unsafe fn dot7(sum: Self::Sum7, w: Self::Bytes, a: Self::Four) -> Self::Sum7;
    unsafe fn twice7(sum: Self::Sum7) -> Self::Sum7;
    unsafe fn finish7(sum: Self::Sum7) -> Self::F32;

    unsafe fn four8(p: *const i8) -> Self::Four8;
    unsafe fn zero8() -> Self::Sum8;
    /// As `dot7`, with `w` signed bytes.
    unsafe fn dot8(sum: Self::Sum8, w: Self::Bytes, a: Self::Four8) -> Self::Sum8;
    unsafe fn finish8(sum: Self::Sum8) -> Self::F32;

    unsafe fn splat(x: f32) -> Self::F32;
    unsafe fn load_f32(p: *const f32) -> Self::F32;
    /// What numbers loaded by `load_f16_part` are to be multiplied by.
    const F16_REST: f32;
    /// Four f16 as f32, but for a factor that the caller multiplies something else by; infinities and NaN are not expected.
    /// `mask` is the mask of [`F16_MASK`].
    unsafe fn load_f16_part(p: *const u16, mask: Self::Bytes) -> Self::F32;
    /// Four f16 as f32; infinities and NaN are not expected.
    unsafe fn load_f16(p: *const u16) -> Self::F32;
    /// Four bf16 as f32.
    unsafe fn load_bf16(p: *const u16) -> Self::F32;
    unsafe fn store(p: *mut f32, v: Self::F32);
    unsafe fn add(a: Self::F32, b: Self::F32) -> Self::F32;
    unsafe fn mul(a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`, fused or not.
    unsafe fn mul_add(a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    unsafe fn max(a: Self::F32, b: Self::F32) -> Self::F32;
    unsafe fn min(a: Self::F32, b: Self::F32) -> Self::F32;
    /// `x * 2^n` for an integral `n`, given as `n + ROUNDER`; `x` and the result are neither 0 nor subnormal.
    unsafe fn scale_by_power(x: Self::F32, n: Self::F32) -> Self::F32;
    unsafe fn div(a: Self::F32, b: Self::F32) -> Self::F32;
    /// Stores sixteen values -127..=127 rounded to integers, ties to even; what these add up to.
    unsafe fn store_i8(p: *mut i8, v: [Self::F32; 4]) -> i32;
    /// The sum of the four lanes, as (0 + 2) + (1 + 3).
    unsafe fn horizontal_sum(v: Self::F32) -> f32;
}

/// The bits of an f32 that an f16 moved into place can set.
pub const F16_MASK: u32 = 0x8fff_e000;

/// 1.5 * 2^23: a number added to it is rounded to the nearest integer, ties to even, which the low bits then hold.
pub const ROUNDER: f32 = 12_582_912.0;
