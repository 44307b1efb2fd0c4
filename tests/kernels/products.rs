//! Matrix products are compared with plain loops in f64, in every format and at ragged shapes.

use super::support::data::{Matrix, Random, THOROUGH, activations, near, random_blocks};
use siskin::{
    Code,
    backend::{
        Backend,
        cpu::{
            Buf, Cpu,
            matmul::{Input, Product, Store, matmul},
            pool::Pool,
            quantize::QuantizedActivations,
        },
    },
    quant::{DType, Quants},
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Rounding to f32 changes a number by at most this share.
const EPS: f64 = f32::EPSILON as f64 / 2.0;
/// Rounding to f16 changes a number by at most this share, and subnormal ones by at most
/// `F16_STEP`.
const F16_EPS: f64 = 1.0 / 2048.0;
/// Rounding to a subnormal f16 changes a number by at most 2^-25.
const F16_STEP: f64 = 1.0 / 33_554_432.0;

fn rows() -> &'static [usize] {
    if THOROUGH {
        &[2, 3, 5, 31, 257]
    } else {
        &[2, 5, 31]
    }
}

fn cols(dtype: DType) -> Vec<usize> {
    let all: &[usize] = if THOROUGH {
        &[1, 7, 32, 33, 96, 256, 512, 768]
    } else {
        &[7, 96, 256, 512]
    };
    all.iter()
        .copied()
        .filter(|cols| cols % dtype.block_len() == 0)
        .collect()
}

fn tokens() -> &'static [usize] {
    if THOROUGH {
        &[1, 3, 4, 5, 8, 9]
    } else {
        &[1, 5, 9]
    }
}

/// Calls `check` for every format and shape, with random weights.
fn each_matrix(check: impl Fn(DType, &Matrix<Buf>, &mut Random)) {
    let mut random = Random::new(1);
    for &dtype in DType::ALL {
        for &rows in rows() {
            for cols in cols(dtype) {
                check(
                    dtype,
                    &Matrix::random(&mut Cpu::default(), dtype, rows, cols, &mut random),
                    &mut random,
                );
            }
        }
    }
}

fn product(
    pool: &Pool,
    matrix: &Matrix<Buf>,
    x: &[f32],
    tokens: usize,
    y: &mut [f32],
    store: Store,
) {
    let mut quantized = QuantizedActivations::default();
    if let Buf::Repacked(_) = matrix.weight.buf {
        quantized.set(pool, x, matrix.weight.cols);
    }
    matmul(
        pool,
        &Input {
            tokens,
            x,
            quantized: &quantized,
        },
        &[Product::new(&matrix.weight, y, store)],
    );
}

fn outputs(matrix: &Matrix<Buf>, x: &[f32], tokens: usize) -> Vec<f32> {
    let mut y = vec![f32::NAN; tokens * matrix.weight.rows];
    product(&Pool::default(), matrix, x, tokens, &mut y, Store::Set);
    y
}

#[test]
fn a_packed_row_is_the_formats_own() {
    each_matrix(|dtype, matrix, _| {
        // These formats keep their scales as the file has them; for the others a product of two
        // scales is rounded to f16.
        let is_exact = matches!(
            dtype.name(),
            "F32"
                | "F16"
                | "BF16"
                | "Q4_0"
                | "Q4_1"
                | "Q5_0"
                | "Q5_1"
                | "Q8_0"
                | "IQ4_NL"
                | "MXFP4"
                | "NVFP4"
                | "Q1_0"
                | "TQ1_0"
                | "TQ2_0"
        );
        let (rows, cols) = (matrix.weight.rows, matrix.weight.cols);
        let mut row = vec![f32::NAN; cols];
        for r in 0..rows {
            matrix.weight.row(r, &mut row);
            for (k, &got) in row.iter().enumerate() {
                let (expected, size) = (
                    matrix.values[r * cols + k],
                    f64::from(matrix.sizes[r * cols + k]),
                );
                let what = || format!("{} {rows} x {cols}, row {r}, column {k}", dtype.name());
                // The error of a scale counts up to 63 times (the integer; in IQ4_XS up to 127
                // times), that of a minimum once.
                let times = if dtype == DType::IQ4XS { 128.0 } else { 64.0 };
                let bound = if is_exact {
                    0.0
                } else {
                    size * (F16_EPS + 4.0 * EPS) + times * F16_STEP
                };
                near(got, f64::from(expected), bound, &what);
            }
        }
    });
}

#[test]
fn a_weight_takes_the_bytes_that_are_told() {
    each_matrix(|dtype, matrix, _| {
        let (rows, cols) = (matrix.weight.rows, matrix.weight.cols);
        let told = Cpu::default().weight_bytes(dtype, rows, cols);
        let taken = matrix.weight.buf.size_bytes() as u64;
        assert_eq!(told, taken, "{} {rows} x {cols}", dtype.name());
    });
    for dtype in [DType::F32, DType::F16, DType::Q8_0] {
        let vector = Cpu::default().alloc(dtype, 1, 32).expect("memory");
        assert_eq!(vector.buf.size_bytes(), 4 * 32);
        assert_eq!(Cpu::default().weight_bytes(dtype, 1, 32), 4 * 32);
    }
}

#[test]
fn a_weight_that_cannot_be_counted_is_refused() {
    // They have more bytes than a usize can count, in every format.
    let side = 1 << (usize::BITS / 2);
    for &dtype in DType::ALL {
        for (rows, cols) in [(side, 4 * side), (1, usize::MAX / 256 * 256)] {
            let error = Cpu::default()
                .alloc(dtype, rows, cols)
                .err()
                .expect("no memory");
            assert_eq!(error.code, Code::OutOfMemory, "{}", dtype.name());
        }
    }
}

/// Returns the activations as the kernels see them.
fn seen(x: &[f32], matrix: &Matrix<Buf>) -> Vec<f64> {
    if !matches!(matrix.weight.buf, Buf::Repacked(_)) {
        return x.iter().map(|&x| f64::from(x)).collect();
    }
    let (mut quantized, cols) = (QuantizedActivations::default(), matrix.weight.cols);
    quantized.set(&Pool::default(), x, cols);
    let value = |i: usize| quantized.value(i / cols, i % cols);
    (0..x.len()).map(|i| value(i).0 + value(i).1).collect()
}

#[test]
fn a_product_is_the_plain_loops() {
    each_matrix(|dtype, matrix, random| {
        let (rows, cols) = (matrix.weight.rows, matrix.weight.cols);
        let mut w = vec![0.0; rows * cols];
        for (r, w) in w.chunks_exact_mut(cols).enumerate() {
            matrix.weight.row(r, w);
        }
        for &tokens in tokens() {
            let x = activations(tokens, cols, random);
            let (y, x) = (outputs(matrix, &x, tokens), seen(&x, matrix));
            for (i, &got) in y.iter().enumerate() {
                let (t, r) = (i / rows, i % rows);
                let (mut expected, mut size) = (0.0, 0.0);
                for k in 0..cols {
                    expected += f64::from(w[r * cols + k]) * x[t * cols + k];
                    size += f64::from(matrix.sizes[r * cols + k]) * x[t * cols + k].abs();
                }
                // There are a few roundings for each block of 32 columns, or one for each column of
                // four lanes.
                let roundings = if let Buf::Repacked(_) = matrix.weight.buf {
                    cols / 32 * 8
                } else {
                    cols / 4
                };
                let bound = size * EPS * (roundings + 8) as f64;
                near(got, expected, bound, &|| {
                    format!(
                        "{} {rows} x {cols}, token {t} of {tokens}, row {r}",
                        dtype.name()
                    )
                });
            }
        }
    });
}

#[test]
fn tokens_together_are_tokens_alone() {
    each_matrix(|dtype, matrix, random| {
        let (rows, cols) = (matrix.weight.rows, matrix.weight.cols);
        for &tokens in tokens() {
            let x = activations(tokens, cols, random);
            let together = outputs(matrix, &x, tokens);
            for (t, x) in x.chunks_exact(cols).enumerate() {
                let alone = outputs(matrix, x, 1);
                assert!(
                    alone == together[t * rows..][..rows],
                    "{} {rows} x {cols}, token {t} of {tokens}",
                    dtype.name()
                );
            }
        }
    });
}

#[test]
fn add_adds() {
    each_matrix(|dtype, matrix, random| {
        let x = activations(5, matrix.weight.cols, random);
        let before: Vec<f32> = (0..5 * matrix.weight.rows)
            .map(|_| random.within(-1.0, 1.0))
            .collect();
        let (mut y, set) = (before.clone(), outputs(matrix, &x, 5));
        product(&Pool::default(), matrix, &x, 5, &mut y, Store::Add);
        for ((&got, before), set) in y.iter().zip(&before).zip(&set) {
            let bound = 8.0 * EPS * f64::from(before.abs() + set.abs() + 100.0);
            near(got, f64::from(*before) + f64::from(*set), bound, &|| {
                dtype.name().to_owned()
            });
        }
    });
}

#[test]
fn products_together_are_products_alone() {
    let mut random = Random::new(6);
    for (dtypes, rows) in [
        ([DType::Q5_0, DType::Q8_0, DType::F16], [31, 7, 9]),
        ([DType::Q4K, DType::F32, DType::Q6K], [1, 40, 8]),
    ] {
        let matrices: Vec<Matrix<Buf>> = dtypes
            .iter()
            .zip(rows)
            .map(|(&dtype, rows)| {
                Matrix::random(&mut Cpu::default(), dtype, rows, 256, &mut random)
            })
            .collect();
        for &tokens in tokens() {
            let x = activations(tokens, 256, &mut random);
            let mut quantized = QuantizedActivations::default();
            quantized.set(&Pool::default(), &x, 256);
            let mut together: Vec<Vec<f32>> = matrices
                .iter()
                .map(|matrix| vec![f32::NAN; tokens * matrix.weight.rows])
                .collect();
            let products: Vec<Product> = matrices
                .iter()
                .zip(&mut together)
                .map(|(matrix, y)| Product::new(&matrix.weight, y, Store::Set))
                .collect();
            matmul(
                &Pool::default(),
                &Input {
                    tokens,
                    x: &x,
                    quantized: &quantized,
                },
                &products,
            );
            for (matrix, together) in matrices.iter().zip(&together) {
                assert!(outputs(matrix, &x, tokens) == *together, "{tokens} tokens");
            }
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn threads_do_not_change_a_bit() {
    let pools = [2, 3, 5].map(Pool::new);
    each_matrix(|dtype, matrix, random| {
        let x = activations(5, matrix.weight.cols, random);
        let alone = outputs(matrix, &x, 5);
        for pool in &pools {
            let mut y = vec![f32::NAN; alone.len()];
            product(pool, matrix, &x, 5, &mut y, Store::Set);
            assert!(
                y == alone,
                "{} {} x {}, {} threads",
                dtype.name(),
                matrix.weight.rows,
                matrix.weight.cols,
                pool.threads()
            );
        }
    });
}

/// Two and three bits a weight do not become four: their memory is what made someone choose them.
#[test]
fn few_bits_stay_few_in_memory() {
    let bits = |dtype: DType| {
        let matrix = Matrix::random(&mut Cpu::default(), dtype, 16, 512, &mut Random::new(3));
        8.0 * matrix.weight.buf.size_bytes() as f64 / (16.0 * 512.0)
    };
    assert_eq!(bits(DType::Q4_0), 4.5);
    assert_eq!(bits(DType::Q2K), 4.0);
    assert_eq!(bits(DType::Q3K), 4.0);
    for &dtype in DType::ALL.iter().filter(|dtype| dtype.codebook().is_some()) {
        assert!(bits(dtype) <= 5.0, "{}: {} bits", dtype.name(), bits(dtype));
    }
}

#[test]
fn quants_fit_seven_bits_and_eight() {
    let mut random = Random::new(2);
    for dtype in DType::ALL.iter().filter(|dtype| dtype.block_len() > 1) {
        let bytes = random_blocks(*dtype, 256 * 100, &mut random);
        let mut quants = vec![Quants::default(); 800];
        dtype.quants(&bytes, &mut quants);
        let offset = siskin::backend::cpu::repack::Layout::of(*dtype)
            .expect("a packed format")
            .offset();
        for q in quants.iter().flat_map(|quants| quants.q) {
            let stored = i32::from(q) + offset;
            if let Some(codebook) = dtype.codebook() {
                assert!(codebook.contains(&q), "{}: {q}", dtype.name());
                continue;
            }
            assert!(
                *dtype == DType::Q8_0 || (0..=127).contains(&stored),
                "{}: {q} is stored as {stored}",
                dtype.name()
            );
        }
    }
}
