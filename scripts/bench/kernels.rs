//! The products of `siskin bench --kernels` for JavaScript to time. Not part of the package: kernels.mjs runs it in Chromium.

#[path = "../../src/bin/siskin/product.rs"]
mod product;

use product::{COLS, Product, ROWS, TOKENS, sum};
use siskin::quant::DType;
use std::{cell::RefCell, hint::black_box};

const READ_BYTES: usize = 256 << 20;

thread_local! {
    static PRODUCT: RefCell<Option<Product>> = const { RefCell::new(None) };
    static WORDS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Makes the matrix of format `index` of [`DType::ALL`], freeing the one before it; what it takes in bytes, 0 where it cannot be made.
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

#[unsafe(no_mangle)]
pub extern "C" fn run(tokens: usize) {
    PRODUCT.with_borrow_mut(|product| product.iter_mut().for_each(|product| product.run(tokens)));
}

/// The `index`th number of tokens worth timing, 0 after the last.
#[unsafe(no_mangle)]
pub extern "C" fn tokens(index: usize) -> usize {
    TOKENS.get(index).copied().unwrap_or(0)
}

/// Multiply-adds for one token.
#[unsafe(no_mangle)]
pub extern "C" fn multiply_adds() -> usize {
    ROWS * COLS
}

/// Reads this many bytes. The first call makes them.
#[unsafe(no_mangle)]
pub extern "C" fn read() -> usize {
    WORDS.with_borrow_mut(|words| {
        words.resize(READ_BYTES / 8, 1);
        black_box(sum(black_box(words)));
    });
    READ_BYTES
}

/// Frees what `read` made.
#[unsafe(no_mangle)]
pub extern "C" fn forget() {
    WORDS.with_borrow_mut(|words| *words = Vec::new());
}
