//! Tests `siskin convert`, run as a person runs it.

use siskin::{
    backend::cpu::Cpu,
    format::{
        gguf::{Gguf, GgufReader, TensorInfo},
        metadata::{Metadata, Value},
        write::GgufWriter,
    },
    loader::{Loader, Options},
    quant::DType,
};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

const TINY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/models/qwen2-tiny.gguf"
);

/// Makes a folder for one test alone.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("convert")
        .join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn convert(from: &Path, to: &Path, dtype: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_siskin"))
        .arg("convert")
        .args([from, to])
        .args(["--type", dtype])
        .output()
        .unwrap()
}

fn convert_well(from: &Path, to: &Path, dtype: &str) -> (Gguf, Vec<u8>) {
    let output = convert(from, to, dtype);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    read(to)
}

/// Runs the command, which must fail, and returns what it says.
fn complaint(from: &Path, to: &Path, dtype: &str) -> String {
    let output = convert(from, to, dtype);
    assert!(!output.status.success(), "it should have failed");
    String::from_utf8(output.stderr).unwrap()
}

fn read(path: &Path) -> (Gguf, Vec<u8>) {
    let file = std::fs::read(path).unwrap();
    let gguf = GgufReader::new()
        .push(&file)
        .unwrap()
        .expect("a whole header");
    (gguf, file)
}

fn bytes<'a>(file: &'a [u8], tensor: &TensorInfo) -> &'a [u8] {
    &file[tensor.offset as usize..][..tensor.size_bytes as usize]
}

fn values(file: &[u8], tensor: &TensorInfo) -> Vec<f32> {
    let mut values = vec![0.0; tensor.elements() as usize];
    tensor.dtype.dequantize(bytes(file, tensor), &mut values);
    values
}

fn quantized(dtype: DType, values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    dtype.quantize(values, &mut bytes).unwrap();
    bytes
}

/// Writes a file with these tensors, whose values rise.
fn write(path: &Path, tensors: &[(&str, DType, &[u64])]) {
    let mut metadata = Metadata::new();
    metadata.insert("general.architecture", "llama");
    metadata.insert("general.file_type", 7_u32);
    let mut writer = GgufWriter::new(metadata).unwrap();
    for (name, dtype, dims) in tensors {
        let values: Vec<f32> = (0..dims.iter().product())
            .map(|i| (i as f32 * 0.37).sin())
            .collect();
        writer
            .tensor(*name, *dtype, dims, quantized(*dtype, &values))
            .unwrap();
    }
    std::fs::write(path, writer.to_bytes()).unwrap();
}

#[test]
fn matrices_change_and_all_else_stays() {
    let to = folder("tiny").join("q4_0.gguf");
    let ((before, before_file), (after, after_file)) = (
        read(Path::new(TINY)),
        convert_well(Path::new(TINY), &to, "q4_0"),
    );
    let mut metadata = before.metadata.clone();
    metadata.insert("general.file_type", 2_u32);
    assert_eq!(after.metadata, metadata);
    assert_eq!(after.tensors.len(), before.tensors.len());
    let mut changed = 0;
    for (was, is) in before.tensors.iter().zip(&after.tensors) {
        assert_eq!((&is.name, &is.dims), (&was.name, &was.dims));
        if was.dims.len() > 1 && was.dtype != DType::Q8_0 {
            assert_eq!(is.dtype, DType::Q4_0, "{}", is.name);
            assert_eq!(
                bytes(&after_file, is),
                quantized(DType::Q4_0, &values(&before_file, was)),
                "{}",
                is.name
            );
            changed += 1;
        } else if was.dims.len() == 1 {
            assert_eq!(
                (is.dtype, bytes(&after_file, is)),
                (was.dtype, bytes(&before_file, was)),
                "{}",
                is.name
            );
        }
    }
    assert!(changed > 5, "{changed} matrices were converted");
    let mut loader = Loader::new(
        Cpu::default(),
        Options {
            context_tokens: Some(32),
            ..Options::default()
        },
    );
    loader.push(&after_file).unwrap();
    loader.finish().unwrap();
}

#[test]
fn every_target_has_its_number() {
    for (name, dtype, number) in [
        ("F32", DType::F32, 0_u32),
        ("f16", DType::F16, 1),
        ("Q4_1", DType::Q4_1, 3),
        ("q5_0", DType::Q5_0, 8),
        ("q8_0", DType::Q8_0, 7),
    ] {
        let (gguf, _) = convert_well(Path::new(TINY), &folder("targets").join(name), name);
        assert_eq!(
            gguf.metadata.get("general.file_type"),
            Some(&Value::U32(number))
        );
        assert!(
            gguf.tensors
                .iter()
                .filter(|tensor| tensor.name.starts_with("blk.0.ffn_") && tensor.dims.len() > 1)
                .all(|tensor| tensor.dtype == dtype)
        );
    }
}

#[test]
fn output_and_token_table_keep_eight_bits() {
    let (from, to) = (
        folder("keep").join("in.gguf"),
        folder("keep").join("out.gguf"),
    );
    write(
        &from,
        &[
            ("token_embd.weight", DType::Q8_0, &[64, 8]),
            ("output.weight", DType::Q8_0, &[64, 8]),
            ("blk.0.attn_q.weight", DType::Q8_0, &[64, 8]),
            ("blk.0.odd.weight", DType::F16, &[33, 2]),
            ("output_norm.weight", DType::F32, &[64]),
        ],
    );
    let (gguf, file) = convert_well(&from, &to, "Q4_0");
    let (before, before_file) = read(&from);
    let types: Vec<DType> = gguf.tensors.iter().map(|tensor| tensor.dtype).collect();
    assert_eq!(
        types,
        [
            DType::Q8_0,
            DType::Q8_0,
            DType::Q4_0,
            DType::F16,
            DType::F32
        ]
    );
    for i in [0, 1, 3, 4] {
        assert_eq!(
            bytes(&file, &gguf.tensors[i]),
            bytes(&before_file, &before.tensors[i])
        );
    }
}

#[test]
fn more_than_one_chunk_of_weights() {
    let (from, to) = (
        folder("large").join("in.gguf"),
        folder("large").join("out.gguf"),
    );
    write(
        &from,
        &[("blk.0.ffn_up.weight", DType::Q5_1, &[96, 12_000])],
    );
    let ((before, before_file), (after, after_file)) =
        (read(&from), convert_well(&from, &to, "q4_0"));
    assert_eq!(
        bytes(&after_file, &after.tensors[0]),
        quantized(DType::Q4_0, &values(&before_file, &before.tensors[0]))
    );
}

#[test]
fn refusals_say_what_to_do() {
    let folder = folder("refused");
    let (from, to) = (folder.join("in.gguf"), folder.join("out.gguf"));
    assert!(complaint(Path::new(TINY), &to, "q4_k").contains("--type takes F32, F16, BF16, Q4_0"));
    assert!(complaint(&folder.join("absent.gguf"), &to, "q4_0").contains("(io)"));
    assert!(
        complaint(Path::new(TINY), &folder.join("no/such/folder.gguf"), "q4_0").contains("(io)")
    );

    let whole = std::fs::read(TINY).unwrap();
    std::fs::write(&from, &whole[..whole.len() - 100]).unwrap();
    assert!(complaint(&from, &to, "q4_0").contains("(gguf_truncated)"));
    std::fs::write(&from, &whole[..100]).unwrap();
    assert!(complaint(&from, &to, "q4_0").contains("(gguf_truncated)"));

    write(&from, &[("blk.0.attn_q.weight", DType::F16, &[32, 2])]);
    let mut broken = std::fs::read(&from).unwrap();
    let at = read(&from).0.tensors[0].offset as usize;
    broken[at..at + 2].copy_from_slice(&0x7e00_u16.to_le_bytes());
    std::fs::write(&from, broken).unwrap();
    assert!(complaint(&from, &to, "q4_0").contains("(tensor_not_finite)"));
    assert!(!to.exists(), "a failure leaves no file");
}

/// In another type there would be no place for the factor, and the weights would be others.
#[test]
fn a_factor_beside_a_tensor_is_refused() {
    let folder = folder("factor");
    let (from, to) = (folder.join("nvfp4.gguf"), folder.join("out.gguf"));
    let bytes = 2 * 64 / DType::NVFP4.block_len() * DType::NVFP4.block_bytes();
    for with_factor in [false, true] {
        let mut writer = GgufWriter::new(Metadata::new()).unwrap();
        let (name, data) = ("blk.0.attn_q.weight", vec![0; bytes]);
        writer.tensor(name, DType::NVFP4, &[64, 2], data).unwrap();
        if with_factor {
            let data = 2_f32.to_le_bytes().to_vec();
            let name = "blk.0.attn_q.scale";
            writer.tensor(name, DType::F32, &[1], data).unwrap();
        }
        std::fs::write(&from, writer.to_bytes()).unwrap();
        if with_factor {
            let said = complaint(&from, &to, "F16");
            assert!(said.contains("factor beside it"), "{said}");
        } else {
            convert_well(&from, &to, "F16");
        }
    }
}
