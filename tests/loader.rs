//! Tests the loader: pieces of any size give the same model, and each defect of a file has its own
//! code and sentence.

mod support;

use siskin::{Code, loader::Options, quant::DType};
use support::{
    loading::{header, load, load_with, logits, refused},
    model_file::{ModelFile, TRAINED_CONTEXT, Tensor, VOCAB, WIDTH, dims_at, patch},
    random::Random,
    sentence::assert_sentence,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn pieces_of_any_size_give_the_same_model() {
    for dtype in [DType::Q8_0, DType::F16] {
        let file = ModelFile::small(dtype).to_bytes();
        let expected = logits(load(&file).expect("a model"));
        assert_eq!(expected.len(), VOCAB as usize);
        assert!(expected.iter().any(|x| x.abs() > 0.1));
        for chunk_bytes in [1, 7, 4096, file.len()] {
            let loaded = load_with(&file, chunk_bytes, Options::default()).expect("a model");
            assert_eq!(logits(loaded), expected, "in pieces of {chunk_bytes} bytes");
        }
    }
}

#[test]
fn order_unknowns_and_trailing_bytes_do_not_matter() {
    let file = ModelFile::small(DType::Q8_0);
    let expected = logits(load(&file.to_bytes()).expect("a model"));
    let mut other = ModelFile::small(DType::Q8_0);
    other.tensors.reverse();
    let mut random = Random::new(2);
    for at in [0, 5, 15] {
        other.tensors.insert(
            at,
            Tensor::random(
                &format!("unknown.{at}"),
                DType::Q4_0,
                &[32, 7, 2],
                &mut random,
            ),
        );
    }
    let mut bytes = other.to_bytes();
    bytes.extend([0xff; 5000]);
    assert_eq!(logits(load(&bytes).expect("a model")), expected);
    // An unknown tensor at the end of the file may be missing.
    let end = header(&bytes).tensors.last().expect("a tensor").offset;
    assert_eq!(
        logits(load(&bytes[..end as usize]).expect("a model")),
        expected
    );
}

#[test]
fn file_info_is_what_the_file_says() {
    let loaded = load(&ModelFile::small(DType::Q8_0).to_bytes()).expect("a model");
    assert_eq!(
        (
            loaded.file.name.as_str(),
            loaded.file.architecture.as_str(),
            loaded.file.file_type
        ),
        ("Small", "llama", "Q8_0")
    );
    assert_eq!(
        loaded.file.parameter_count,
        32 + 3 * WIDTH + WIDTH * (5 * WIDTH + 2 * 64 + 2 * VOCAB)
    );
    assert_eq!(loaded.model.context_tokens(), TRAINED_CONTEXT as usize);
    assert!(loaded.template.is_none());
}

#[test]
fn every_tensor_is_needed_in_its_shape() {
    let names: Vec<String> = ModelFile::small(DType::Q8_0)
        .tensors
        .into_iter()
        .map(|t| t.name)
        .collect();
    let optional = ["rope_freqs.weight", "output.weight"];
    for name in &names {
        let file = ModelFile::small(DType::Q8_0).without(name).to_bytes();
        if optional.contains(&name.as_str()) {
            assert!(
                logits(load(&file).expect(name))
                    .iter()
                    .all(|x| x.is_finite()),
                "{name}"
            );
        } else {
            refused(&file, Code::TensorMissing, name);
        }
        let mut file = ModelFile::small(DType::Q8_0);
        let tensor = file.tensor(name);
        tensor.dims[0] += 32;
        *tensor = Tensor::random(name, tensor.dtype, &tensor.dims, &mut Random::new(3));
        refused(&file.to_bytes(), Code::TensorShape, name);
    }
    let mut file = ModelFile::small(DType::Q8_0).without("output.weight");
    *file.tensor("token_embd.weight") = Tensor::random(
        "token_embd.weight",
        DType::Q8_0,
        &[WIDTH, VOCAB - 1],
        &mut Random::new(3),
    );
    refused(&file.to_bytes(), Code::Tokenizer, "258 tokens");
}

#[test]
fn numbers_that_are_not_finite_are_refused_in_every_format() {
    // These are the bytes at which a block of each format has its scale and minimum.
    let scales: [(DType, &[usize]); 13] = [
        (DType::F32, &[2]),
        (DType::F16, &[0]),
        (DType::BF16, &[0]),
        (DType::Q4_0, &[0]),
        (DType::Q4_1, &[0, 2]),
        (DType::Q5_0, &[0]),
        (DType::Q5_1, &[0, 2]),
        (DType::Q8_0, &[0]),
        (DType::Q2K, &[80, 82]),
        (DType::Q3K, &[108]),
        (DType::Q4K, &[0, 2]),
        (DType::Q5K, &[0, 2]),
        (DType::Q6K, &[208]),
    ];
    for (dtype, offsets) in scales {
        let name = "blk.0.ffn_down.weight";
        let bytes = dtype.size_bytes(WIDTH * WIDTH).expect("whole blocks") as usize;
        let mut file = ModelFile::small(DType::Q8_0);
        *file.tensor(name) = Tensor {
            name: name.to_owned(),
            dtype,
            dims: vec![WIDTH; 2],
            data: vec![0; bytes],
        };
        assert!(
            load(&file.to_bytes()).is_ok(),
            "{}: zeros are weights",
            dtype.name()
        );
        for offset in offsets {
            let [nan, infinity]: [u16; 2] = if matches!(dtype, DType::F32 | DType::BF16) {
                [0x7fc0, 0xff80]
            } else {
                [0x7e00, 0xfc00]
            };
            for bits in [nan, infinity] {
                // The defect is in a block in the middle, then in the last one.
                for block in [
                    bytes / dtype.block_bytes() / 2,
                    bytes / dtype.block_bytes() - 1,
                ] {
                    let mut broken = file.tensor(name).clone();
                    patch(
                        &mut broken.data,
                        block * dtype.block_bytes() + offset,
                        &bits.to_le_bytes(),
                    );
                    let mut file = ModelFile::small(DType::Q8_0);
                    *file.tensor(name) = broken;
                    refused(&file.to_bytes(), Code::TensorNotFinite, name);
                }
            }
        }
    }
    let mut file = ModelFile::small(DType::Q8_0);
    patch(
        &mut file.tensor("blk.0.attn_norm.weight").data,
        1020,
        &f32::NAN.to_le_bytes(),
    );
    refused(&file.to_bytes(), Code::TensorNotFinite, "attn_norm");
}

#[test]
fn a_file_that_ends_early_is_noticed_wherever_it_ends() {
    let file = ModelFile::small(DType::Q8_0).to_bytes();
    let gguf = header(&file);
    let mut ends: Vec<u64> = (0..gguf.data_offset).step_by(61).collect();
    for tensor in &gguf.tensors {
        ends.extend([
            tensor.offset - 1,
            tensor.offset,
            tensor.offset + 1,
            tensor.offset + tensor.size_bytes / 2 + 1,
            tensor.end() - 1,
        ]);
    }
    assert!(
        load(&file[..gguf.size_bytes as usize]).is_ok(),
        "padding at the end may be cut off"
    );
    for end in ends {
        refused(
            &file[..end as usize],
            Code::GgufTruncated,
            &format!("{end}"),
        );
    }
}

#[test]
fn a_given_template_takes_the_place_of_the_files() {
    let small = || ModelFile::small(DType::Q8_0);
    let given = |file: ModelFile, source: &str| {
        let options = Options {
            chat_template: Some(source.to_owned()),
            ..Options::default()
        };
        load_with(&file.to_bytes(), 1000, options)
    };
    let named = small()
        .with("tokenizer.chat_template", "plain")
        .with("tokenizer.chat_template.tool_use", "with tools");
    let tools = serde_json::json!([{"type": "function", "function": {"name": "f"}}]);
    for file in [
        named,
        small(),
        small().with("tokenizer.chat_template", 3_u32),
    ] {
        let template = given(file, "{{ 1 + 1 }}").expect("a model").template;
        let template = template.expect("a template");
        for tools in [None, Some(&tools)] {
            let text = template.render(&serde_json::json!([]), tools, true, None);
            assert_eq!(text.as_deref(), Ok("2"));
        }
    }
    let error = given(small(), "{% if %}").err().expect("no template");
    assert_eq!(error.code, Code::Template);
    assert!(!error.message.contains("conversion"), "{error}");
    assert_sentence(&error);
}

#[test]
fn contexts_out_of_range_are_refused() {
    let file = ModelFile::small(DType::Q8_0).to_bytes();
    let context = |context_tokens| {
        load_with(
            &file,
            4096,
            Options {
                context_tokens: Some(context_tokens),
                ..Options::default()
            },
        )
    };
    for context_tokens in [0, TRAINED_CONTEXT as usize + 1, usize::MAX] {
        let error = context(context_tokens).err().expect("out of range");
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(
            error.message.contains(&format!("1 to {TRAINED_CONTEXT}")),
            "{error}"
        );
        assert_sentence(&error);
    }
    let mut model = context(1).expect("one token is a context").model;
    let mut logits = Vec::new();
    pollster::block_on(model.forward(&[65], Some(&mut logits))).expect("it fits");
    let full = pollster::block_on(model.forward(&[66], Some(&mut logits))).expect_err("it is full");
    assert_eq!(full.code, Code::ContextFull);
    assert_sentence(&full);
}

#[test]
fn other_files_are_told_apart() {
    refused(
        b"<!DOCTYPE html><html><head><title>404</title></head></html>",
        Code::HtmlNotModel,
        "web page",
    );
    refused(&[7; 5000], Code::NotGguf, "GGUF");
    refused(b"", Code::GgufTruncated, "0 bytes");
    let file = ModelFile::small(DType::Q8_0).to_bytes();
    let at = dims_at(&file, "output_norm.weight");
    let broken = |at: usize, bytes: &[u8]| {
        let mut file = file.clone();
        patch(&mut file, at, bytes);
        file
    };
    refused(&broken(4, &[1]), Code::GgufVersion, "version 1");
    refused(
        &broken(8, &u64::MAX.to_le_bytes()),
        Code::GgufMalformed,
        "tensors",
    );
    refused(
        &broken(at + 8, &99_u32.to_le_bytes()),
        Code::TensorType,
        "type 99",
    );
    refused(
        &broken(at + 12, &7_u64.to_le_bytes()),
        Code::GgufTensorMisaligned,
        "output_norm",
    );
    refused(
        &broken(at + 12, &0_u64.to_le_bytes()),
        Code::GgufTensorOverlap,
        "output_norm",
    );
}

#[test]
fn tensors_too_large_to_count_are_refused_or_ignored() {
    // The vocabulary is too large for any model. The token embeddings are last in the file, so that
    // no tensors overlap.
    let mut file = ModelFile::small(DType::Q8_0).to_bytes();
    let at = dims_at(&file, "token_embd.weight");
    patch(&mut file, at + 8, &(1_u64 << 40).to_le_bytes());
    refused(&file, Code::Metadata, "vocabulary");

    // Two unknown tensors have 2^63 weights each, whose sum does not fit in a u64.
    let mut model = ModelFile::small(DType::Q8_0);
    for name in ["unknown.0", "unknown.1"] {
        model.tensors.push(Tensor {
            name: name.to_owned(),
            dtype: DType::Q2K,
            dims: vec![256],
            data: vec![0; 84],
        });
    }
    let mut file = model.to_bytes();
    let first = dims_at(&file, "unknown.0");
    let first_offset = u64::from_le_bytes(file[first + 12..][..8].try_into().expect("8 bytes"));
    let second = dims_at(&file, "unknown.1");
    patch(&mut file, first, &(1_u64 << 63).to_le_bytes());
    patch(&mut file, second, &(1_u64 << 63).to_le_bytes());
    let second_offset = (first_offset + (1 << 63) / 256 * 84).next_multiple_of(32);
    patch(&mut file, second + 12, &second_offset.to_le_bytes());
    assert_eq!(load(&file).expect("a model").file.parameter_count, u64::MAX);
}

#[test]
fn a_damaged_header_never_panics() {
    let file = ModelFile::small(DType::Q8_0).to_bytes();
    let header_bytes = header(&file).data_offset as usize;
    let mut random = Random::new(4);
    let mut refusals = 0;
    for _ in 0..500 {
        let mut broken = file.clone();
        for _ in 0..1 + random.below(3) {
            broken[random.below(header_bytes)] = random.bits() as u8;
        }
        if let Err(error) = load_with(&broken, 1 << 16, Options::default()) {
            assert_sentence(&error);
            refusals += 1;
        }
    }
    assert!(
        refusals > 100,
        "{refusals} of 500 damaged headers were refused"
    );
}
