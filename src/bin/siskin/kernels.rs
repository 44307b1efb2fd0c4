//! `siskin bench --kernels`: how fast matrix products are in each format, beside how fast this machine reads memory.

use siskin::{
    Result,
    backend::{Backend, Rows, Widths, cpu::Cpu},
    quant::DType,
    tensor::Weight,
};
use std::{hint::black_box, time::Instant};

/// A matrix of 67 M weights: 38 MB with 4 bits, more than caches hold.
const ROWS: usize = 16384;
const COLS: usize = 4096;
/// Rows that are filled at a time.
const FILL_ROWS: usize = 64;
/// Matrix x vector as in decode, the tile of a few tokens, and prefill.
const TOKENS: [usize; 3] = [1, 4, 64];
const MIN_SECONDS: f64 = 0.5;
const READ_BYTES: usize = 512 << 20;

/// Prints a row a format: G multiply-adds/s for each of [`TOKENS`], and what of the weights matrix x vector reads in a second.
pub fn kernels() -> Result<()> {
    let mut cpu = Cpu::default();
    println!(
        "one matrix of {ROWS} x {COLS}, {} thread(s); plain reads of {} MiB: {:.1} GB/s on one thread",
        cpu.pool.threads(),
        READ_BYTES >> 20,
        read_gigabytes_per_second()
    );
    println!("| format | {} | GB/s read x 1 |", TOKENS.map(|tokens| format!("G multiply-adds/s x {tokens}")).join(" | "));
    println!("|---|{}--:|", "--:|".repeat(TOKENS.len()));
    for &dtype in DType::ALL {
        let weight = filled(&mut cpu, dtype, ROWS, COLS)?;
        let mut cells = Vec::new();
        for tokens in TOKENS {
            let seconds = product_seconds(&mut cpu, &weight, tokens)?;
            cells.push(format!("{:.1}", (tokens * ROWS * COLS) as f64 / seconds / 1e9));
            if tokens == 1 {
                cells.push(format!("{:.1}", weight.buf.size_bytes() as f64 / seconds / 1e9));
            }
        }
        let bandwidth = cells.remove(1);
        println!("| {} | {} | {bandwidth} |", dtype.name(), cells.join(" | "));
    }
    Ok(())
}

/// A matrix of bytes that are no weights of anybody's but make finite scales: below 0x40 no half or float is infinite.
fn filled(cpu: &mut Cpu, dtype: DType, rows: usize, cols: usize) -> Result<Weight<<Cpu as Backend>::Buf>> {
    let mut weight = cpu.alloc(dtype, rows, cols)?;
    let mut state = 1_u32;
    let bytes: Vec<u8> = (0..FILL_ROWS.min(rows) * cols / dtype.block_len() * dtype.block_bytes())
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 & 0x3f
        })
        .collect();
    for first in (0..rows).step_by(FILL_ROWS) {
        cpu.write(&mut weight, first, &bytes);
    }
    Ok(weight)
}

/// The best time of a product with `tokens` activations, quantizing them included. It goes the way of the output head, the one step
/// that is a norm and a product.
fn product_seconds(cpu: &mut Cpu, output: &Weight<<Cpu as Backend>::Buf>, tokens: usize) -> Result<f64> {
    const EPS: f32 = 1e-6;
    let widths = Widths { embedding: COLS, heads: 1, kv_heads: 1, head: 64, feed_forward: 64, vocab: ROWS, blocks: 1 };
    let (table, norm) = (filled(cpu, DType::F32, tokens.max(2), COLS)?, filled(cpu, DType::F32, 1, COLS)?);
    let ids: Vec<u32> = (0..tokens as u32).collect();
    let mut step = cpu.step(&widths, tokens)?;
    let (mut best, start) = (f64::INFINITY, Instant::now());
    while start.elapsed().as_secs_f64() < MIN_SECONDS {
        cpu.embed(&mut step, &table, &ids, 0);
        let start = Instant::now();
        cpu.head(&mut step, &norm, output, EPS, Rows::All);
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// Sums a buffer larger than the caches; the best of several rounds.
fn read_gigabytes_per_second() -> f64 {
    let words: Vec<u64> = (0..(READ_BYTES / 8) as u64).collect();
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(black_box(&words).iter().fold(0_u64, |sum, word| sum.wrapping_add(*word)));
        best = best.min(start.elapsed().as_secs_f64());
    }
    READ_BYTES as f64 / best / 1e9
}
