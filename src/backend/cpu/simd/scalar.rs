//! Plain loops are the oracle for the vector units, and the fallback where there is none.

use super::vector::Simd;
use half::{bf16, f16};

/// Stands for no instruction set: it runs plain loops over arrays.
#[derive(Clone, Copy)]
pub struct Scalar;

fn lanes<const N: usize, T: Copy + Default, F: FnMut(usize) -> T>(f: F) -> [T; N] {
    std::array::from_fn(f)
}

// SAFETY (all methods): pointers are read and written within the bounds of the trait's contract.
impl Simd for Scalar {
    type Bytes = [u8; 16];
    type Four = [i8; 4];
    type Four8 = [i8; 4];
    type Sum7 = [i32; 4];
    type Part7 = [i32; 4];
    type Sum8 = [i32; 4];
    type F32 = [f32; 4];

    unsafe fn load(p: *const u8) -> [u8; 16] {
        unsafe { p.cast::<[u8; 16]>().read_unaligned() }
    }
    unsafe fn store_bytes(p: *mut u8, v: [u8; 16]) {
        unsafe { p.cast::<[u8; 16]>().write_unaligned(v) }
    }
    unsafe fn mask(word: u32) -> [u8; 16] {
        lanes(|i| word.to_le_bytes()[i % 4])
    }
    unsafe fn bits<const SHIFT: i32>(v: [u8; 16], mask: [u8; 16]) -> [u8; 16] {
        lanes(|i| (v[i] >> SHIFT) & mask[i])
    }
    unsafe fn or(a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
        lanes(|i| a[i] | b[i])
    }
    unsafe fn shift_xor(v: [u8; 16], w: [u8; 16]) -> [u8; 16] {
        lanes(|i| {
            let next = if i % 2 == 0 { v[i + 1] << 7 } else { 0 };
            (v[i] >> 1 | next) ^ w[i]
        })
    }
    unsafe fn look_up(table: [u8; 16], v: [u8; 16]) -> [u8; 16] {
        v.map(|i| table[usize::from(i)])
    }
    unsafe fn unsign(v: [u8; 16]) -> [u8; 16] {
        v.map(|x| x ^ 128)
    }
    unsafe fn four(p: *const i8) -> [i8; 4] {
        unsafe { p.cast::<[i8; 4]>().read_unaligned() }
    }
    unsafe fn start7<const SHIFT: u32>(start: *const i32) -> [i32; 4] {
        [unsafe { *start } << SHIFT; 4]
    }
    unsafe fn zero7() -> [i32; 4] {
        [0; 4]
    }
    unsafe fn begin7(sum: [i32; 4]) -> [i32; 4] {
        sum
    }
    unsafe fn dot7(part: [i32; 4], w: [u8; 16], a: [i8; 4]) -> [i32; 4] {
        debug_assert!(w.iter().all(|&x| x < 128), "operand outside 7 bits");
        lanes(|r| {
            part[r]
                + (0..4)
                    .map(|i| w[4 * r + i] as i32 * a[i] as i32)
                    .sum::<i32>()
        })
    }
    unsafe fn end7(_sum: [i32; 4], part: [i32; 4]) -> [i32; 4] {
        part
    }
    unsafe fn shift7<const SHIFT: u32>(sum: [i32; 4]) -> [i32; 4] {
        sum.map(|x| x << SHIFT)
    }
    unsafe fn finish7(sum: [i32; 4]) -> [f32; 4] {
        sum.map(|x| x as f32)
    }
    unsafe fn four8(p: *const i8) -> [i8; 4] {
        unsafe { p.cast::<[i8; 4]>().read_unaligned() }
    }
    unsafe fn zero8() -> [i32; 4] {
        [0; 4]
    }
    unsafe fn dot8(sum: [i32; 4], w: [u8; 16], a: [i8; 4]) -> [i32; 4] {
        lanes(|r| {
            sum[r]
                + (0..4)
                    .map(|i| w[4 * r + i] as i8 as i32 * a[i] as i32)
                    .sum::<i32>()
        })
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
    const F16_REST: f32 = 1.0;
    unsafe fn load_f16_part(p: *const u16, _mask: [u8; 16]) -> [f32; 4] {
        unsafe { Self::load_f16(p) }
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
        lanes(|i| f32::from_bits(x[i].to_bits().wrapping_add(n[i].to_bits() << 23)))
    }
    unsafe fn div(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        lanes(|i| a[i] / b[i])
    }
    unsafe fn store_i8(p: *mut i8, v: [[f32; 4]; 4]) -> i32 {
        let q: [i8; 16] = lanes(|i| v[i / 4][i % 4].round_ties_even() as i8);
        unsafe { p.cast::<[i8; 16]>().write_unaligned(q) };
        q.iter().map(|&q| i32::from(q)).sum()
    }
    unsafe fn horizontal_sum(v: [f32; 4]) -> f32 {
        (v[0] + v[2]) + (v[1] + v[3])
    }
}
