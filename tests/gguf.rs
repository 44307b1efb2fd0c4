//! These tests hold the GGUF parser and writer: round trips, chunks of any size, and everything
//! that a file can lie about.

use proptest::prelude::*;
use siskin::format::gguf::{Gguf, GgufReader};
use siskin::format::metadata::{Metadata, StringArray, Value};
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

#[test]
fn what_is_written_is_read() {
    let file = small_file();
    let gguf = read(&file).unwrap();
    assert_eq!((gguf.version, gguf.alignment), (3, 32));
    assert_eq!(gguf.data_offset % 32, 0);
    let [norm, embed] = &gguf.tensors[..] else {
        panic!("two tensors")
    };
    assert_eq!(
        (norm.name.as_str(), norm.dtype, norm.cols(), norm.rows()),
        ("output_norm.weight", DType::F32, 3, 1)
    );
    assert_eq!(
        (embed.name.as_str(), embed.dtype, embed.cols(), embed.rows()),
        ("token_embd.weight", DType::Q8_0, 64, 3)
    );
    assert_eq!((norm.offset, norm.size_bytes), (gguf.data_offset, 12));
    assert_eq!(
        (embed.offset, embed.size_bytes, embed.elements()),
        (gguf.data_offset + 32, 204, 192)
    );
    assert_eq!(gguf.size_bytes, embed.end());
    assert_eq!(file[norm.offset as usize..norm.end() as usize], [7; 12]);
    assert_eq!(file[embed.offset as usize..embed.end() as usize], [9; 204]);
    assert_eq!(file.len() as u64, gguf.size_bytes.next_multiple_of(32));

    let mut writer = GgufWriter::new(gguf.metadata).unwrap();
    for tensor in &gguf.tensors {
        let data = &file[tensor.offset as usize..tensor.end() as usize];
        writer
            .tensor(&tensor.name, tensor.dtype, &tensor.dims, data)
            .unwrap();
    }
    assert_eq!(writer.to_bytes(), file);
    let mut written = Vec::new();
    writer.write_to(&mut written).unwrap();
    assert_eq!(written, file);
}

#[test]
fn metadata_reads_by_type() {
    let metadata = read(&small_file()).unwrap().metadata;
    assert_eq!(metadata.iter().len(), 24);
    assert_eq!(metadata.str("general.architecture").unwrap(), "llama");
    assert_eq!(metadata.u64("a.u8").unwrap(), 200);
    assert_eq!(metadata.u64("a.u64").unwrap(), u64::MAX);
    assert_eq!(metadata.f32("a.f32").unwrap(), 1.5);
    assert_eq!(metadata.f32("a.f64").unwrap(), -2.5);
    assert!(metadata.bool("a.bool").unwrap());
    assert_eq!(metadata.i32_array("l.i32").unwrap(), [-70_000, 3]);
    assert_eq!(metadata.f32_array("l.f32").unwrap(), [0.25, -0.5]);
    let strings = metadata.string_array("l.string").unwrap();
    assert_eq!(strings.iter().collect::<Vec<_>>(), ["", "é", "token", ""]);
    assert_eq!(
        (strings.len(), strings.get(1), strings.get(4)),
        (4, Some("é"), None)
    );
    assert_eq!(metadata.get("a.i8"), Some(&Value::I8(-100)));

    assert_eq!(metadata.opt_str("nothing").unwrap(), None);
    for error in [
        metadata.u64("nothing").unwrap_err(),
        metadata.u64("a.i8").unwrap_err(),
        metadata.u64("a.f32").unwrap_err(),
        metadata.opt_str("a.u8").unwrap_err(),
        metadata.opt_i32_array("l.u32").unwrap_err(),
    ] {
        assert_eq!(error.code, Code::Metadata);
    }
    let mut metadata = Metadata::new();
    metadata.insert("eps", f32::NAN);
    let error = metadata.f32("eps").unwrap_err();
    assert_eq!(error.code, Code::Metadata);
    assert!(
        error.message.contains("eps") && error.message.contains("NaN"),
        "{error}"
    );
}

#[test]
fn chunks_of_any_size_give_the_same() {
    let file = small_file();
    let whole = read_chunked(&file, usize::MAX).unwrap();
    for chunk_bytes in [1, 2, 7, 64, whole.1 as usize - 1, whole.1 as usize] {
        assert_eq!(read_chunked(&file, chunk_bytes).unwrap(), whole);
    }
    assert_eq!(whole.0.data_offset, whole.1.next_multiple_of(32));
}

#[test]
fn a_header_longer_than_a_piece_is_read() {
    let mut metadata = Metadata::new();
    let tokens: StringArray = (0..40_000).map(|i| format!("token{i}")).collect();
    metadata.insert("tokenizer.ggml.tokens", tokens.clone());
    metadata.insert("tokenizer.ggml.scores", vec![0.5_f32; 40_000]);
    let file = GgufWriter::new(metadata).unwrap().to_bytes();
    for chunk_bytes in [1, 70_001, usize::MAX] {
        let (gguf, consumed) = read_chunked(&file, chunk_bytes).unwrap();
        assert_eq!(
            gguf.metadata.string_array("tokenizer.ggml.tokens").unwrap(),
            &tokens
        );
        assert_eq!(
            (gguf.size_bytes, gguf.data_offset),
            (consumed, file.len() as u64)
        );
    }
}

/// The file was written by tests/fixtures/make_gguf.py with the `gguf` Python package: a witness
/// that is not Siskin's own writer.
#[test]
fn a_file_of_another_writer_is_read() {
    let file = include_bytes!("fixtures/small.gguf");
    let gguf = read(file).unwrap();
    let metadata = &gguf.metadata;
    assert_eq!((gguf.version, gguf.alignment), (3, 64));
    assert_eq!(metadata.str("general.architecture").unwrap(), "llama");
    let integers = [
        ("u8", 200),
        ("u16", 60_000),
        ("u32", 4_000_000_000),
        ("u64", u64::MAX),
        ("i8", 100),
        ("i16", 30_000),
        ("i64", 1 << 62),
    ];
    for (key, expected) in integers {
        assert_eq!(metadata.u64(key).unwrap(), expected, "{key}");
    }
    assert_eq!(metadata.get("i32"), Some(&Value::I32(-2_000_000_000)));
    assert_eq!(
        (metadata.f32("f32").unwrap(), metadata.f32("f64").unwrap()),
        (1.5, -2.5)
    );
    assert!(metadata.bool("bool").unwrap());
    assert_eq!(metadata.i32_array("l.i32").unwrap(), [-70_000, 3]);
    assert_eq!(metadata.f32_array("l.f32").unwrap(), [0.25, -0.5]);
    assert_eq!(metadata.get("l.bool"), Some(&vec![true, false].into()));
    assert_eq!(
        metadata
            .string_array("l.string")
            .unwrap()
            .iter()
            .collect::<Vec<_>>(),
        ["a", "é", "token"]
    );

    let shapes: Vec<_> = gguf
        .tensors
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor.dtype, &tensor.dims[..]))
        .collect();
    assert_eq!(
        shapes,
        [
            ("norm", DType::F32, &[3][..]),
            ("embed", DType::Q8_0, &[64, 3]),
            ("half", DType::F16, &[2, 3])
        ]
    );
    let values: Vec<Vec<f32>> = gguf
        .tensors
        .iter()
        .map(|tensor| {
            let mut values = vec![0.0; tensor.elements() as usize];
            tensor.dtype.dequantize(
                &file[tensor.offset as usize..tensor.end() as usize],
                &mut values,
            );
            values
        })
        .collect();
    assert_eq!(values[0], [1.0, -2.0, 3.5]);
    assert_eq!(
        values[1],
        (0..192)
            .map(|i| (i % 32 * 4) as f32 + if i % 32 == 31 { 3.0 } else { 0.0 })
            .collect::<Vec<_>>()
    );
    assert_eq!(values[2], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn version_2_is_read() {
    let mut file = small_file();
    file[4] = 2;
    assert_eq!(read(&file).unwrap().version, 2);
}

#[test]
fn every_truncation_is_noticed() {
    let file = small_file();
    let (_, header_bytes) = read_chunked(&file, usize::MAX).unwrap();
    for end in 0..header_bytes as usize {
        for chunk_bytes in [1, usize::MAX] {
            let error = read_chunked(&file[..end], chunk_bytes).unwrap_err();
            assert_eq!(error.code, Code::GgufTruncated, "cut at {end}: {error}");
        }
    }
    assert!(read(&file[..header_bytes as usize]).is_ok());
}

#[test]
fn errors_stay() {
    let mut reader = GgufReader::new();
    let error = reader.push(b"not a model").unwrap_err();
    assert_eq!(reader.push(&small_file()), Err(error.clone()));
    assert_eq!(reader.finish(), Err(error));
}

#[test]
fn other_files_are_told_apart() {
    assert_eq!(code(b"PK\x03\x04 a zip file"), Some(Code::NotGguf));
    assert_eq!(code(b"GGML"), Some(Code::NotGguf));
    assert_eq!(code(b"{\"error\": \"not found\"}"), Some(Code::NotGguf));
    assert_eq!(code(b"< 5"), Some(Code::NotGguf));
    assert_eq!(code(&[b' '; 5000]), Some(Code::NotGguf));
    for page in [
        "<!DOCTYPE html><html>",
        "<html lang=en>",
        "\u{feff}\r\n  <!doctype html>",
        "\n<?xml version='1.0'?><Error>",
    ] {
        for chunk_bytes in [1, 3, usize::MAX] {
            assert_eq!(
                read_chunked(page.as_bytes(), chunk_bytes).unwrap_err().code,
                Code::HtmlNotModel,
                "{page}"
            );
        }
    }
}

#[test]
fn other_versions_are_refused() {
    for (version, advice) in [
        (0, "old"),
        (1, "old"),
        (4, "update"),
        (3_u32.swap_bytes(), "big-endian"),
    ] {
        let error = read(&Raw(b"GGUF".to_vec()).u32(version).0).unwrap_err();
        assert_eq!(error.code, Code::GgufVersion);
        assert!(error.message.contains(advice), "{error}");
    }
}

#[test]
fn impossible_counts_and_lengths_are_refused() {
    let key = Raw::new(0, 1).string("k");
    let name = Raw::new(1, 0).string("t");
    for huge in [1 << 63, u64::MAX, u64::from(u32::MAX) + 1, 1 << 29] {
        let cases = [
            ("tensor count", Raw::new(huge, 0)),
            ("key count", Raw::new(0, huge)),
            ("key length", Raw::new(0, 1).u64(huge)),
            ("string length", key.clone().u32(8).u64(huge)),
            ("array of u8", key.clone().u32(9).u32(0).u64(huge)),
            ("array of bool", key.clone().u32(9).u32(7).u64(huge)),
            ("array of u16", key.clone().u32(9).u32(2).u64(huge)),
            ("array of f32", key.clone().u32(9).u32(6).u64(huge)),
            ("array of f64", key.clone().u32(9).u32(12).u64(huge)),
            ("array of strings", key.clone().u32(9).u32(8).u64(huge)),
            (
                "string in an array",
                key.clone().u32(9).u32(8).u64(2).string("a").u64(huge),
            ),
            ("name length", Raw::new(1, 0).u64(huge)),
            (
                "dimension",
                name.clone().u32(2).u64(huge).u64(1 << 40).u32(0).u64(0),
            ),
            (
                "misfit dimension",
                name.clone().u32(1).u64(huge - 1).u32(8).u64(0),
            ),
        ];
        for (field, raw) in cases {
            assert_eq!(raw.code(), Some(Code::GgufMalformed), "{field} of {huge}");
        }
    }
    assert_eq!(
        name.clone().u32(5).code(),
        Some(Code::GgufMalformed),
        "five dimensions"
    );
    assert_eq!(name.clone().u32(u32::MAX).code(), Some(Code::GgufMalformed));
    assert_eq!(Raw::new(100_001, 0).code(), Some(Code::GgufMalformed));
    // Each string is short enough, but together they pass the header's limit.
    let sixteen_mib = vec![b'a'; 16 << 20];
    let mut reader = GgufReader::new();
    reader.push(&key.u32(9).u32(8).u64(17).0).unwrap();
    let error = (0..17)
        .find_map(|_| {
            reader
                .push(&Raw(Vec::new()).u64(16 << 20).bytes(&sixteen_mib).0)
                .err()
        })
        .unwrap();
    assert_eq!(error.code, Code::GgufMalformed);
}

#[test]
fn tensors_beyond_u64_are_refused() {
    let aligned_end = u64::MAX - 31;
    assert_eq!(
        Raw::new(1, 0).tensor("t", &[8], 0, aligned_end).code(),
        Some(Code::GgufMalformed)
    );
    // The header is 57 bytes long, so the data begin at 64.
    assert_eq!(
        Raw::new(1, 0).tensor("t", &[8], 0, aligned_end - 64).code(),
        Some(Code::GgufMalformed)
    );
    assert_eq!(
        Raw::new(1, 0).tensor("t", &[8], 0, aligned_end - 96).code(),
        None
    );
    assert_eq!(
        Raw::new(1, 0).tensor("t", &[1 << 62], 0, 0).code(),
        Some(Code::GgufMalformed)
    );
    assert_eq!(
        Raw::new(1, 0).tensor("t", &[8], 0, 1 << 63).code(),
        None,
        "only truncated, which the data will tell"
    );
}

#[test]
fn shapes_must_be_whole_blocks() {
    let q4_k = DType::Q4K.to_ggml();
    assert_eq!(Raw::new(1, 0).tensor("t", &[256, 2], q4_k, 0).code(), None);
    assert_eq!(
        Raw::new(1, 0).tensor("t", &[128, 2], q4_k, 0).code(),
        Some(Code::GgufMalformed),
        "256 weights, but no whole row"
    );
    assert_eq!(
        Raw::new(1, 0).tensor("t", &[256, 0], q4_k, 0).code(),
        Some(Code::GgufMalformed)
    );
    let scalar = read(&Raw::new(1, 0).tensor("t", &[], 0, 0).0).unwrap();
    assert_eq!(
        (
            scalar.tensors[0].cols(),
            scalar.tensors[0].rows(),
            scalar.tensors[0].size_bytes
        ),
        (1, 1, 4)
    );
}

#[test]
fn tensors_must_not_overlap() {
    let two = |second| {
        Raw::new(2, 0)
            .tensor("a", &[16], 0, 0)
            .tensor("b", &[16], 0, second)
    };
    assert_eq!(two(64).code(), None);
    assert_eq!(two(32).code(), Some(Code::GgufTensorOverlap));
    assert_eq!(two(0).code(), Some(Code::GgufTensorOverlap));
    let swapped = Raw::new(2, 0)
        .tensor("b", &[16], 0, 64)
        .tensor("a", &[16], 0, 0);
    let names: Vec<_> = read(&swapped.0)
        .unwrap()
        .tensors
        .into_iter()
        .map(|tensor| tensor.name)
        .collect();
    assert_eq!(names, ["a", "b"], "sorted by offset");
}

#[test]
fn tensors_must_be_aligned() {
    assert_eq!(
        Raw::new(1, 0).tensor("t", &[8], 0, 16).code(),
        Some(Code::GgufTensorMisaligned)
    );
    let with_alignment = |alignment: u32| {
        Raw::new(1, 1)
            .string("general.alignment")
            .u32(4)
            .u32(alignment)
            .tensor("t", &[8], 0, 16)
    };
    assert_eq!(with_alignment(16).code(), None);
    assert_eq!(with_alignment(64).code(), Some(Code::GgufTensorMisaligned));
    for alignment in [0, 24, 1 << 21, u32::MAX] {
        assert_eq!(
            with_alignment(alignment).code(),
            Some(Code::GgufMalformed),
            "{alignment}"
        );
    }
    assert_eq!(
        Raw::new(0, 1)
            .string("general.alignment")
            .u32(8)
            .string("32")
            .code(),
        Some(Code::GgufMalformed)
    );
}

#[test]
fn unknown_types_are_named() {
    let error = read(
        &Raw::new(1, 0)
            .tensor("blk.0.attn_q.weight", &[256], 23, 0)
            .0,
    )
    .unwrap_err();
    assert_eq!(error.code, Code::TensorType);
    assert!(
        error.message.contains("blk.0.attn_q.weight") && error.message.contains("23"),
        "{error}"
    );
    assert_eq!(
        Raw::new(0, 1).string("k").u32(13).code(),
        Some(Code::GgufMalformed)
    );
    assert_eq!(
        Raw::new(0, 1).string("k").u32(9).u32(13).u64(0).code(),
        Some(Code::GgufMalformed)
    );
    assert_eq!(
        Raw::new(0, 1).string("k").u32(9).u32(9).u64(1).code(),
        Some(Code::GgufMalformed),
        "arrays of arrays"
    );
}

#[test]
fn names_are_unique_text() {
    let twice = Raw::new(0, 2)
        .string("k")
        .u32(0)
        .bytes(&[1])
        .string("k")
        .u32(0)
        .bytes(&[1]);
    assert_eq!(twice.code(), Some(Code::GgufMalformed));
    assert_eq!(
        Raw::new(2, 0)
            .tensor("a", &[8], 0, 0)
            .tensor("a", &[8], 0, 32)
            .code(),
        Some(Code::GgufMalformed)
    );
    assert_eq!(
        Raw::new(0, 1).u64(1).bytes(&[0xff]).code(),
        Some(Code::GgufMalformed)
    );
    assert_eq!(
        Raw::new(1, 0).u64(1).bytes(&[0xff]).code(),
        Some(Code::GgufMalformed)
    );
    let split_character = Raw::new(0, 1)
        .string("tokenizer.k")
        .u32(9)
        .u32(8)
        .u64(2)
        .u64(1)
        .bytes(&[0xc3])
        .u64(1)
        .bytes(&[0xa9]);
    assert_eq!(split_character.code(), Some(Code::GgufMalformed));
    let long = "\u{1b}[2J".repeat(1000);
    let message = read(&Raw::new(1, 0).tensor(&long, &[8], 99, 0).0)
        .unwrap_err()
        .message;
    assert!(
        message.len() < 400 && !message.contains('\u{1b}'),
        "{message}"
    );
}

#[test]
fn text_that_is_not_utf8_refuses_no_file() {
    // The description is in Latin-1, the tags too; the bool is true as in ggml, whatever its byte.
    let file = Raw::new(0, 3)
        .string("general.description")
        .u32(8)
        .u64(4)
        .bytes(b"caf\xe9")
        .string("general.tags")
        .u32(9)
        .u32(8)
        .u64(2)
        .u64(1)
        .bytes(&[0xe9])
        .string("tag")
        .string("b")
        .u32(7)
        .bytes(&[2]);
    let metadata = read(&file.0).expect("a header").metadata;
    assert_eq!(metadata.str("general.description"), Ok("caf\u{fffd}"));
    let tags = metadata.string_array("general.tags").expect("tags");
    assert_eq!(tags.iter().collect::<Vec<_>>(), ["\u{fffd}", "tag"]);
    assert_eq!(metadata.bool("b"), Ok(true));
}

#[test]
fn too_many_strings_are_refused_before_they_are_read() {
    let raw = Raw::new(0, 1)
        .string("tokenizer.ggml.tokens")
        .u32(9)
        .u32(8)
        .u64(31_000_000);
    let error = read(&raw.0).expect_err("too many");
    assert_eq!(error.code, Code::GgufMalformed);
    assert!(error.message.contains("31000000 strings"), "{error}");
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let mut writer = small_writer();
    let mut refused = |name: &str, dims: &[u64], bytes: usize| {
        writer
            .tensor(name, DType::Q8_0, dims, vec![0; bytes])
            .err()
            .map(|error| error.code)
    };
    assert_eq!(refused("t", &[32], 34), None);
    assert_eq!(
        refused("t", &[32], 34),
        Some(Code::InvalidArgument),
        "a name given before"
    );
    assert_eq!(refused("u", &[32], 33), Some(Code::InvalidArgument));
    assert_eq!(refused("u", &[16, 2], 34), Some(Code::InvalidArgument));
    assert_eq!(
        refused("u", &[32, 1, 1, 1, 1], 34),
        Some(Code::InvalidArgument)
    );
    let mut metadata = Metadata::new();
    metadata.insert("general.alignment", 3_u32);
    assert_eq!(
        GgufWriter::new(metadata).err().map(|error| error.code),
        Some(Code::GgufMalformed)
    );
}

/// Makes a change to a file: the bytes from a place on are replaced, and the rest may be cut off.
fn mutation() -> impl Strategy<Value = (prop::sample::Index, Vec<u8>, bool)> {
    let hard = prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xff]);
    (
        any::<prop::sample::Index>(),
        prop::collection::vec(prop_oneof![any::<u8>(), hard], 1..9),
        prop::bool::weighted(0.1),
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn mutated_files_never_panic_and_chunks_never_matter(
        mutations in prop::collection::vec(mutation(), 1..4),
        chunk_bytes in 1_usize..50,
    ) {
        let mut file = small_file();
        for (place, bytes, cut) in mutations {
            let start = place.index(file.len());
            let end = (start + bytes.len()).min(file.len());
            file[start..end].copy_from_slice(&bytes[..end - start]);
            if cut {
                file.truncate(end);
            }
        }
        // The texts are compared, for a mutated float may be NaN, which does not equal itself.
        let whole = format!("{:?}", read_chunked(&file, usize::MAX));
        prop_assert_eq!(&whole, &format!("{:?}", read_chunked(&file, chunk_bytes)));
        prop_assert_eq!(&whole, &format!("{:?}", read_chunked(&file, 1)));
    }
}
