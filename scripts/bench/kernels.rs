//! Exports the products of `siskin bench --kernels` for JavaScript to time. kernels.mjs runs this
//! wasm in Chromium; it is no part of the package.

#[path = "../../src/bin/siskin/product.rs"]
mod product;

use product::{COLS, Product, ROWS, TOKENS, sum};
use siskin::quant::DType;
use std::{cell::RefCell, hint::black_box};

/// Sets how many bytes are read to measure the speed of memory: more than caches hold.
const READ_BYTES: usize = 256 << 20;

thread_local! {
    static PRODUCT: RefCell<Option<Product>> = const { RefCell::new(None) };
    static WORDS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
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
