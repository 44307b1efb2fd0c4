//! The kernels' tests get weights and activations here, ordinary and extreme ones.

pub use super::random::Random;
use half::{bf16, f16};
use siskin::{
    backend::{Backend, GROUP_ROWS},
    quant::{DType, Quants, set_scale},
    tensor::Weight,
};

/// Natively the tests try more shapes than in a browser, where the compiler may not optimize.
pub const THOROUGH: bool = cfg!(not(target_arch = "wasm32"));

/// Returns the offsets in a block of its f16 scales and minimums, and how large they are in models.
fn scales(dtype: DType) -> (&'static [usize], f32) {
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => (&[], 0.0),
        DType::Q4_0 | DType::Q5_0 | DType::Q8_0 => (&[0], 0.01),
        DType::Q4_1 | DType::Q5_1 => (&[0, 2], 0.01),
        DType::Q2K => (&[80, 82], 0.001),
        DType::Q3K => (&[108], 0.001),
        DType::Q4K | DType::Q5K => (&[0, 2], 0.0005),
        DType::Q6K => (&[208], 0.0005),
        DType::IQ4NL | DType::MXFP4 | DType::Q1_0 => (&[0], 0.01),
        DType::NVFP4 => (&[0, 1, 2, 3], 0.01),
        DType::IQ4XS | DType::IQ3XXS | DType::IQ3S => (&[0], 0.001),
        DType::IQ2XXS | DType::IQ2XS | DType::IQ2S | DType::IQ1S => (&[0], 0.001),
        DType::IQ1M => (&[48], 0.001),
        DType::TQ1_0 => (&[52], 0.01),
        DType::TQ2_0 => (&[64], 0.01),
    }
}

/// Makes blocks of `weights` weights: random integers, blocks of zeros, the largest and the
/// smallest integers, scales of both signs and zero.
pub fn random_blocks(dtype: DType, weights: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (scales, size) = scales(dtype);
    for _ in 0..weights / dtype.block_len() {
        let value = random.within(-2.0, 2.0);
        match dtype {
            DType::F32 => bytes.extend(value.to_le_bytes()),
            DType::F16 => bytes.extend(f16::from_f32(value).to_le_bytes()),
            DType::BF16 => bytes.extend(bf16::from_f32(value).to_le_bytes()),
            _ => {
                let kind = random.below(10);
                let mut block: Vec<u8> = (0..dtype.block_bytes())
                    .map(|_| match kind {
                        0 => 0,
                        1 => 0xff,
                        2 => 0x80,
                        3 => 0x7f,
                        _ => random.bits() as u8,
                    })
                    .collect();
                for &at in scales {
                    let scale = if kind == 0 || random.below(20) == 0 {
                        0.0
                    } else {
                        random.within(-size, size)
                    };
                    set_scale(dtype, &mut block, at, scale);
                }
                bytes.extend(block);
            }
        }
    }
    bytes
}

/// Holds a matrix as a backend has it, and as the plain loops read it.
pub struct Matrix<Buf> {
    pub weight: Weight<Buf>,
    /// Holds the values `[rows, cols]` of `DType::dequantize`.
    pub values: Vec<f32>,
    /// Holds the sums `[rows, cols]` of the magnitudes of the two parts that each value is the
    /// difference of.
    pub sizes: Vec<f32>,
}

impl<Buf> Matrix<Buf> {
    /// Makes a matrix of random blocks.
    pub fn random(
        backend: &mut impl Backend<Buf = Buf>,
        dtype: DType,
        rows: usize,
        cols: usize,
        random: &mut Random,
    ) -> Self {
        let bytes = random_blocks(dtype, rows * cols, random);
        assert!(dtype.scales_are_finite(&bytes));
        let mut values = vec![0.0; rows * cols];
        dtype.dequantize(&bytes, &mut values);
        let mut sizes: Vec<f32> = values.iter().map(|x| x.abs()).collect();
        if !matches!(dtype, DType::F32 | DType::F16 | DType::BF16) {
            let mut quants = vec![Quants::default(); rows * cols / 32];
            dtype.quants(&bytes, &mut quants);
            for (i, size) in sizes.iter_mut().enumerate() {
                let (quants, half) = (&quants[i / 32], i % 32 / 16);
                *size = (quants.scale[half] * f32::from(quants.q[i % 32])).abs()
                    + quants.minimum[half].abs();
            }
        }
        let mut weight = backend.alloc(dtype, rows, cols).expect("memory");
        // The rows come in two calls, as from a loader.
        let (first, row_bytes) = (rows / 2 / GROUP_ROWS * GROUP_ROWS, bytes.len() / rows);
        backend.write(&mut weight, 0, &bytes[..first * row_bytes]);
        backend.write(&mut weight, first, &bytes[first * row_bytes..]);
        Self {
            weight,
            values,
            sizes,
        }
    }
}

/// Makes activations `[tokens, cols]`: mostly small ones, some blocks of zeros, some with a single
/// outlier.
pub fn activations(tokens: usize, cols: usize, random: &mut Random) -> Vec<f32> {
    let mut x: Vec<f32> = (0..tokens * cols)
        .map(|_| random.within(-1.0, 1.0))
        .collect();
    for block in x.chunks_mut(32) {
        let at = random.below(block.len());
        match random.below(8) {
            0 => block.fill(0.0),
            1 => block[at] = random.within(-80.0, 80.0),
            2 => block[at] = -0.0,
            _ => {}
        }
    }
    x
}

/// Asserts that `got` is within `bound` of `expected`.
pub fn near(got: f32, expected: f64, bound: f64, what: &dyn Fn() -> String) {
    let off = (f64::from(got) - expected).abs();
    assert!(
        off <= bound,
        "{}: {got} is off {expected} by {off:.3e}, more than {bound:.3e}",
        what()
    );
}
