//! Made-up weights in any format, to try and time kernels without a model.

use super::DType;
use half::{bf16, f16};

/// Returns `count` weights of about zero mean and this standard deviation, in the bytes of `dtype`.
/// `count` is a multiple of [`DType::block_len`]; `next` returns 32 random bits.
///
/// Floats are uniform. In a block format every byte is random but for the scales, which are set so
/// that the weights have that deviation.
///
/// ```
/// use siskin::{generate::rng::Pcg32, quant::{DType, random_weights}};
///
/// let mut rng = Pcg32::new(1, 0);
/// let bytes = random_weights(DType::Q4_0, 64, 0.02, &mut || rng.next_u32());
/// assert_eq!(bytes.len(), 2 * DType::Q4_0.block_bytes());
/// ```
pub fn random_weights(
    dtype: DType,
    count: usize,
    deviation: f32,
    next: &mut impl FnMut() -> u32,
) -> Vec<u8> {
    let width = deviation * 3f32.sqrt();
    let mut uniform = || {
        const STEPS: f32 = (1_u32 << 24) as f32;
        width * (2.0 * ((next() >> 8) as f32 / STEPS) - 1.0)
    };
    match dtype {
        DType::F32 => (0..count).flat_map(|_| uniform().to_le_bytes()).collect(),
        DType::F16 => (0..count)
            .flat_map(|_| f16::from_f32(uniform()).to_le_bytes())
            .collect(),
        DType::BF16 => (0..count)
            .flat_map(|_| bf16::from_f32(uniform()).to_le_bytes())
            .collect(),
        _ => {
            let size_bytes = count / dtype.block_len() * dtype.block_bytes();
            let words = 0..size_bytes.div_ceil(4);
            let mut bytes: Vec<u8> = words.flat_map(|_| next().to_le_bytes()).collect();
            bytes.truncate(size_bytes);
            for block in bytes.chunks_exact_mut(dtype.block_bytes()) {
                for &(at, scale) in unit_scales(dtype) {
                    let scale = f16::from_f32(scale * deviation);
                    block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
                }
            }
            bytes
        }
    }
}

/// Returns where a block's f16 scales lie, and their values for weights of about unit variance and
/// zero mean when all other bytes are random.
fn unit_scales(dtype: DType) -> &'static [(usize, f32)] {
    match dtype {
        DType::Q4_0 => &[(0, 0.217)],
        DType::Q4_1 => &[(0, 0.217), (2, -1.63)],
        DType::Q5_0 => &[(0, 0.108)],
        DType::Q5_1 => &[(0, 0.108), (2, -1.68)],
        DType::Q8_0 => &[(0, 0.0135)],
        DType::Q2K => &[(80, 0.07), (82, 0.1)],
        DType::Q3K => &[(108, 0.02)],
        DType::Q4K => &[(0, 0.005), (2, 0.0375)],
        DType::Q5K => &[(0, 0.0025), (2, 0.0388)],
        DType::Q6K => &[(208, 0.001)],
        DType::F32 | DType::F16 | DType::BF16 => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and deviation are those asked for, within what a probe and a timing need: scales are
    /// rounded, and a block's minimum does not quite cancel its mean.
    #[test]
    fn weights_have_the_deviation_asked_for() {
        const COUNT: usize = 1 << 14;
        for &dtype in DType::ALL {
            let mut state = 7_u32;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.rotate_left(16) ^ state
            };
            let bytes = random_weights(dtype, COUNT, 0.05, &mut next);
            let mut values = vec![0.0; COUNT];
            dtype.dequantize(&bytes, &mut values);
            let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / COUNT as f64;
            let square = |&x: &f32| (f64::from(x) - mean).powi(2);
            let deviation = (values.iter().map(square).sum::<f64>() / COUNT as f64).sqrt();
            assert!(mean.abs() < 0.02, "{}: a mean of {mean}", dtype.name());
            assert!(
                (0.025..0.1).contains(&deviation),
                "{}: a deviation of {deviation}",
                dtype.name()
            );
        }
    }
}
