//! What is written is read, in chunks of any size, and so is what another writer wrote.

use super::*;
use siskin::format::metadata::Value;

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
    let file = include_bytes!("../fixtures/small.gguf");
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
