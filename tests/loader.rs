//! Tests the loader: pieces of any size give the same model, and each defect of a file has its own
//! code and sentence.

mod support;

use siskin::{
    Code, Error,
    backend::cpu::Cpu,
    format::{
        gguf::{Gguf, GgufReader},
        metadata::{Metadata, StringArray, Value},
    },
    loader::{Loaded, Loader, Options},
    model::Model,
    quant::DType,
};
use support::{
    model_file::{ModelFile, TRAINED_CONTEXT, Tensor, VOCAB, WIDTH, dims_at, patch},
    random::Random,
    sentence::assert_sentence,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn load_with(
    file: &[u8],
    chunk_bytes: usize,
    options: Options,
) -> Result<Loaded<Model<Cpu>>, Error> {
    let mut loader = Loader::new(Cpu::default(), options);
    for chunk in file.chunks(chunk_bytes) {
        if let Err(error) = loader.push(chunk) {
            assert_eq!(loader.push(chunk).expect_err("errors stay"), error);
            assert_eq!(loader.finish().err().expect("errors stay"), error);
            return Err(error);
        }
    }
    loader.finish()
}

fn load(file: &[u8]) -> Result<Loaded<Model<Cpu>>, Error> {
    load_with(file, 1000, Options::default())
}

/// Asserts that loading fails with `code` and a sentence that holds `says`.
fn refused(file: &[u8], code: Code, says: &str) {
    let error = load(file).err().unwrap_or_else(|| panic!("{says}: loaded"));
    assert_eq!(error.code, code, "{says}: {error}");
    assert!(error.message.contains(says), "{says}: {error}");
    assert_sentence(&error);
}

fn logits(loaded: Loaded<Model<Cpu>>) -> Vec<f32> {
    let (mut model, mut logits) = (loaded.model, Vec::new());
    pollster::block_on(model.forward(&[72, 105, 256, 0, 257], Some(&mut logits))).expect("logits");
    logits
}

fn header(file: &[u8]) -> Gguf {
    GgufReader::new()
        .push(file)
        .expect("a header")
        .expect("a whole header")
}

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
fn absurd_metadata_is_refused() {
    let small = || ModelFile::small(DType::Q8_0);
    let check = |file: ModelFile, says: &str| refused(&file.to_bytes(), Code::Metadata, says);
    for key in [
        "embedding_length",
        "block_count",
        "feed_forward_length",
        "context_length",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "rope.dimension_count",
    ] {
        let key = format!("llama.{key}");
        for value in [0, 1 << 40, u64::MAX] {
            check(small().with(&key, value), &key);
        }
        check(small().with(&key, -1_i32), &key);
        check(small().with(&key, "many"), &key);
        check(small().with(&key, vec![1_u32, 2]), &key);
    }
    for key in [
        "embedding_length",
        "block_count",
        "feed_forward_length",
        "context_length",
        "attention.head_count",
    ] {
        let key = format!("llama.{key}");
        let mut file = small();
        let rest = file
            .metadata
            .iter()
            .filter(|(k, _)| *k != key)
            .map(|(k, v)| (k.to_owned(), v.clone()))
            .collect::<Vec<_>>();
        file.metadata = Default::default();
        rest.into_iter()
            .for_each(|(key, value)| drop(file.metadata.insert(key, value)));
        check(file, &key);
    }
    let eps = "llama.attention.layer_norm_rms_epsilon";
    for value in [f32::NAN, f32::INFINITY] {
        check(small().with(eps, value), eps);
        check(
            small().with("llama.rope.freq_base", value),
            "rope.freq_base",
        );
    }
    for value in [0.0_f32, -1e-5, 1.0] {
        check(small().with(eps, value), "sizes");
        check(small().with("llama.rope.freq_base", value), "rope base");
    }
    for (key, value) in [
        ("block_count", 100_000_u32),
        ("block_count", 1025),
        ("attention.head_count_kv", 3),
        ("attention.head_count", 512),
        ("attention.key_length", 66),
        ("attention.key_length", 1 << 19),
        ("rope.dimension_count", 31),
        ("rope.dimension_count", 66),
    ] {
        check(small().with(&format!("llama.{key}"), value), "sizes");
    }
    check(small().with("llama.rope.scaling.type", "yarn"), "`yarn`");
    for factor in [f32::NAN, f32::INFINITY] {
        check(
            small().with("llama.rope.scaling.factor", factor),
            "rope.scaling.factor",
        );
    }
    check(
        small().with("llama.rope.scaling.factor", -2.0_f32),
        "rope base",
    );
    let named = small()
        .with("tokenizer.chat_template", "plain")
        .with("tokenizer.chat_template.tool_use", "with tools")
        .with("tokenizer.chat_template.rag", "{% if %}");
    let loaded = load(&named.to_bytes()).expect("a model");
    let template = loaded.template.expect("a template");
    let rendered = |tools| template.render(&serde_json::json!([]), tools, true, None);
    assert_eq!(rendered(None).as_deref(), Ok("plain"));
    let tools = serde_json::json!([{"type": "function", "function": {"name": "f"}}]);
    assert_eq!(rendered(Some(&tools)).as_deref(), Ok("with tools"));
    for (key, broken, says) in [
        ("", Value::from("{% if %}"), "does not parse"),
        ("", Value::from(3_u32), "chat_template"),
        (".default", Value::from(3_u32), "chat_template.default"),
        (".tool_use", Value::from(3_u32), "chat_template.tool_use"),
    ] {
        let file = small().with(&format!("tokenizer.chat_template{key}"), broken);
        let loaded = load(&file.to_bytes()).expect("a model that can complete text");
        let template = loaded.template.expect("a template");
        let error = template
            .render(&serde_json::json!([]), Some(&tools), true, None)
            .expect_err("a template that does not parse");
        assert_eq!(error.code, Code::Template);
        assert!(error.message.contains(says), "{error}");
        assert_sentence(&error);
    }
    refused(
        &small().with("tokenizer.ggml.model", "wordpiece").to_bytes(),
        Code::Tokenizer,
        "wordpiece",
    );
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
fn optional_metadata_refuses_no_file() {
    let expected = logits(load(&ModelFile::small(DType::Q8_0).to_bytes()).expect("a model"));
    let mut file = ModelFile::small(DType::Q8_0).with("general.name", 3_u32);
    for (key, value) in [
        ("bos", Value::from(VOCAB as u32)),
        ("eos", u32::MAX.into()),
        ("eot", u64::MAX.into()),
        ("eom", Value::from(-1_i32)),
        ("unknown", "none".into()),
        ("padding", VOCAB.into()),
        ("fim_pre", (-1_i64).into()),
    ] {
        file = file.with(&format!("tokenizer.ggml.{key}_token_id"), value);
    }
    let loaded = load(&file.to_bytes()).expect("a model");
    assert_eq!(loaded.file.name, "unnamed");
    assert_eq!(
        (loaded.tokenizer.bos(), loaded.tokenizer.eos()),
        (None, None)
    );
    let ends: Vec<u32> = (0..VOCAB as u32)
        .filter(|&id| loaded.tokenizer.is_end(id))
        .collect();
    assert_eq!(ends, [257], "only <|im_end|>, by its name");
    assert_eq!(logits(loaded), expected);
}

#[test]
fn rope_scaling_means_what_it_means_in_llama_cpp() {
    let frequencies = |file: ModelFile| {
        let model = load(&file.to_bytes()).expect("a model").model;
        model.config.rope_frequencies.clone()
    };
    let small = || ModelFile::small(DType::Q8_0);
    let factor = |value: f32| small().with("llama.rope.scaling.factor", value);
    let kind = |file: ModelFile, kind: &str| file.with("llama.rope.scaling.type", kind);
    let plain = frequencies(small());
    let half: Vec<f32> = plain.iter().map(|frequency| frequency / 2.0).collect();
    assert_eq!(plain[0], 1.0);
    assert_eq!(frequencies(factor(2.0)), half, "no type means linear");
    assert_eq!(frequencies(kind(factor(2.0), "linear")), half);
    assert_eq!(
        frequencies(small().with("llama.rope.scale_linear", 2.0_f32)),
        half,
        "the old key"
    );
    assert_eq!(
        frequencies(factor(2.0).with("llama.rope.scale_linear", 4.0_f32)),
        half,
        "the new key counts"
    );
    assert_eq!(frequencies(kind(factor(2.0), "none")), plain);
    assert_eq!(frequencies(kind(small(), "linear")), plain, "no factor");
    assert_eq!(frequencies(kind(factor(0.0), "linear")), plain, "0 means 1");
    assert_eq!(frequencies(factor(0.0)), plain);
}

/// Makes a model of two equal layers.
fn two_layers() -> ModelFile {
    let mut file = ModelFile::small(DType::Q8_0).with("llama.block_count", 2_u32);
    let second: Vec<Tensor> = file
        .tensors
        .iter()
        .filter(|tensor| tensor.name.starts_with("blk.0."))
        .map(|tensor| Tensor {
            name: tensor.name.replace("blk.0.", "blk.1."),
            ..tensor.clone()
        })
        .collect();
    file.tensors.extend(second);
    file
}

#[test]
fn sizes_may_be_given_for_each_layer_if_they_are_equal() {
    let expected = logits(load(&two_layers().to_bytes()).expect("a model"));
    let file = two_layers()
        .with("llama.attention.head_count", vec![4_u32, 4])
        .with("llama.attention.head_count_kv", vec![1_i32, 1])
        .with("llama.feed_forward_length", vec![WIDTH, WIDTH]);
    assert_eq!(logits(load(&file.to_bytes()).expect("a model")), expected);
    for (key, unequal) in [
        ("attention.head_count_kv", vec![1_u32, 2]),
        ("feed_forward_length", vec![256, 128]),
    ] {
        let key = format!("llama.{key}");
        let refused_with = |value: Value, code| {
            refused(&two_layers().with(&key, value).to_bytes(), code, &key);
        };
        refused_with(unequal.into(), Code::Architecture);
        refused_with(vec![1_u32].into(), Code::Metadata);
        refused_with(vec![1_u32; 3].into(), Code::Metadata);
        refused_with(vec![0_u32; 2].into(), Code::Metadata);
        refused_with(vec![-1_i32; 2].into(), Code::Metadata);
        refused_with(vec![1.0_f32; 2].into(), Code::Metadata);
    }
}

/// Makes the small model a qwen2, whose biases of q, k and v are zeros.
fn qwen2() -> ModelFile {
    let mut file = ModelFile::small(DType::Q8_0);
    let metadata = std::mem::take(&mut file.metadata);
    for (key, value) in metadata.iter() {
        file.metadata
            .insert(key.replace("llama.", "qwen2."), value.clone());
    }
    for (name, width) in [("attn_q", WIDTH), ("attn_k", 64), ("attn_v", 64)] {
        file.tensors
            .push(zeros(&format!("blk.0.{name}.bias"), width));
    }
    file.with("general.architecture", "qwen2")
}

fn zeros(name: &str, width: u64) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dtype: DType::F32,
        dims: vec![width],
        data: vec![0; 4 * width as usize],
    }
}

#[test]
fn tensors_that_no_step_uses_are_refused_by_name() {
    let of_both = [
        ("blk.0.attn_q_norm.weight", 64),
        ("blk.0.attn_k_norm.weight", 64),
        ("blk.0.attn_norm.bias", WIDTH),
        ("blk.0.ffn_norm.bias", WIDTH),
        ("blk.0.post_ffw_norm.weight", WIDTH),
        ("blk.1.attn_norm.weight", WIDTH),
        ("blk.1.ffn_up.bias", WIDTH),
        ("output_norm.bias", WIDTH),
        ("token_embd_norm.weight", WIDTH),
        ("position_embd.weight", WIDTH),
        ("rope_factors_long.weight", 32),
    ];
    // llama.cpp adds these biases in the other of the two architectures.
    let of_llama = [("output.bias", VOCAB)];
    let of_qwen2 = [
        ("blk.0.attn_output.bias", WIDTH),
        ("blk.0.ffn_gate.bias", WIDTH),
        ("blk.0.ffn_up.bias", WIDTH),
        ("blk.0.ffn_down.bias", WIDTH),
    ];
    let llama: fn() -> ModelFile = || ModelFile::small(DType::Q8_0);
    for (file, unused) in [
        (llama, [&of_both[..], &of_llama].concat()),
        (qwen2, [&of_both[..], &of_qwen2].concat()),
    ] {
        load(&file().to_bytes()).expect("a model");
        for (name, width) in unused {
            let mut file = file();
            let tensor = Tensor::random(name, DType::F32, &[width], &mut Random::new(5));
            file.tensors.push(tensor);
            refused(&file.to_bytes(), Code::Architecture, &format!("`{name}`"));
        }
    }
}

#[test]
fn biases_are_added_where_they_are() {
    let llama: fn() -> ModelFile = || ModelFile::small(DType::Q8_0);
    for (file, name, width) in [
        (llama, "blk.0.attn_q.bias", WIDTH),
        (llama, "blk.0.attn_k.bias", 64),
        (llama, "blk.0.attn_v.bias", 64),
        (llama, "blk.0.attn_output.bias", WIDTH),
        (llama, "blk.0.ffn_gate.bias", WIDTH),
        (llama, "blk.0.ffn_up.bias", WIDTH),
        (llama, "blk.0.ffn_down.bias", WIDTH),
        (qwen2, "output.bias", VOCAB),
    ] {
        let without = logits(load(&file().to_bytes()).expect("a model"));
        let mut file = file();
        let bias = Tensor::random(name, DType::F32, &[width], &mut Random::new(5));
        file.tensors.push(bias);
        let with = logits(load(&file.to_bytes()).expect("a model"));
        assert_ne!(with, without, "{name}");
        *file.tensor(name) = Tensor::random(name, DType::F32, &[width + 32], &mut Random::new(5));
        refused(&file.to_bytes(), Code::TensorShape, name);
        // A bias of zeros is as none.
        *file.tensor(name) = zeros(name, width);
        assert_eq!(logits(load(&file.to_bytes()).expect("a model")), without);
    }
}

#[test]
fn a_qwen2_without_biases_is_broken() {
    let mut file = qwen2();
    file.tensors
        .retain(|tensor| !tensor.name.ends_with(".bias"));
    refused(&file.to_bytes(), Code::TensorMissing, "blk.0.attn_k.bias");
}

#[test]
fn parts_of_a_model_and_mixtures_of_experts_say_what_they_are() {
    // What llama.cpp's gguf-split writes into the header of the second file of three.
    let mut part = ModelFile {
        metadata: Metadata::new(),
        tensors: Vec::new(),
    }
    .with("split.no", 1_u16)
    .with("split.count", 3_u16)
    .with("split.tensors.count", 13_i32);
    part.tensors = ModelFile::small(DType::Q8_0).tensors;
    refused(&part.to_bytes(), Code::TensorMissing, "part 2 of a model");
    let first = ModelFile::small(DType::Q8_0)
        .with("split.no", 0_u16)
        .with("split.count", 3_u16)
        .without("token_embd.weight");
    refused(&first.to_bytes(), Code::TensorMissing, "split into 3 files");
    let whole = ModelFile::small(DType::Q8_0)
        .with("split.no", 0_u16)
        .with("split.count", 1_u16)
        .with("llama.expert_count", 0_u32);
    load(&whole.to_bytes()).expect("one file of one");
    let mixture = ModelFile::small(DType::Q8_0)
        .with("llama.expert_count", 8_u32)
        .without("blk.0.ffn_gate.weight");
    refused(&mixture.to_bytes(), Code::Architecture, "8 experts");
}

#[test]
fn attention_of_other_kinds_is_refused() {
    let (causal, factor) = ("llama.attention.causal", "llama.rope.scaling.attn_factor");
    let small = || ModelFile::small(DType::Q8_0);
    let plain = small().with(causal, true).with(factor, 1.0_f32);
    load(&plain.to_bytes()).expect("a model");
    let not_causal = small().with(causal, false).to_bytes();
    refused(&not_causal, Code::Architecture, causal);
    let scaled = small().with(factor, 1.2_f32).to_bytes();
    refused(&scaled, Code::Architecture, factor);
}

#[test]
fn a_vocabulary_without_embeddings_is_refused_before_it_is_built() {
    // The tokens are empty, so that nothing but their number could be found wrong.
    let file = ModelFile::small(DType::Q8_0).with(
        "tokenizer.ggml.tokens",
        (0..1_000_000).map(|_| "").collect::<StringArray>(),
    );
    refused(&file.to_bytes(), Code::Tokenizer, "1000000 tokens");
}

#[test]
fn architectures_are_told_apart() {
    let long = "é\u{1b}[31m\n".repeat(100_000);
    for name in ["gpt2", "qwen2moe", "LLAMA", "", &long] {
        let file = ModelFile::small(DType::Q8_0)
            .with("general.architecture", name)
            .to_bytes();
        refused(&file, Code::Architecture, "llama, qwen2");
    }
    refused(
        &ModelFile::small(DType::Q8_0)
            .with("general.architecture", "qwen2")
            .to_bytes(),
        Code::Metadata,
        "qwen2.",
    );
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
