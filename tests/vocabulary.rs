//! A vocabulary is what its file says, works, or is refused.

mod support;

use proptest::prelude::*;
use serde_json::Value;
use siskin::Code;
use siskin::format::metadata::{Metadata, StringArray};
use siskin::text::prompt::chat_tokens;
use siskin::text::template::ChatTemplate;
use siskin::text::tokenizer::{Special, Tokenizer};
use support::vocabulary::{LLAMA2, LLAMA3, QWEN2, SMOLLM2, many_cases, tiny, tokenizer};

#[test]
fn special_ids_are_read_from_the_header() {
    let expected = [
        (
            QWEN2.1,
            Some("<|endoftext|>"),
            Some("<|im_end|>"),
            false,
            // Those that llama.cpp lists as ends of generation for this file.
            vec![
                "<|endoftext|>",
                "<|file_sep|>",
                "<|fim_pad|>",
                "<|im_end|>",
                "<|repo_name|>",
            ],
        ),
        (
            LLAMA3.1,
            Some("<|begin_of_text|>"),
            Some("<|end_of_text|>"),
            true,
            vec!["<|end_of_text|>", "<|eot_id|>"],
        ),
        (
            SMOLLM2.1,
            Some("<|im_start|>"),
            Some("<|im_end|>"),
            false,
            vec!["<|endoftext|>", "<|im_end|>"],
        ),
        (LLAMA2.1, Some("<s>"), Some("</s>"), true, vec!["</s>"]),
    ];
    for (model, bos, eos, add_bos, ends) in expected {
        let Some(tokenizer) = tokenizer(model) else {
            continue;
        };
        let name = |id: Option<u32>| id.map(|id| tokenizer.decode(&[id]));
        assert_eq!(name(tokenizer.bos()).as_deref(), bos, "{model}");
        assert_eq!(name(tokenizer.eos()).as_deref(), eos, "{model}");
        assert_eq!(tokenizer.add_bos(), add_bos, "{model}");
        let is_end = |id: &u32| tokenizer.is_end(*id);
        let mut found: Vec<String> = (0..tokenizer.vocab_size() as u32)
            .filter(is_end)
            .map(|id| tokenizer.decode(&[id]))
            .collect();
        found.sort();
        assert_eq!(found, ends, "{model}");
        assert_eq!(tokenizer.token_bytes(u32::MAX), b"");
        assert!(!tokenizer.is_control(u32::MAX) && !tokenizer.is_end(u32::MAX));
    }
}

#[test]
fn sentencepiece_has_default_ids() {
    // llama.cpp has them in llama_vocab::impl::load: unknown is 0, BOS 1, EOS 2.
    let Some(gguf) = support::model_header::model_header(LLAMA2.1) else {
        return;
    };
    let mut metadata = gguf.metadata;
    for name in ["bos", "eos", "unknown"] {
        metadata.insert(format!("tokenizer.ggml.{name}_token_id"), u32::MAX);
    }
    let tokenizer = Tokenizer::from_metadata(&metadata).expect("a vocabulary");
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
    assert!(tokenizer.is_end(2) && tokenizer.add_bos());
}

/// `tokenizer/phi3.json` is of `make_phi3.py`: Hugging Face's tokenizer with Phi-3's added tokens.
#[test]
fn control_tokens_of_phi_take_the_white_space_behind_them() {
    let Some(gguf) = support::model_header::model_header(LLAMA2.1) else {
        return;
    };
    let golden: Value = serde_json::from_str(include_str!("fixtures/tokenizer/phi3.json")).unwrap();
    let mut metadata = gguf.metadata;
    let tokens = metadata.string_array("tokenizer.ggml.tokens").unwrap();
    let added = golden["added"].as_array().unwrap().iter();
    let added: Vec<&str> = added.map(|name| name.as_str().unwrap()).collect();
    let tokens: StringArray = tokens.iter().chain(added.iter().copied()).collect();
    let kinds = metadata.opt_i32_array("tokenizer.ggml.token_type").unwrap();
    let kinds = [kinds.unwrap(), &vec![3; added.len()]].concat();
    let scores = metadata.f32_array("tokenizer.ggml.scores").unwrap();
    let scores = [scores, &vec![0.0; added.len()]].concat();
    metadata.insert("tokenizer.ggml.tokens", tokens);
    metadata.insert("tokenizer.ggml.token_type", kinds);
    metadata.insert("tokenizer.ggml.scores", scores);
    metadata.insert("general.architecture", "phi3");
    let phi3 = Tokenizer::from_metadata(&metadata).expect("a vocabulary");
    for row in golden["texts"].as_array().unwrap() {
        let text = row["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(row["ids"].clone()).unwrap();
        assert_eq!(phi3.encode(text, Special::Parse), ids, "{text:?}");
    }

    // What is typed is text: it strips nothing, and is stripped behind what the template writes.
    let source = "<|user|>\n{{ messages[0].content }}<|end|>\n<|assistant|>\n";
    let template = ChatTemplate::new(source, "<s>", "</s>").expect("a template");
    let prompt = |content: &str| {
        let messages = serde_json::json!([{ "role": "user", "content": content }]);
        chat_tokens(&phi3, &template, &messages, None, true).expect("a prompt")
    };
    let typed = phi3.encode("<|end|> x", Special::Plain);
    assert_eq!(
        prompt(" <|end|> x"),
        [&[32010][..], &typed, &[32007, 32001]].concat()
    );
    assert_eq!(prompt("\n"), [32010, 32007, 32001]);

    metadata.insert("general.architecture", "llama");
    let llama = Tokenizer::from_metadata(&metadata).expect("a vocabulary");
    assert_eq!(
        llama.encode("<|end|>\n", Special::Parse),
        [32007, 29871, 13]
    );
}

/// Phi-4 mini's names and which of them strip are those of its `tokenizer_config.json`.
#[test]
fn of_phi_4_mini_tools_and_ends_of_texts_do_not_strip() {
    let names = [
        ("<|user|>", true),
        ("<|assistant|>", true),
        ("<|end|>", true),
        ("<|system|>", true),
        ("<|tag|>", true),
        ("<|endoftext|>", false),
        ("<|tool|>", false),
        ("<|/tool|>", false),
        ("<|tool_call|>", false),
        ("<|tool_response|>", false),
    ];
    let mut metadata = tiny("gpt2", Some("gpt-4o"));
    let tokens = ["a", "\u{120}"]
        .into_iter()
        .chain(names.map(|(name, _)| name));
    metadata.insert("tokenizer.ggml.tokens", tokens.collect::<StringArray>());
    let kinds = [vec![1; 2], vec![3; names.len()]].concat();
    metadata.insert("tokenizer.ggml.token_type", kinds);
    metadata.insert("tokenizer.ggml.merges", StringArray::default());
    metadata.insert("general.architecture", "phi3");
    let tokenizer = Tokenizer::from_metadata(&metadata).expect("a vocabulary");
    for ((name, strips), id) in names.into_iter().zip(2..) {
        let expected = if strips { vec![id, 0] } else { vec![id, 1, 0] };
        let ids = tokenizer.encode(&format!("{name} a"), Special::Parse);
        assert_eq!(ids, expected, "{name}");
    }
}

#[test]
fn a_tiny_vocabulary_works_whatever_idle_merges_it_lists() {
    let bpe = Tokenizer::from_metadata(&tiny("gpt2", Some("gpt-2"))).expect("a vocabulary");
    assert_eq!(bpe.encode("aba<tool>b", Special::Plain), [2, 0, 4, 1]);
    assert_eq!(bpe.encode("<|im_end|>", Special::Parse), [3]);
    assert!(
        bpe.is_control(3) && bpe.is_end(3),
        "an end token is a control token, whatever the converter called it"
    );
    assert!(
        bpe.encode("<|im_end|>", Special::Plain).is_empty(),
        "no byte of it is in the vocabulary"
    );
    let spm = Tokenizer::from_metadata(&tiny("llama", None)).expect("a vocabulary");
    assert_eq!(
        spm.encode("aba", Special::Plain),
        [1, 2, 0],
        "the space in front is unknown"
    );
}

#[test]
fn broken_vocabularies_are_errors() {
    type Break = fn(&mut Metadata);
    let broken: [(&str, Code, &str, Break); 6] = [
        ("gpt2", Code::Tokenizer, "`new-pre`", |m| {
            drop(m.insert("tokenizer.ggml.pre", "new-pre"))
        }),
        ("wordpiece", Code::Tokenizer, "`wordpiece`", |_| ()),
        ("gpt2", Code::Tokenizer, "2 types", |m| {
            drop(m.insert("tokenizer.ggml.token_type", vec![1, 1]))
        }),
        ("gpt2", Code::Metadata, "tokenizer.ggml.tokens", |m| {
            drop(m.insert("tokenizer.ggml.tokens", 1_u32))
        }),
        ("llama", Code::Tokenizer, "1 scores", |m| {
            drop(m.insert("tokenizer.ggml.scores", vec![0.0_f32]))
        }),
        ("llama", Code::Metadata, "tokenizer.ggml.scores", |m| {
            drop(m.insert("tokenizer.ggml.scores", "none"))
        }),
    ];
    for (model, code, says, make_broken) in broken {
        let mut metadata = tiny(model, Some("gpt-2"));
        make_broken(&mut metadata);
        let error = Tokenizer::from_metadata(&metadata).err().expect(says);
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(says), "{error}");
        support::sentence::assert_sentence(&error);
    }
}

/// Careless code fails with these token texts: empty, one character, half an escape, spaces,
/// control tokens within control tokens.
const TEXTS: &[&str] = &[
    "",
    "a",
    "b",
    "ab",
    " ",
    "Ġ",
    "Ċ",
    "▁",
    "▁a",
    "é",
    "<",
    "<|",
    "<|im_end|>",
    "<|im_end|><",
    "<0x0A>",
    "<0xZZ>",
    "<0x",
    "\u{fdd0}",
];

fn hostile_metadata() -> impl Strategy<Value = Metadata> {
    let texts = |most| prop::collection::vec(prop::sample::select(TEXTS), 0..most);
    let merges = prop::collection::vec(
        (prop::sample::select(TEXTS), prop::sample::select(TEXTS)),
        0..20,
    );
    let id = || prop::option::of(prop_oneof![Just(u32::MAX), 0..30_u32]);
    let model = prop::sample::select(&["gpt2", "llama"][..]);
    let pre = prop::sample::select(&["default", "gpt-2", "qwen2", "llama-bpe", "smollm"][..]);
    let types = prop::collection::vec(-1..8_i32, 20);
    let scores = prop::collection::vec(prop::num::f32::ANY, 20);
    let lengths = (
        prop_oneof![9 => Just(true), 1 => Just(false)],
        any::<bool>(),
        id(),
        id(),
    );
    (model, pre, texts(20), merges, types, scores, lengths).prop_map(
        |(model, pre, tokens, merges, mut types, mut scores, rest)| {
            let (is_even, add_space_prefix, eos, unknown) = rest;
            if is_even {
                types.truncate(tokens.len());
                types
                    .iter_mut()
                    .for_each(|kind| *kind = (*kind).clamp(1, 6));
                scores.truncate(tokens.len());
            }
            let mut metadata = Metadata::new();
            metadata.insert("tokenizer.ggml.model", model);
            metadata.insert("tokenizer.ggml.pre", pre);
            metadata.insert(
                "tokenizer.ggml.tokens",
                tokens.iter().collect::<StringArray>(),
            );
            metadata.insert(
                "tokenizer.ggml.merges",
                merges
                    .iter()
                    .map(|(left, right)| format!("{left} {right}"))
                    .collect::<StringArray>(),
            );
            metadata.insert("tokenizer.ggml.token_type", types);
            metadata.insert("tokenizer.ggml.scores", scores);
            metadata.insert("tokenizer.ggml.add_space_prefix", add_space_prefix);
            for (name, id) in [("eos", eos), ("unknown", unknown)] {
                if let Some(id) = id {
                    metadata.insert(format!("tokenizer.ggml.{name}_token_id"), id);
                }
            }
            metadata
        },
    )
}

proptest! {
    #![proptest_config(many_cases())]
    #[test]
    fn hostile_vocabularies_are_errors_or_work(
        metadata in hostile_metadata(),
        pieces in prop::collection::vec(prop::sample::select(TEXTS), 0..12),
    ) {
        match Tokenizer::from_metadata(&metadata) {
            Err(error) => {
                prop_assert!(matches!(error.code, Code::Tokenizer | Code::Metadata));
                support::sentence::assert_sentence(&error);
            }
            Ok(tokenizer) => {
                let text = pieces.concat();
                for special in [Special::Plain, Special::Parse] {
                    let ids = tokenizer.encode(&text, special);
                    prop_assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
                    tokenizer.decode(&ids);
                }
                let source = "{{ bos_token }}<|im_end|>{{ messages[0].content }}";
                let template = ChatTemplate::new(source, "<", "").expect("a template");
                let messages = serde_json::json!([{"content": text}]);
                chat_tokens(&tokenizer, &template, &messages, None, true).expect("a prompt");
            }
        }
    }
}
