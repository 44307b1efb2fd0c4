//! Token ids equal those of the models' own tokenizers, and come back as the same text.

mod support;

use proptest::prelude::*;
use serde::Deserialize;
use siskin::Code;
use siskin::format::metadata::{Metadata, StringArray};
use siskin::generate::{generator::Generator, options::GenerateOptions, sampler::SamplingOptions};
use siskin::text::stream::Utf8Stream;
use siskin::text::tokenizer::{Special, Tokenizer, pre::PreTokenizer, split::Splitter};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use support::scripted::{Scripted, block_on};
use support::vocabulary::{LLAMA2, LLAMA3, QWEN2, SMOLLM2, many_cases, tiny, tokenizer};
use unicode_normalization::UnicodeNormalization;

#[derive(Deserialize)]
struct Golden {
    text: String,
    /// Holds the ids with control tokens read as plain text.
    ids: Vec<u32>,
    /// Holds the ids with control tokens parsed.
    ids_special: Vec<u32>,
}

/// Compares ids with the goldens; `kept` says what a text is after encoding and decoding.
fn check_goldens((fixture, model): (&str, &str), kept: impl Fn(&str) -> String) {
    let Some(tokenizer) = tokenizer(model) else {
        return;
    };
    let path = format!(
        "{}/tests/fixtures/tokenizer/{fixture}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let goldens: Vec<Golden> =
        serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("goldens");
    assert_eq!(goldens.len(), 102);
    for Golden {
        text,
        ids,
        ids_special,
    } in goldens
    {
        assert_eq!(
            tokenizer.encode(&text, Special::Plain),
            ids,
            "{fixture}, plain: {text:?}"
        );
        assert_eq!(
            tokenizer.encode(&text, Special::Parse),
            ids_special,
            "{fixture}, parsed: {text:?}"
        );
        assert_eq!(tokenizer.decode(&ids), kept(&text), "{fixture}, plain");
        assert_eq!(
            tokenizer.decode(&ids_special),
            kept(&text),
            "{fixture}, parsed"
        );
    }
}

#[test]
fn qwen2_ids_equal_the_goldens() {
    check_goldens(QWEN2, |text| text.nfc().collect());
}

#[test]
fn llama3_ids_equal_the_goldens() {
    check_goldens(LLAMA3, str::to_owned);
}

#[test]
fn smollm2_ids_equal_the_goldens() {
    check_goldens(SMOLLM2, str::to_owned);
}

#[test]
fn llama2_ids_equal_the_goldens() {
    check_goldens(LLAMA2, str::to_owned);
}

/// Lists the names of llama.cpp's table (llama-vocab.cpp) whose expression is that of each
/// splitter, by `ignore_merges`, whether characters are composed, and the default of `add_bos`.
const NAMES: &[(Splitter, [bool; 3], &[&str])] = &[
    (
        Splitter::Qwen2,
        [false, true, false],
        &["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"],
    ),
    (Splitter::Qwen35, [false, true, false], &["qwen35"]),
    (
        Splitter::Qwen2,
        [false; 3],
        &["stablelm2", "hunyuan", "solar-open", "grok-2"],
    ),
    (
        Splitter::Llama3,
        [true, false, true],
        &[
            "llama3",
            "llama-v3",
            "llama-bpe",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
    ),
    (
        Splitter::Llama3,
        [false; 3],
        &["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"],
    ),
    (
        Splitter::O200k,
        [false; 3],
        &["gpt-4o", "llama4", "kanana2", "talkie"],
    ),
    (Splitter::Tekken, [true, false, true], &["tekken"]),
    (
        Splitter::SmolLm,
        [false; 3],
        &[
            "starcoder",
            "refact",
            "command-r",
            "smollm",
            "codeshell",
            "exaone",
            "minerva-7b",
            "mellum2",
        ],
    ),
    (
        Splitter::Gpt2,
        [false; 3],
        &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "gigachat",
            "jina-v2-es",
            "jina-v2-de",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "exaone4",
        ],
    ),
];

#[test]
fn names_of_pre_tokenizers_mean_what_they_mean_in_llama_cpp() {
    for &(splitter, [whole_words, composes, add_bos], names) in NAMES {
        for name in names {
            let expected = PreTokenizer {
                splitter,
                whole_words,
                composes,
                add_bos,
            };
            assert_eq!(PreTokenizer::named(name).expect(name), expected, "{name}");
        }
    }
    // Their expressions, or what else goes with them, differ from all that are known.
    for name in [
        "deepseek-llm",
        "deepseek-coder",
        "deepseek-v3",
        "falcon",
        "jais-2",
        "bailingmoe",
        "seed-coder",
        "superbpe",
        "minicpm5",
        "viking",
        "default",
        "",
    ] {
        let error = PreTokenizer::named(name).expect_err(name);
        assert_eq!(error.code, Code::Tokenizer, "{name}");
        assert!(error.message.contains(&format!("`{name}`")), "{error}");
        support::sentence::assert_sentence(&error);
    }
}

/// The ids are those of Hugging Face's tokenizers, which Gemma 4's own is one of: BPE of characters
/// with the space mark for a space, and bytes of characters that are no tokens.
#[test]
fn characters_merge_as_in_gemma_4() {
    let mut tokens: Vec<String> = ["<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>"]
        .map(String::from)
        .to_vec();
    tokens.push("<|channel>".into());
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend("abcdehlotw\u{2581}\n".chars().map(String::from));
    let merges = [
        "l l",
        "h e",
        "ll o",
        "he llo",
        "▁ ▁",
        "▁ w",
        "a b",
        "b c",
        "ab c",
        "a bc",
        "▁▁ ▁▁",
        "▁▁ ▁",
        "\n \n",
        "\n\n \n\n",
        "▁ hello",
        "l o",
        "a a",
        "aa aa",
    ];
    for merge in merges {
        let token = merge.replace(' ', "");
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    let kind = |id: usize| match id {
        0..3 | 4..6 => 3,
        3 => 2,
        6 => 4,
        7..263 => 6,
        _ => 1,
    };
    let mut metadata = Metadata::new();
    let kinds: Vec<i32> = (0..tokens.len()).map(kind).collect();
    metadata.insert("tokenizer.ggml.model", "gemma4");
    metadata.insert("tokenizer.ggml.tokens", StringArray::from_iter(&tokens));
    metadata.insert("tokenizer.ggml.token_type", kinds);
    metadata.insert("tokenizer.ggml.merges", StringArray::from_iter(merges));
    metadata.insert("tokenizer.ggml.bos_token_id", 2_u32);
    let tokenizer = Tokenizer::from_metadata(&metadata).unwrap();
    let encode = |text: &str| tokenizer.encode(text, Special::Plain);
    for (text, ids) in [
        ("hello", &[278][..]),
        ("hello world", &[278, 280, 270, 121, 269, 266]),
        (" hello", &[288]),
        ("abc aabc", &[283, 273, 263, 283]),
        ("   w    w     ", &[279, 280, 284, 272, 284, 273]),
        ("\n\n\nhello\n\n hello", &[286, 274, 278, 286, 288]),
        ("aaaaa bcabc", &[291, 263, 273, 282, 283]),
        (
            "é\u{2581}hello 語x",
            &[202, 176, 288, 273, 239, 177, 165, 127],
        ),
        ("lllolo\nlo", &[275, 289, 289, 274, 289]),
    ] {
        assert_eq!(encode(text), ids, "{text:?}");
        assert_eq!(tokenizer.decode(ids), text.replace('\u{2581}', " "));
    }
    assert!(tokenizer.add_bos() && tokenizer.is_end(5) && !tokenizer.is_end(4));
    // Only a template writes what begins a channel.
    assert!(!encode("<|channel>").contains(&6));
    assert_eq!(tokenizer.encode("<|channel>", Special::Parse), [6]);
}

#[test]
fn a_missing_pre_tokenizer_is_known_by_the_merges() {
    let text = "I'LL pay 12345 for e\u{301}...\n\n  x";
    for (_, model) in [QWEN2, LLAMA3, SMOLLM2] {
        let Some(gguf) = support::model_header::model_header(model) else {
            continue;
        };
        let mut metadata = gguf.metadata;
        let named = Tokenizer::from_metadata(&metadata).expect("a vocabulary");
        for pre in ["", "default"] {
            metadata.insert("tokenizer.ggml.pre", pre);
            let inferred = Tokenizer::from_metadata(&metadata).expect("known merges");
            assert_eq!(
                inferred.encode(text, Special::Plain),
                named.encode(text, Special::Plain),
                "{model}"
            );
            assert_eq!(inferred.add_bos(), named.add_bos(), "{model}");
        }
        // With one merge less, it could be any other model.
        let merges = metadata
            .string_array("tokenizer.ggml.merges")
            .expect("merges");
        let fewer: StringArray = merges.iter().skip(1).collect();
        metadata.insert("tokenizer.ggml.merges", fewer);
        let error = Tokenizer::from_metadata(&metadata).err().expect("unknown");
        assert_eq!(error.code, Code::Tokenizer);
        assert!(error.message.contains("tokenizer.ggml.pre"), "{error}");
        support::sentence::assert_sentence(&error);
    }
    let mut metadata = tiny("gpt2", None);
    let error = Tokenizer::from_metadata(&metadata).err().expect("unknown");
    assert!(error.message.contains("tokenizer.ggml.pre"), "{error}");
    // Where no merge can apply, every way to cut text gives the same tokens.
    metadata.insert(
        "tokenizer.ggml.merges",
        StringArray::from_iter(["a c", "b b"]),
    );
    let tokenizer = Tokenizer::from_metadata(&metadata).expect("a vocabulary");
    assert_eq!(tokenizer.encode("aba", Special::Plain), [0, 1, 0]);
}

#[test]
fn long_texts_encode_in_time() {
    let mixed = "The quick brown fox, 中文文本，测试。 Ünïcödé 12345 {\"k\": [1, 2]}\n\
                 \tlet x = 'a';  😀 don't\r\n\n";
    for (_, model) in [QWEN2, LLAMA3, SMOLLM2, LLAMA2] {
        let Some(tokenizer) = tokenizer(model) else {
            continue;
        };
        for text in [
            mixed, "a", " ", "\n", "<", "'", "1", "中", "e\u{301}", "\u{301}",
        ] {
            let text = text.repeat(100_000_usize.div_ceil(text.len()));
            let start = Instant::now();
            let ids = tokenizer.encode(&text, Special::Parse);
            let took = start.elapsed();
            assert!(
                took < Duration::from_secs(1),
                "{model}: 100 kB of {:?}... took {took:?}",
                text.chars().take(8).collect::<String>()
            );
            assert!(!ids.is_empty());
        }
    }
}

#[derive(Deserialize)]
struct Split {
    text: String,
    /// Holds the lengths of the pieces in characters, for each pre-tokenizer.
    #[serde(flatten)]
    pieces: HashMap<String, Vec<usize>>,
}

#[test]
fn splitters_equal_their_regular_expressions() {
    let splits: Vec<Split> =
        serde_json::from_str(include_str!("fixtures/splits.json")).expect("splits");
    assert!(splits.len() > 400);
    for Split { text, pieces } in splits {
        assert_eq!(pieces.len(), 7);
        for (pre, expected) in pieces {
            let (mut joined, mut lengths) = (String::new(), Vec::new());
            let splitter = PreTokenizer::named(&pre).expect("a known name").splitter;
            splitter.split(&text, |piece| {
                joined.push_str(piece);
                lengths.push(piece.chars().count());
            });
            assert_eq!(joined, text, "{pre}");
            assert_eq!(lengths, expected, "{pre}: {text:?}");
        }
    }
}

/// Makes texts of the pieces that tokenizers stumble over, and of any characters.
fn any_text() -> impl Strategy<Value = String> {
    let snippet = prop_oneof![
        any::<char>().prop_map(String::from),
        proptest::string::string_regex("[a-zA-Z0-9 '<|>_/\\n\\r\\t]{1,8}").expect("an expression"),
        proptest::sample::select(vec![
            "<|im_end|>",
            "<|im_start|>",
            "<|eot_id|>",
            "</s>",
            "<unk>",
            "<tool_call>",
            "<0x0A>",
            "[PAD151665]",
            "\u{2581}",
            "e\u{301}",
            "\u{1100}\u{1161}",
            "\u{fdd0}",
            "👨‍👩‍👧",
            " the",
            "\u{a0}",
            "'ſ",
            "\0",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(snippet, 0..40).prop_map(|snippets| snippets.concat())
}

/// Checks many texts: encoded and decoded they are as `kept` says, no id is outside the vocabulary,
/// and none is a control token unless those are parsed.
fn check_round_trips((_, model): (&str, &str), kept: impl Fn(&str) -> String) {
    let Some(tokenizer) = tokenizer(model) else {
        return;
    };
    proptest!(many_cases(), |(text in any_text())| {
        for special in [Special::Plain, Special::Parse] {
            let ids = tokenizer.encode(&text, special);
            prop_assert_eq!(tokenizer.decode(&ids), kept(&text));
            prop_assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
            let has_control = ids.iter().any(|&id| tokenizer.is_control(id));
            prop_assert!(special == Special::Parse || !has_control);
        }
    });
}

#[test]
fn any_text_survives_qwen2() {
    check_round_trips(QWEN2, |text| text.nfc().collect());
}

#[test]
fn any_text_survives_llama3() {
    check_round_trips(LLAMA3, str::to_owned);
}

#[test]
fn any_text_survives_smollm2() {
    let Some(tokenizer) = tokenizer(SMOLLM2.1) else {
        return;
    };
    let ids = 0..tokenizer.vocab_size() as u32;
    let single_bytes: Vec<u8> = ids
        .filter_map(|id| <[u8; 1]>::try_from(tokenizer.token_bytes(id)).ok())
        .flatten()
        .collect();
    let is_known = |byte: &u8| single_bytes.contains(byte);
    // The model's vocabulary lacks tokens for bytes that never occur in UTF-8, for six control
    // characters, and for U+40000 to U+BFFFF. Its own tokenizer drops them too.
    let missing: Vec<u8> = (0..=u8::MAX).filter(|byte| !is_known(byte)).collect();
    assert_eq!(
        missing,
        [
            4, 6, 19, 20, 22, 29, 192, 193, 241, 242, 245, 246, 247, 248, 249, 250, 251, 252, 253,
            254, 255
        ]
    );
    check_round_trips(SMOLLM2, |text| {
        String::from_utf8_lossy(&text.bytes().filter(is_known).collect::<Vec<u8>>()).into_owned()
    });
}

#[test]
fn any_text_survives_llama2() {
    check_round_trips(LLAMA2, |text| text.replace('\u{2581}', " "));
}

#[test]
fn tokens_stream_as_whole_characters() {
    for (_, model) in [QWEN2, LLAMA3, SMOLLM2, LLAMA2] {
        let Some(tokenizer) = tokenizer(model) else {
            continue;
        };
        let text = "𐍈𝄞 👨‍👩‍👧‍👦 中文";
        let mut stream = Utf8Stream::new();
        let mut streamed = String::new();
        for id in tokenizer.encode(text, Special::Plain) {
            let piece = stream.push(tokenizer.token_bytes(id));
            assert!(!piece.contains('\u{fffd}'), "{model}: {piece:?}");
            streamed += &piece;
        }
        assert_eq!(streamed.trim_start(), text, "{model}");
        assert_eq!(stream.finish(), "");
    }
}

proptest! {
    #[test]
    fn bytes_stream_as_the_text_they_are(
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        text in proptest::collection::vec(any::<char>(), 0..40).prop_map(String::from_iter),
        size in 1_usize..5,
    ) {
        for bytes in [bytes.as_slice(), text.as_bytes(), &[text.as_bytes(), &bytes].concat()] {
            let mut stream = Utf8Stream::new();
            let mut streamed: String = bytes.chunks(size).map(|chunk| stream.push(chunk)).collect();
            streamed += &stream.finish();
            prop_assert_eq!(streamed, String::from_utf8_lossy(bytes));
        }
    }
}

/// Returns the answer of a model that writes these tokens.
fn answer(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    let script = [tokens, &[tokenizer.eos().expect("a token that ends")]].concat();
    let mut generator = Generator::new(Scripted::with_vocab_size(
        tokenizer.vocab_size(),
        64,
        &script,
    ));
    let options = GenerateOptions {
        prompt: vec![1],
        sampling: SamplingOptions::greedy(),
        ..GenerateOptions::default()
    };
    generator.start(options, tokenizer).expect("a start");
    std::iter::from_fn(|| block_on(generator.next(tokenizer)).expect("a step"))
        .map(|event| event.text)
        .collect()
}

#[test]
fn answers_begin_without_the_space_of_sentencepiece() {
    // These are the ids of transformers' LlamaTokenizer, whose `decode` gives the same texts.
    if let Some(tokenizer) = tokenizer(LLAMA2.1) {
        assert_eq!(
            tokenizer.encode("Hello world", Special::Plain),
            [15043, 3186]
        );
        assert_eq!(answer(&tokenizer, &[15043, 3186]), "Hello world");
        // BOS is no text; a second space is.
        assert_eq!(answer(&tokenizer, &[1, 15043, 15043]), "Hello Hello");
        assert_eq!(answer(&tokenizer, &[29871, 15043]), " Hello");
    }
    // Byte-level vocabularies set no space, and lose none.
    if let Some(tokenizer) = tokenizer(QWEN2.1) {
        let ids = tokenizer.encode(" Hello", Special::Plain);
        assert_eq!(answer(&tokenizer, &ids), " Hello");
    }
}
