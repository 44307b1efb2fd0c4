//! These tests hold the GGUF parser and writer: round trips, chunks of any size, and everything
//! that a file can lie about.

mod lies;
mod reading;

use siskin::format::gguf::{Gguf, GgufReader};
use siskin::format::metadata::{Metadata, StringArray};
use siskin::format::write::GgufWriter;
use siskin::quant::DType;
use siskin::{Code, Result};

/// Reads a file in chunks of `chunk_bytes`; returns the header and the number of bytes that were
/// consumed when it was complete.
fn read_chunked(file: &[u8], chunk_bytes: usize) -> Result<(Gguf, u64)> {
    let mut reader = GgufReader::new();
    let mut found = None;
    for chunk in file.chunks(chunk_bytes) {
        if let Some(gguf) = reader.push(chunk)? {
            assert!(found.is_none(), "the header came twice");
            found = Some((gguf, reader.consumed_bytes()));
        }
    }
    reader.finish()?;
    Ok(found.expect("a reader that finishes has given its header"))
}

fn read(file: &[u8]) -> Result<Gguf> {
    read_chunked(file, usize::MAX).map(|(gguf, _)| gguf)
}

fn code(file: &[u8]) -> Option<Code> {
    read(file).err().map(|error| error.code)
}

/// Makes a writer of a file with a value of every type and two tensors.
fn small_writer() -> GgufWriter<'static> {
    let mut metadata = Metadata::new();
    metadata.insert("general.architecture", "llama");
    metadata.insert("a.u8", 200_u8);
    metadata.insert("a.i8", -100_i8);
    metadata.insert("a.u16", 60_000_u16);
    metadata.insert("a.i16", -30_000_i16);
    metadata.insert("a.u32", 4_000_000_000_u32);
    metadata.insert("a.i32", -2_000_000_000_i32);
    metadata.insert("a.u64", u64::MAX);
    metadata.insert("a.i64", i64::MIN);
    metadata.insert("a.f32", 1.5_f32);
    metadata.insert("a.f64", -2.5_f64);
    metadata.insert("a.bool", true);
    metadata.insert("l.u8", vec![1_u8, 2]);
    metadata.insert("l.i8", vec![-1_i8]);
    metadata.insert("l.u16", vec![500_u16]);
    metadata.insert("l.i16", vec![-500_i16]);
    metadata.insert("l.u32", vec![70_000_u32]);
    metadata.insert("l.i32", vec![-70_000_i32, 3]);
    metadata.insert("l.u64", Vec::<u64>::new());
    metadata.insert("l.i64", vec![i64::MAX]);
    metadata.insert("l.f32", vec![0.25_f32, -0.5]);
    metadata.insert("l.f64", vec![0.125_f64]);
    metadata.insert("l.bool", vec![true, false]);
    metadata.insert(
        "l.string",
        ["", "é", "token", ""].iter().collect::<StringArray>(),
    );
    let mut writer = GgufWriter::new(metadata).unwrap();
    writer
        .tensor("output_norm.weight", DType::F32, &[3], vec![7; 12])
        .unwrap();
    writer
        .tensor(
            "token_embd.weight",
            DType::Q8_0,
            &[64, 3],
            vec![9; 3 * 2 * 34],
        )
        .unwrap();
    writer
}

fn small_file() -> Vec<u8> {
    small_writer().to_bytes()
}

/// Holds a header written by hand, so that it may be wrong.
#[derive(Clone)]
struct Raw(Vec<u8>);

impl Raw {
    fn new(tensors: u64, keys: u64) -> Self {
        Raw(b"GGUF".to_vec()).u32(3).u64(tensors).u64(keys)
    }
    fn u32(mut self, n: u32) -> Self {
        self.0.extend(n.to_le_bytes());
        self
    }
    fn u64(mut self, n: u64) -> Self {
        self.0.extend(n.to_le_bytes());
        self
    }
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
    fn string(self, text: &str) -> Self {
        self.u64(text.len() as u64).bytes(text.as_bytes())
    }
    fn tensor(self, name: &str, dims: &[u64], ggml_type: u32, offset: u64) -> Self {
        let head = self.string(name).u32(dims.len() as u32);
        dims.iter()
            .fold(head, |raw, &dim| raw.u64(dim))
            .u32(ggml_type)
            .u64(offset)
    }
    fn code(&self) -> Option<Code> {
        code(&self.0)
    }
}
