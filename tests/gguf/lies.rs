//! Everything that a file can lie about.

use super::*;
use proptest::prelude::*;

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
            .tensor("blk.0.attn_q.weight", &[256], 99, 0)
            .0,
    )
    .unwrap_err();
    assert_eq!(error.code, Code::TensorType);
    assert!(
        error.message.contains("blk.0.attn_q.weight") && error.message.contains("99"),
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
