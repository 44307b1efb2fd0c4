//! Weights and activations for the kernels, the ordinary and the extreme.

pub use super::random::Random;
use half::{bf16, f16};
use siskin::{
    backend::{Backend, GROUP_ROWS},
    quant::{DType, Quants},
    tensor::Weight,
};

/// Natively more shapes are tried than in a browser, where the compiler may not optimize.
pub const THOROUGH: bool = cfg!(not(target_arch = "wasm32"));

/// Where a block has its half-float scales and minimums, and how large they are in models.
fn scales(dtype: DType) -> (&'static [usize], f32) {
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => (&[], 0.0),
        DType::Q4_0 | DType::Q5_0 | DType::Q8_0 => (&[0], 0.01),
        DType::Q4_1 | DType::Q5_1 => (&[0, 2], 0.01),
        DType::Q2K => (&[80, 82], 0.001),
        DType::Q3K => (&[108], 0.001),
        DType::Q4K | DType::Q5K => (&[0, 2], 0.0005),
        DType::Q6K => (&[208], 0.0005),
    }
}

/// Blocks of `weights` weights: random levels, all-zero blocks, the largest and the smallest levels, scales of both signs and zero.
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
                    block[at..at + 2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
                }
                bytes.extend(block);
            }
        }
    }
    bytes
}

/// A matrix as a backend holds it, and as the reference format reads it.
pub struct Matrix<Buf> {
    pub weight: Weight<Buf>,
    /// `[rows, cols]`, as `DType::dequantize` gives them.
    pub values: Vec<f32>,
    /// `[rows, cols]`: how large the parts are that a value is the difference of.
    pub sizes: Vec<f32>,
}

impl<Buf> Matrix<Buf> {
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
            let mut levels = vec![Quants::default(); rows * cols / 32];
            dtype.quants(&bytes, &mut levels);
            for (i, size) in sizes.iter_mut().enumerate() {
                let (level, half) = (&levels[i / 32], i % 32 / 16);
                *size = (level.scale[half] * f32::from(level.q[i % 32])).abs()
                    + level.minimum[half].abs();
            }
        }
        let mut weight = backend.alloc(dtype, rows, cols).expect("memory");
        // In two calls, as a loader would.
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

/// `[tokens, cols]`: mostly small, some blocks zero, some with a single outlier.
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

/// That `got` is within `bound` of `expected`.
pub fn near(got: f32, expected: f64, bound: f64, what: &dyn Fn() -> String) {
    let off = (f64::from(got) - expected).abs();
    assert!(
        off <= bound,
        "{}: {got} is off {expected} by {off:.3e}, more than {bound:.3e}",
        what()
    );
}
