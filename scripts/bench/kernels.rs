//! Exports the products of `siskin bench --kernels`, and what it takes to sample a token, for
//! JavaScript to time. kernels.mjs runs this wasm in Chromium; it is no part of the package.

#[path = "../../src/bin/siskin/product.rs"]
mod product;

use product::{COLS, Product, ROWS, TOKENS, sum};
use siskin::{
    generate::sampler::{Sampler, SamplingOptions},
    quant::DType,
};
use std::{cell::RefCell, hint::black_box};

/// Sets how many bytes are read to measure the speed of memory: more than caches hold.
const READ_BYTES: usize = 256 << 20;
/// Sets how many logits are sampled from: as many as Qwen2.5 has tokens.
const VOCAB: usize = 151_936;

thread_local! {
    static PRODUCT: RefCell<Option<Product>> = const { RefCell::new(None) };
    static WORDS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static SAMPLING: RefCell<Option<(Sampler, [Vec<f32>; 2])>> = const { RefCell::new(None) };
}

/// Makes the matrix in format `index` of [`DType::ALL`], and frees the one before it. Returns the
/// bytes that it takes, or 0 where it cannot be made.
#[unsafe(no_mangle)]
pub extern "C" fn prepare(index: usize) -> usize {
    PRODUCT.with_borrow_mut(|product| {
        *product = None;
        *product = DType::ALL
            .get(index)
            .and_then(|&dtype| Product::new(dtype).ok());
        product.as_ref().map_or(0, Product::size_bytes)
    })
}

/// Computes the product with this number of tokens.
#[unsafe(no_mangle)]
pub extern "C" fn run(tokens: usize) {
    PRODUCT.with_borrow_mut(|product| product.iter_mut().for_each(|product| product.run(tokens)));
}

/// Returns the number of tokens at `index` of those that are timed, or 0 after the last.
#[unsafe(no_mangle)]
pub extern "C" fn tokens(index: usize) -> usize {
    TOKENS.get(index).copied().unwrap_or(0)
}

/// Returns the number of multiply-adds for one token.
#[unsafe(no_mangle)]
pub extern "C" fn multiply_adds() -> usize {
    ROWS * COLS
}

/// Reads bytes and returns their number. The first call allocates them.
#[unsafe(no_mangle)]
pub extern "C" fn read() -> usize {
    WORDS.with_borrow_mut(|words| {
        words.resize(READ_BYTES / 8, 1);
        black_box(sum(black_box(words)));
    });
    READ_BYTES
}

/// Frees the bytes that `read` allocated.
#[unsafe(no_mangle)]
pub extern "C" fn forget() {
    WORDS.with_borrow_mut(|words| *words = Vec::new());
}

/// Makes a sampler at temperature 0.8, without log-probabilities where `top_logprobs` is below 0,
/// and [`VOCAB`] logits. They are evenly spread over `spread`; `sure` of them lie above the others.
#[unsafe(no_mangle)]
pub extern "C" fn prepare_sampling(
    top_k: u32,
    top_p: f32,
    min_p: f32,
    top_logprobs: i32,
    spread: f32,
    sure: usize,
) {
    let options = SamplingOptions {
        top_k,
        top_p,
        min_p,
        top_logprobs: u32::try_from(top_logprobs).ok(),
        temperature: 0.8,
        seed: Some(1),
        ..SamplingOptions::default()
    };
    let mut state = 1_u32;
    let mut logits: Vec<f32> = (0..VOCAB)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            spread * (state >> 8) as f32 / (1 << 24) as f32
        })
        .collect();
    for i in 0..sure {
        logits[(i + 1) * 9_999 % VOCAB] = spread + 8.0 + i as f32 / 10.0;
    }
    SAMPLING.set(
        Sampler::new(options, VOCAB)
            .ok()
            .map(|sampler| (sampler, [logits.clone(), logits])),
    );
}

/// Samples a token, after a copy of the logits, which sampling overwrites.
#[unsafe(no_mangle)]
pub extern "C" fn sample() -> u32 {
    SAMPLING.with_borrow_mut(|sampling| {
        let Some((sampler, [logits, scratch])) = sampling else {
            return 0;
        };
        scratch.copy_from_slice(logits);
        sampler.sample(scratch).unwrap_or(0)
    })
}
