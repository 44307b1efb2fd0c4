//! `siskin bench --kernels`: measures the matrix products in each format, and the speed of memory.

use crate::product::{COLS, Product, ROWS, TOKENS, sum};
use siskin::{Result, backend::cpu::Cpu, quant::DType};
use std::{hint::black_box, time::Instant};

/// Sets for how long at least a measurement is repeated; its best run counts.
const MIN_SECONDS: f64 = 0.5;
/// Sets how many bytes are read to measure the speed of memory: more than caches hold.
const READ_BYTES: usize = 256 << 20;

/// Prints a row for each format: billions of multiply-adds a second for each of [`TOKENS`], and the
/// gigabytes of weights that a product of matrix and vector reads a second.
pub fn kernels() -> Result<()> {
    let words: Vec<u64> = (0..(READ_BYTES / 8) as u64).collect();
    let read_seconds = best_seconds(|| {
        black_box(sum(black_box(&words)));
    });
    let threads = Cpu::default().pool.threads();
    println!(
        "native, {threads} thread(s), a matrix of {ROWS} x {COLS}; plain reads on one thread: \
         {:.1} GB/s",
        READ_BYTES as f64 / read_seconds / 1e9
    );
    println!(
        "| G multiply-adds/s |{} weights read x 1 |",
        TOKENS.map(|tokens| format!(" x {tokens} |")).concat()
    );
    println!("|---|{}--:|", "--:|".repeat(TOKENS.len()));
    for &dtype in DType::ALL {
        let mut product = Product::new(dtype)?;
        let seconds = TOKENS.map(|tokens| best_seconds(|| product.run(tokens)));
        let rates: Vec<String> = TOKENS
            .iter()
            .zip(seconds)
            .map(|(&tokens, seconds)| {
                format!(" {:.1} |", (tokens * ROWS * COLS) as f64 / seconds / 1e9)
            })
            .collect();
        println!(
            "| {} |{} {:.1} GB/s |",
            dtype.name(),
            rates.concat(),
            product.size_bytes() as f64 / seconds[0] / 1e9
        );
    }
    Ok(())
}

/// Returns the time of the fastest run.
fn best_seconds(mut run: impl FnMut()) -> f64 {
    let (mut best, begin) = (f64::INFINITY, Instant::now());
    while begin.elapsed().as_secs_f64() < MIN_SECONDS {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}
