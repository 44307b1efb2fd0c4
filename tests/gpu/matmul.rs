//! Matrix products against plain loops in f64, in every format and at ragged shapes.

use super::{
    harness::{DIMS, EPS, FORMATS, Harness, normed},
    support::data::{THOROUGH, near},
};
use siskin::{
    backend::{Backend, Rows, gpu::device::GpuOptions},
    quant::DType,
};

/// Rows, columns and numbers of tokens. A size is no part of a shader's text: in browsers each number
/// of tokens comes with one ragged shape, for what other shapes make of the same text is shown
/// natively. The number of parts that a weight lies in does make a text, so that weights in parts
/// come in all shapes. Dots of bytes are of one token alone.
fn shapes(dtype: DType, options: &GpuOptions) -> Vec<([usize; 2], &'static [usize])> {
    let natively: &[[usize; 2]] = match dtype.block_len() > 32 {
        true => &[[2, 256], [31, 768], [257, 512]],
        false => &[[2, 32], [31, 96], [257, 512], [40, 896]],
    };
    let tokens = |of: &'static [usize]| match &options.strategy {
        Some(strategy) if strategy.int8_dot => &[1],
        _ => of,
    };
    if THOROUGH || options.max_part_bytes.is_some() {
        let all = tokens(&[1, 3, 8, 31, 64]);
        natively.iter().map(|&shape| (shape, all)).collect()
    } else {
        vec![
            (natively[1], tokens(&[1, 3, 64])),
            (natively[2], tokens(&[1, 8, 31])),
        ]
    }
}

/// All formats, or one of each kind where a browser compiles them for another tier than its own:
/// floats, blocks of 32 with high bits, and of 256 with smallest values and without. What a format
/// unpacks is the same text in every tier, and all of them are run natively.
fn formats(options: &GpuOptions) -> &'static [DType] {
    if THOROUGH || !(options.default_limits || options.max_part_bytes.is_some()) {
        FORMATS
    } else {
        &[DType::F16, DType::Q5_0, DType::Q4K, DType::Q6K]
    }
}

/// Every format and shape, on one device: what it compiles serves more than one of these.
pub async fn products_and_rows(options: GpuOptions) {
    let Some(mut harness) = Harness::new(options, &DIMS).await else {
        return;
    };
    let formats = formats(&options);
    for &dtype in formats {
        for (i, ([rows, cols], tokens)) in shapes(dtype, &options).into_iter().enumerate() {
            // Two products that are taken together may differ in format. In a browser, where
            // compiling takes long, they do so in one way.
            let other = formats
                .iter()
                .cycle()
                .skip_while(|&&format| format != dtype)
                .nth(if THOROUGH { i } else { 1 })
                .copied()
                .unwrap_or(dtype);
            let other = if cols.is_multiple_of(other.block_len()) {
                other
            } else {
                DType::Q8_0
            };
            for &tokens in tokens {
                rows_of_a_table(&mut harness, dtype, [rows, cols], tokens).await;
                projections(&mut harness, dtype, [rows, cols], tokens, false).await;
                let dtypes = [dtype, other];
                feed_forwards(&mut harness, dtypes, [rows, cols], tokens, [false; 2]).await;
                logits(&mut harness, dtype, [rows, cols], tokens, false).await;
            }
        }
    }
    // A block of NVFP4 is two of 32 columns. Of IQ4_NL, which lies as NVFP4 does, a row may have an
    // odd number of blocks.
    if formats.contains(&DType::NVFP4) {
        for (shape, tokens) in shapes(DType::IQ4NL, &options).into_iter().take(2) {
            for &tokens in tokens {
                rows_of_a_table(&mut harness, DType::IQ4NL, shape, tokens).await;
                projections(&mut harness, DType::IQ4NL, shape, tokens, false).await;
            }
        }
    }
}

/// Every product that may have a bias, with and without each of two that are taken together.
pub async fn biases_are_added(options: GpuOptions) {
    let Some(mut harness) = Harness::new(options, &DIMS).await else {
        return;
    };
    let dtype = DType::Q5_0;
    for (shape, tokens) in shapes(dtype, &options).into_iter().take(3) {
        for &tokens in tokens {
            projections(&mut harness, dtype, shape, tokens, true).await;
            logits(&mut harness, dtype, shape, tokens, true).await;
            for are_biased in [[true, false], [false, true], [true, true]] {
                feed_forwards(&mut harness, [dtype; 2], shape, tokens, are_biased).await;
            }
        }
    }
}

fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

async fn rows_of_a_table(
    harness: &mut Harness,
    dtype: DType,
    [rows, cols]: [usize; 2],
    tokens: usize,
) {
    let table = harness.matrix(dtype, rows, cols);
    let ids: Vec<u32> = (0..tokens)
        .map(|_| harness.random.below(rows) as u32)
        .collect();
    harness
        .gpu
        .embed(&mut harness.step, &table.weight, 1.0, &ids, 0);
    harness.tap(|step| &step.x);
    let [x] = &harness.taps().await[..] else {
        panic!("one tap")
    };
    for (i, &got) in x[..tokens * cols].iter().enumerate() {
        let at = ids[i / cols] as usize * cols + i % cols;
        let bound = f64::from(table.sizes[at]) * 4.0 * EPS + 1e-6;
        near(got, f64::from(table.values[at]), bound, &|| {
            format!("{} {rows} x {cols}, {at}", dtype.name())
        });
    }
}

async fn projections(
    harness: &mut Harness,
    dtype: DType,
    [rows, cols]: [usize; 2],
    tokens: usize,
    is_biased: bool,
) {
    let (gate, up) = (
        harness.matrix(DType::F32, cols, 32),
        harness.matrix(DType::F32, cols, 32),
    );
    let w = harness.matrix(dtype, rows, cols);
    harness.begin(tokens, 32, 0);
    harness.feed_forward([&gate.weight, &up.weight], [false; 2]);
    harness.tap(|step| &step.a);
    harness.tap(|step| &step.x);
    harness.project_add(&w.weight, is_biased);
    harness.tap(|step| &step.x);
    let biases = harness.biases(is_biased, rows);
    let [a, before, after] = &harness.taps().await[..] else {
        panic!("three taps")
    };
    for (i, (expected, bound)) in harness
        .product(&w, &doubles(&a[..tokens * cols]))
        .into_iter()
        .enumerate()
    {
        let expected = expected + biases[i % rows] + f64::from(before[i]);
        let what = || format!("{} {rows} x {cols}, {tokens} tokens, {i}", dtype.name());
        near(
            after[i],
            expected,
            bound + 2.0 * EPS * expected.abs(),
            &what,
        );
    }
}

async fn feed_forwards(
    harness: &mut Harness,
    dtypes: [DType; 2],
    [rows, cols]: [usize; 2],
    tokens: usize,
    are_biased: [bool; 2],
) {
    let [gate, up] = dtypes.map(|dtype| harness.matrix(dtype, rows, cols));
    let x = harness.begin(tokens, cols, 0);
    harness.feed_forward([&gate.weight, &up.weight], are_biased);
    harness.tap(|step| &step.a);
    let [a] = &harness.taps().await[..] else {
        panic!("one tap")
    };
    let h = normed(&x, cols, &harness.norm.1);
    let [gate_bias, up_bias] = are_biased.map(|is_biased| harness.biases(is_biased, rows));
    for (i, ((g, g_bound), (u, u_bound))) in harness
        .product(&gate, &h)
        .into_iter()
        .zip(harness.product(&up, &h))
        .enumerate()
    {
        let [g, u] = [g + gate_bias[i % rows], u + up_bias[i % rows]];
        let silu = g / (1.0 + (-g).exp());
        let bound = 1.1 * g_bound * (u.abs() + u_bound)
            + silu.abs() * u_bound
            + 1e-5 * (silu * u).abs()
            + 1e-6;
        near(a[i], silu * u, bound, &|| {
            format!("{dtypes:?} {rows} x {cols}, {tokens} tokens, {i}")
        });
    }
}

async fn logits(
    harness: &mut Harness,
    dtype: DType,
    [rows, cols]: [usize; 2],
    tokens: usize,
    is_biased: bool,
) {
    let output = harness.matrix(dtype, rows, cols);
    let biases = harness.biases(is_biased, rows);
    for wanted in [Rows::Last, Rows::All] {
        let x = harness.begin(tokens, cols, 0);
        let logits = harness.logits(&output.weight, is_biased, wanted).await;
        let x = if wanted == Rows::All {
            &x[..]
        } else {
            &x[(tokens - 1) * cols..]
        };
        for (i, (expected, bound)) in harness
            .product(&output, &normed(x, cols, &harness.norm.1))
            .into_iter()
            .enumerate()
        {
            let expected = expected + biases[i % rows];
            near(
                logits[i],
                expected,
                bound + 2.0 * EPS * expected.abs(),
                &|| format!("{} {rows} x {cols}, {tokens} tokens, {i}", dtype.name()),
            );
        }
    }
}
