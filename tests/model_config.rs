//! Tests what is understood of a file: its metadata, and the tensors that it has for the forward
//! pass. What is not understood is refused by its name.

mod support;

use siskin::{
    Code,
    format::metadata::{StringArray, Value},
    model::layers::Mixer,
    quant::DType,
};
use support::{
    loading::{load, logits, refused},
    model_file::{ModelFile, Tensor, VOCAB, WIDTH},
    random::Random,
    sentence::assert_sentence,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

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
        ("attention.head_count_kv", 3_u32),
        ("attention.head_count", 512),
        ("attention.key_length", 66),
        ("attention.key_length", 1 << 19),
        ("rope.dimension_count", 31),
        ("rope.dimension_count", 66),
    ] {
        check(small().with(&format!("llama.{key}"), value), "sizes");
    }
    for layers in [100_000_u32, 1025] {
        check(small().with("llama.block_count", layers), "block_count");
    }
    check(
        small().with("llama.rope.scaling.type", "dynamic"),
        "`dynamic`",
    );
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

#[test]
fn a_context_ends_where_queries_would_be_scaled() {
    let mistral3 = || ModelFile::read(include_bytes!("fixtures/models/mistral3-tiny.gguf"));
    let context = |file: ModelFile| {
        let model = load(&file.to_bytes()).expect("a model").model;
        model.config.context_length
    };
    assert_eq!(context(mistral3()), 512);
    let scale = "mistral3.attention.temperature_scale";
    assert_eq!(context(mistral3().with(scale, 0.0_f32)), 2048);
    for (key, value) in [
        (
            "mistral3.rope.scaling.original_context_length",
            Value::from(0_u32),
        ),
        (scale, Value::from(f32::NAN)),
    ] {
        refused(&mistral3().with(key, value).to_bytes(), Code::Metadata, key);
    }
    // YaRN multiplies what it rotates, unless the multiplier is 1.
    let multiplier = "mistral3.rope.scaling.yarn_log_multiplier";
    let scale_of = |file: ModelFile| {
        let model = load(&file.to_bytes()).expect("a model").model;
        model.config.rope_scale
    };
    assert_eq!(scale_of(mistral3()), 1.0);
    let factor = 4.0_f32;
    let with_factor = mistral3().with("mistral3.rope.scaling.factor", factor);
    let with_magnitude = scale_of(with_factor.with(multiplier, 0.0_f32));
    assert!((with_magnitude - (1.0 + 0.1 * factor.ln())).abs() < 1e-6);
    let other = mistral3().with(multiplier, 0.5_f32).to_bytes();
    refused(&other, Code::Architecture, multiplier);
}

/// Returns the tiny LFM2, whose layers are a convolution, attention, and a convolution.
fn lfm2() -> ModelFile {
    ModelFile::read(include_bytes!("fixtures/models/lfm2-tiny.gguf"))
}

#[test]
fn layers_without_key_value_heads_have_short_convolutions() {
    let model = load(&lfm2().to_bytes()).expect("a model").model;
    let mixers: Vec<Mixer> = model
        .config
        .layers
        .iter()
        .map(|layer| layer.mixer)
        .collect();
    assert_eq!(
        mixers,
        [Mixer::ShortConv, Mixer::Attention, Mixer::ShortConv]
    );
    assert_eq!(model.config.dims.cached_numbers(1), 2 * 32 + 2 * 64);
    let expected = logits(load(&lfm2().to_bytes()).expect("a model"));

    // The last norm may have the name that it has in other files.
    let mut renamed = lfm2();
    renamed.tensor("token_embd_norm.weight").name = "output_norm.weight".into();
    assert_eq!(
        logits(load(&renamed.to_bytes()).expect("a model")),
        expected
    );

    // A window is that of the layers that attend.
    let windowed = lfm2().with("lfm2.attention.sliding_window", 2_u32);
    assert_ne!(
        logits(load(&windowed.to_bytes()).expect("a model")),
        expected
    );

    let kv_heads = "lfm2.attention.head_count_kv";
    for (key, value, code) in [
        (kv_heads, vec![0_u32, 1, 2].into(), Code::Architecture),
        (kv_heads, vec![0_u32, 1].into(), Code::Metadata),
        (kv_heads, vec![0_u32; 3].into(), Code::Metadata),
        ("lfm2.shortconv.l_cache", Value::from(0_u32), Code::Metadata),
        ("lfm2.shortconv.l_cache", Value::from(9_u32), Code::Metadata),
    ] {
        refused(&lfm2().with(key, value).to_bytes(), code, key);
    }
    let conv = "blk.2.shortconv.conv.weight";
    let four = lfm2().with("lfm2.shortconv.l_cache", 4_u32);
    refused(&four.to_bytes(), Code::TensorShape, "shortconv.conv.weight");
    refused(&lfm2().without(conv).to_bytes(), Code::TensorMissing, conv);
    // Where attention stands in the metadata, a convolution belongs to no step.
    let attending = lfm2().with(kv_heads, vec![0_u32, 1, 1]);
    refused(&attending.to_bytes(), Code::Architecture, "blk.2.shortconv");
}

fn qwen35() -> ModelFile {
    ModelFile::read(include_bytes!("fixtures/models/qwen35-tiny.gguf"))
}

#[test]
fn all_layers_but_every_nth_have_delta_nets() {
    let model = load(&qwen35().to_bytes()).expect("a model").model;
    let mixers = model.config.layers.iter().map(|layer| layer.mixer);
    assert_eq!(
        mixers.collect::<Vec<_>>(),
        [Mixer::DeltaNet, Mixer::Attention, Mixer::DeltaNet]
    );
    let state = 3 * (2 * 2 * 16 + 64) + 4 * 16 * 16;
    let dims = &model.config.dims;
    assert_eq!(dims.cached_numbers(0), 0);
    assert_eq!(dims.cached_numbers(5), 5 * 2 * 32 + 2 * 2 * state);
    for (key, value, code, said) in [
        (
            "full_attention_interval",
            3_u32,
            Code::Architecture,
            "blk.1.",
        ),
        ("full_attention_interval", 0, Code::Metadata, "interval"),
        ("ssm.conv_kernel", 9, Code::Metadata, "conv_kernel"),
        ("ssm.conv_kernel", 3, Code::TensorShape, "ssm_conv1d"),
        ("ssm.inner_size", 66, Code::Metadata, "inner_size"),
        ("ssm.inner_size", 1 << 20, Code::Metadata, "inner_size"),
        ("ssm.time_step_rank", 3, Code::Metadata, "inner_size"),
        ("ssm.group_count", 3, Code::Metadata, "inner_size"),
        ("ssm.state_size", 8, Code::TensorShape, "blk.0."),
    ] {
        let key = format!("qwen35.{key}");
        refused(&qwen35().with(&key, value).to_bytes(), code, said);
    }
    for name in ["blk.0.ssm_a", "blk.2.ssm_dt.bias", "blk.0.attn_gate.weight"] {
        refused(
            &qwen35().without(name).to_bytes(),
            Code::TensorMissing,
            name,
        );
    }
}

fn gemma4() -> ModelFile {
    ModelFile::read(include_bytes!("fixtures/models/gemma4-tiny.gguf"))
}

#[test]
fn layers_differ_share_keys_and_take_embeddings() {
    let model = load(&gemma4().to_bytes()).expect("a model").model;
    let layers = &model.config.layers;
    let of = |layer: usize| (layers[layer].head_dim, layers[layer].feed_forward);
    assert_eq!([0, 2, 4].map(of), [(32, 32), (64, 32), (64, 64)]);
    let caches = layers
        .iter()
        .map(|it| (it.cache_layer, it.shares_cache))
        .collect::<Vec<_>>();
    // The last of those before that see as much.
    assert_eq!(
        caches,
        [(0, false), (1, false), (2, false), (1, true), (2, true)]
    );
    let scales = layers.iter().map(|it| it.output_scale);
    assert_eq!(scales.collect::<Vec<_>>(), [1.25, 1.0, 0.75, 0.5, 0.25]);
    assert_eq!(model.config.dims.cached_numbers(3), 3 * 2 * (32 + 32 + 64));
    let expected = logits(load(&gemma4().to_bytes()).expect("a model"));

    // Files have projections of layers that share, all the same.
    let mut idle = gemma4();
    for name in ["attn_k.weight", "attn_v.weight", "attn_k_norm.weight"] {
        let tensor = idle.tensor(&format!("blk.1.{name}")).clone();
        let name = format!("blk.3.{name}");
        idle.tensors.push(Tensor { name, ..tensor });
    }
    assert_eq!(logits(load(&idle.to_bytes()).expect("a model")), expected);

    // Without a scale it is 1.
    let plain = gemma4().without("blk.3.layer_output_scale.weight");
    let plain = load(&plain.to_bytes()).expect("a model");
    assert_eq!(plain.model.config.layers[3].output_scale, 1.0);

    for (key, value, code, said) in [
        (
            "expert_count",
            8_u32.into(),
            Code::Architecture,
            "8 experts",
        ),
        (
            "attention.head_count_kv",
            Value::from(vec![1_u32, 1, 2, 1, 2]),
            Code::Architecture,
            "attention.head_count_kv",
        ),
        (
            "attention.shared_kv_layers",
            5_u32.into(),
            Code::Metadata,
            "shared_kv",
        ),
        // The only layers that keep keys and values have windows.
        (
            "attention.shared_kv_layers",
            3_u32.into(),
            Code::Metadata,
            "shared_kv",
        ),
        (
            "attention.key_length_swa",
            30_u32.into(),
            Code::Metadata,
            "sizes",
        ),
        (
            "attention.value_length_swa",
            64_u32.into(),
            Code::Metadata,
            "sizes",
        ),
        (
            "rope.dimension_count_swa",
            34_u32.into(),
            Code::Metadata,
            "sizes",
        ),
        (
            "rope.freq_base_swa",
            0.5_f32.into(),
            Code::Metadata,
            "rope base",
        ),
        (
            "embedding_length_per_layer_input",
            64_u32.into(),
            Code::TensorShape,
            "blk.0.inp_gate.weight",
        ),
        (
            "embedding_length_per_layer_input",
            0_u32.into(),
            Code::Architecture,
            "inp_gate",
        ),
    ] {
        let file = gemma4().with(&format!("gemma4.{key}"), value);
        refused(&file.to_bytes(), code, said);
    }
    let values = "blk.2.attn_v.weight";
    refused(
        &gemma4().without(values).to_bytes(),
        Code::Architecture,
        "its keys are its values too",
    );
    for name in [
        "blk.1.attn_k.weight",
        "per_layer_token_embd.weight",
        "blk.4.post_norm.weight",
    ] {
        refused(
            &gemma4().without(name).to_bytes(),
            Code::TensorMissing,
            name,
        );
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
        // Tensors of NVFP4 alone have factors.
        ("blk.0.attn_q.scale", 1),
        ("blk.0.attn_q.input_scale", 1),
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
fn a_split_into_one_file_is_none_and_mixtures_of_experts_say_what_they_are() {
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
