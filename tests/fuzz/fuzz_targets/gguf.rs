//! Any bytes are a GGUF file or an error, the same in chunks as whole, and what is read keeps its promises.
//!
//!     cargo +nightly fuzz run --fuzz-dir tests/fuzz gguf tests/fuzz/corpus/gguf tests/fuzz/seeds -- -max_total_time=600
//!
//! The first byte of the input is the chunks' size in bytes, the rest is the file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use siskin::Result;
use siskin::format::gguf::{Gguf, GgufReader};

fuzz_target!(|input: &[u8]| {
    let Some((&chunk_bytes, file)) = input.split_first() else { return };
    let whole = read(file, file.len().max(1));
    let chunked = read(file, usize::from(chunk_bytes).max(1));
    // By their text, for a float may be NaN, which does not equal itself.
    assert_eq!(format!("{whole:?}"), format!("{chunked:?}"));
    if let Ok((gguf, consumed_bytes)) = whole {
        check(&gguf, consumed_bytes);
    }
});

fn read(file: &[u8], chunk_bytes: usize) -> Result<(Gguf, u64)> {
    let mut reader = GgufReader::new();
    for chunk in file.chunks(chunk_bytes) {
        if let Some(gguf) = reader.push(chunk)? {
            reader.finish()?;
            return Ok((gguf, reader.consumed_bytes()));
        }
    }
    Err(reader.finish().expect_err("no header came"))
}

fn check(gguf: &Gguf, consumed_bytes: u64) {
    assert_eq!(gguf.data_offset, consumed_bytes.next_multiple_of(gguf.alignment));
    let mut end = gguf.data_offset;
    for tensor in &gguf.tensors {
        assert!(tensor.offset >= end, "overlaps the one before");
        assert_eq!((tensor.offset - gguf.data_offset) % gguf.alignment, 0);
        assert_eq!(tensor.dtype.size_bytes(tensor.elements()), Some(tensor.size_bytes));
        assert_eq!(tensor.cols().checked_mul(tensor.rows()), Some(tensor.elements()));
        end = tensor.end();
    }
    assert_eq!(gguf.size_bytes, if gguf.tensors.is_empty() { consumed_bytes } else { end });
}
