//! The likeliest token of each row, as the device finds it, against a loop over the logits that it
//! read.

use super::harness::{DIMS, Harness, NORM_EPS};
use siskin::{
    Code, Result,
    backend::{Backend, Dims, LmHead, LogitScale, Rows, gpu::device::GpuOptions},
    quant::DType,
    tensor::Weight,
};

const COLS: usize = 64;
const VOCABS: &[usize] = &[2, 63, 64, 257, 5_000];

/// Returns the likeliest token after each row of activations.
async fn likeliest(
    harness: &mut Harness,
    output: &Weight<siskin::backend::gpu::weights::Buf>,
    x: &[f32],
) -> Result<Vec<u32>> {
    harness.begin_with(x, COLS, 0);
    let head = LmHead {
        norm: &harness.norm.0,
        output,
        bias: None,
        eps: NORM_EPS,
        scale: LogitScale::NONE,
    };
    harness.gpu.lm_head(&mut harness.step, &head, Rows::All);
    harness.gpu.read_argmax(&mut harness.step).await
}

/// Returns the first of the largest logits of each row.
fn expected(logits: &[f32], vocab: usize) -> Vec<u32> {
    let first_largest = |row: &[f32]| {
        let mut best = 0;
        for (token, &logit) in row.iter().enumerate() {
            if logit > row[best] {
                best = token;
            }
        }
        best as u32
    };
    logits.chunks_exact(vocab).map(first_largest).collect()
}

pub async fn the_likeliest_of_each_row(options: GpuOptions) {
    for &vocab in VOCABS {
        let Some(mut harness) = Harness::new(options, &Dims { vocab, ..DIMS }).await else {
            return;
        };
        let random = harness.matrix(DType::F32, vocab, COLS);
        // Of equal rows the first counts: here every row but the first is there twice.
        let values = random.values.chunks_exact(COLS);
        let doubled: Vec<f32> = values
            .clone()
            .take(vocab.div_ceil(2))
            .chain(values.skip(1))
            .take(vocab)
            .flatten()
            .copied()
            .collect();
        let mut twice = harness.gpu.alloc(DType::F32, vocab, COLS).expect("memory");
        harness
            .gpu
            .write(&mut twice, 0, bytemuck::cast_slice(&doubled));
        for output in [&random.weight, &twice] {
            for tokens in [1, 2, 4, 5, 8, 9, 33] {
                let x = harness.begin(tokens, COLS, 0);
                let logits = harness.logits(output, false, Rows::All).await;
                let found = likeliest(&mut harness, output, &x).await;
                assert_eq!(
                    found.expect("numbers"),
                    expected(&logits, vocab),
                    "{vocab} tokens, {tokens} rows"
                );
            }
        }
    }
}

pub async fn rows_without_numbers_are_noticed(options: GpuOptions) {
    let vocab = 257;
    let Some(mut harness) = Harness::new(options, &Dims { vocab, ..DIMS }).await else {
        return;
    };
    let output = harness.matrix(DType::F32, vocab, COLS);
    for (tokens, bad) in [(1, 0), (8, 0), (8, 5), (8, 7), (12, 11)] {
        for value in [f32::NAN, f32::INFINITY] {
            let mut x = vec![0.5; tokens * COLS];
            assert!(likeliest(&mut harness, &output.weight, &x).await.is_ok());
            x[bad * COLS + 3] = value;
            let error = likeliest(&mut harness, &output.weight, &x)
                .await
                .expect_err("a row is no numbers");
            assert_eq!(
                error.code,
                Code::NotFinite,
                "{value} in row {bad} of {tokens}"
            );
        }
    }
}
