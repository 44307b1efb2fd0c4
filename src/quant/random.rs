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
                    set_scale(dtype, block, at, scale * deviation);
                }
            }
            bytes
        }
    }
}

/// Sets the scale (or the minimum) at byte `at` of a block, in the form that the format has it;
/// where that is a byte without a sign, to about its size.
pub fn set_scale(dtype: DType, block: &mut [u8], at: usize, scale: f32) {
    let [low, high] = f16::from_f32(scale).to_le_bytes();
    match dtype {
        // The exponent of an f32 is 127 more than the power of two; this one's is 128 more.
        DType::MXFP4 => block[at] = ((scale.to_bits() >> 23 & 255) + 1).clamp(104, 143) as u8,
        // Half of an f16 with 4 bits of its exponent, whose bias is 8 more, and 3 of its mantissa.
        DType::NVFP4 => {
            let bits = f16::from_f32(2.0 * scale.abs()).to_bits() >> 7;
            block[at] = bits.saturating_sub(8 << 3).min(0x7e) as u8;
        }
        DType::IQ1M => {
            for (i, nibble) in [low & 15, low >> 4, high & 15, high >> 4]
                .into_iter()
                .enumerate()
            {
                let byte = &mut block[at + 2 * i + 1];
                *byte = *byte & 15 | nibble << 4;
            }
        }
        _ => block[at..at + 2].copy_from_slice(&[low, high]),
    }
}

/// Returns where a block's scales and minimums lie, and their values for weights of about unit
/// variance and zero mean when all other bytes are random.
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
        DType::IQ4NL => &[(0, 0.0149)],
        DType::IQ4XS => &[(0, 0.0008)],
        DType::IQ3XXS => &[(0, 0.0072)],
        DType::IQ3S => &[(0, 0.0068)],
        DType::IQ2XXS | DType::IQ2XS | DType::IQ2S => &[(0, 0.018)],
        DType::IQ1S => &[(0, 0.128)],
        DType::IQ1M => &[(48, 0.128)],
        DType::TQ1_0 => &[(52, 1.22)],
        DType::TQ2_0 => &[(64, 0.7)],
        DType::MXFP4 => &[(0, 0.17)],
        DType::NVFP4 => &[(0, 0.17), (1, 0.17), (2, 0.17), (3, 0.17)],
        DType::Q1_0 => &[(0, 1.0)],
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
