//! Prompts that no chat template writes.

mod support;

use serde_json::{Value, json};
use siskin::{
    Code,
    format::metadata::{Metadata, StringArray},
    session::{Session, request::ChatRequest},
    text::tokenizer::Tokenizer,
};
use support::{
    alphabet::visible,
    chat::{BOS, START, answer, decoder, session, tokenizer, transcript},
};

fn request(fields: &Value) -> siskin::Result<ChatRequest> {
    ChatRequest::from_json(&fields.to_string())
}

#[test]
fn a_text_is_read_as_it_is() {
    let mut session = session(200, &["!"]);
    let request = request(&json!({"prompt": "<|im_start|>Hi", "temperature": 0})).unwrap();
    assert_eq!(
        session.prompt_tokens(&request).unwrap(),
        [START, u32::from(b'H'), u32::from(b'i')]
    );
    let (text, usage) = answer(&mut session, request);
    assert_eq!((text.as_str(), usage.prompt_tokens), ("!", 3));
    assert_eq!(transcript(&session), "<|im_start|>Hi!");
}

#[test]
fn tokens_are_read_as_they_are() {
    let session = Session::new(decoder(200, &[]), tokenizer(true), None);
    let of = |fields: &Value| session.prompt_tokens(&request(fields).unwrap());
    assert_eq!(of(&json!({"prompt": [72, 105]})).unwrap(), [72, 105]);
    // A text begins as those that the model was trained on.
    assert_eq!(of(&json!({"prompt": "Hi"})).unwrap(), [BOS, 72, 105]);
    assert_eq!(of(&json!({"prompt": "<|bos|>Hi"})).unwrap(), [BOS, 72, 105]);
    let error = of(&json!({"prompt": [72, 259]})).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(error.message.contains("`prompt`"), "{error}");
}

/// Returns the tokenizer of the bytes and of these control tokens.
fn with_controls(controls: &[&str]) -> Tokenizer {
    let bytes = (0..=255).map(|byte| visible(byte).to_string());
    let mut metadata = Metadata::new();
    metadata.insert("tokenizer.ggml.model", "gpt2");
    metadata.insert(
        "tokenizer.ggml.tokens",
        bytes
            .chain(controls.iter().map(|name| (*name).to_owned()))
            .collect::<StringArray>(),
    );
    let kinds = [vec![1i32; 256], vec![3; controls.len()]].concat();
    metadata.insert("tokenizer.ggml.token_type", kinds);
    metadata.insert("tokenizer.ggml.merges", StringArray::default());
    metadata.insert("tokenizer.ggml.eos_token_id", 256u32);
    Tokenizer::from_metadata(&metadata).unwrap()
}

#[test]
fn a_gap_is_between_the_tokens_of_its_model() {
    let gap = request(&json!({"prompt": "a", "suffix": "<|fim_middle|>"})).unwrap();
    for names in [
        ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"],
        ["<fim_prefix>", "<fim_middle>", "<fim_suffix>"],
    ] {
        let controls = [&["<|endoftext|>"][..], &names].concat();
        let session = Session::new(decoder(200, &[]), with_controls(&controls), None);
        let tokens = session.prompt_tokens(&gap).unwrap();
        // What the text says is no control token.
        let suffix = b"<|fim_middle|>".map(u32::from);
        let expected = [&[257, 97, 259][..], &suffix, &[258]].concat();
        assert_eq!(tokens, expected);
    }
    let error = session(200, &[]).start(gap).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
    assert!(error.message.contains("`suffix`"), "{error}");
}

/// llama.cpp ends what it writes at these too, which the header of a file does not name.
#[test]
fn the_padding_and_the_next_file_end_what_fills_a_gap() {
    let names = [
        "<|endoftext|>",
        "<|fim_pad|>",
        "<|repo_name|>",
        "<|file_sep|>",
    ];
    let tokenizer = with_controls(&names);
    assert!((256..260).all(|id| tokenizer.is_end(id)));
    assert!(!with_controls(&["<|endoftext|>", "<|fim_middle|>"]).is_end(257));
}

#[test]
fn a_prompt_stands_alone() {
    for fields in [
        json!({"prompt": "Hi", "messages": [{"role": "user", "content": "Hi"}]}),
        json!({"prompt": "Hi", "tools": [{"type": "function"}]}),
        json!({"prompt": 5}),
        json!({"prompt": ["Hi"]}),
        json!({"suffix": "Hi"}),
        json!({"prompt": [72], "suffix": "Hi"}),
        json!({}),
    ] {
        let error = request(&fields).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{fields}");
    }
}

#[test]
fn messages_are_counted_as_they_are_read() {
    let mut session = session(200, &["Hello"]);
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let request = request(&json!({"messages": messages, "temperature": 0})).unwrap();
    let tokens = session.prompt_tokens(&request).unwrap();
    let (_, usage) = answer(&mut session, request);
    assert_eq!(tokens.len(), usage.prompt_tokens);
}
