//! Plain loops: the oracle for the vector units, and the fallback where there is none.

use super::Simd;
use half::{bf16, f16};

#[derive(Clone, Copy)]
pub struct Scalar;

fn lanes<const N: usize, T: Copy + Default, F: FnMut(usize) -> T>(f: F) -> [T; N] {
    std::array::from_fn(f)
}

// SAFETY (all): pointers are read and written within the bounds that the trait's contract names.
impl Simd for Scalar {
    type Bytes = [u8; 16];
    type Sum7 = [i32; 4];
    type Sum8 = [i32; 4];
    type F32 = [f32; 4];

    unsafe fn load(p: *const u8) -> [u8; 16] {
        unsafe { p.cast::<[u8; 16]>().read_unaligned() }
    }
    unsafe fn low_nibbles(v: [u8; 16]) -> [u8; 16] {
        v.map(|x| x & 15)
    }
    unsafe fn high_nibbles(v: [u8; 16]) -> [u8; 16] {
        v.map(|x| x >> 4)
    }
    unsafe fn add_high_bits<const SHIFT: u32, const MASK: u8>(nibbles: [u8; 16], planes: [u8; 16]) -> [u8; 16] {
        lanes(|i| nibbles[i] | ((planes[i] >> SHIFT) & MASK) << 4)
    }
    unsafe fn zero7() -> [i32; 4] {
        [0; 4]
    }
    unsafe fn dot7(sum: [i32; 4], w: [u8; 16], a: *const i8) -> [i32; 4] {
        debug_assert!(w.iter().all(|&x| x < 128), "operand outside 7 bits");
        let a = unsafe { a.cast::<[i8; 4]>().read_unaligned() };
        lanes(|r| sum[r] + (0..4).map(|i| w[4 * r + i] as i32 * a[i] as i32).sum::<i32>())
    }
    unsafe fn finish7(sum: [i32; 4], bias: i32) -> [f32; 4] {
        sum.map(|x| (x - bias) as f32)
    }
    unsafe fn zero8() -> [i32; 4] {
        [0; 4]
    }
    unsafe fn dot8(sum: [i32; 4], w: [u8; 16], a: *const i8) -> [i32; 4] {
        let a = unsafe { a.cast::<[i8; 4]>().read_unaligned() };
        lanes(|r| sum[r] + (0..4).map(|i| w[4 * r + i] as i8 as i32 * a[i] as i32).sum::<i32>())
    }
    unsafe fn finish8(sum: [i32; 4]) -> [f32; 4] {
        sum.map(|x| x as f32)
    }
    unsafe fn splat(x: f32) -> [f32; 4] {
        [x; 4]
    }
    unsafe fn load_f32(p: *const f32) -> [f32; 4] {
        unsafe { p.cast::<[f32; 4]>().read_unaligned() }
    }
    unsafe fn load_f16(p: *const u16) -> [f32; 4] {
        unsafe { p.cast::<[u16; 4]>().read_unaligned() }.map(|x| f16::from_bits(x).to_f32())
    }
    unsafe fn load_bf16(p: *const u16) -> [f32; 4] {
        unsafe { p.cast::<[u16; 4]>().read_unaligned() }.map(|x| bf16::from_bits(x).to_f32())
    }
    unsafe fn store(p: *mut f32, v: [f32; 4]) {
        unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
    }
    unsafe fn add(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        lanes(|i| a[i] + b[i])
    }
    unsafe fn mul(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        lanes(|i| a[i] * b[i])
    }
    unsafe fn mul_add(a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        lanes(|i| a[i] * b[i] + c[i])
    }
    unsafe fn max(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        lanes(|i| a[i].max(b[i]))
    }
    unsafe fn min(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        lanes(|i| a[i].min(b[i]))
    }
    unsafe fn scale_by_power(x: [f32; 4], n: [f32; 4]) -> [f32; 4] {
        lanes(|i| x[i] * f32::from_bits(((n[i] as i32 + 127) << 23) as u32))
    }
    unsafe fn round(x: [f32; 4]) -> [f32; 4] {
        x.map(f32::round_ties_even)
    }
    unsafe fn div(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        lanes(|i| a[i] / b[i])
    }
    unsafe fn horizontal_sum(v: [f32; 4]) -> f32 {
        (v[0] + v[2]) + (v[1] + v[3])
    }
}
