//! Only a template's own delimiters become tokens, whatever the messages hold, and the template sees
//! the messages as they are.

mod support;

use serde_json::{Value, json};
use siskin::format::metadata::{Metadata, StringArray};
use siskin::text::prompt::chat_tokens;
use siskin::text::template::ChatTemplate;
use siskin::text::tokenizer::{Special, Tokenizer};
use std::collections::BTreeSet;
use support::alphabet::visible;
use support::llama_cpp::{each_template, goldens};

/// Makes a tokenizer whose vocabulary is the 256 bytes and these names, each with its type.
fn tokenizer<'a>(names: impl IntoIterator<Item = (&'a str, i32)>) -> Tokenizer {
    let bytes = (0..=255).map(|byte| (visible(byte).to_string(), 1));
    let names = names.into_iter().map(|(name, kind)| (name.to_owned(), kind));
    let (tokens, kinds): (Vec<String>, Vec<i32>) = bytes.chain(names).unzip();
    let mut metadata = Metadata::new();
    metadata.insert("tokenizer.ggml.model", "gpt2");
    metadata.insert("tokenizer.ggml.tokens", StringArray::from_iter(tokens));
    metadata.insert("tokenizer.ggml.token_type", kinds);
    metadata.insert("tokenizer.ggml.merges", StringArray::default());
    Tokenizer::from_metadata(&metadata).expect("a vocabulary")
}

/// Returns what stands in brackets in a text and may be the name of a delimiter.
fn names(text: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (at, open) in text.match_indices(['<', '[']) {
        let close = if open == "<" { '>' } else { ']' };
        if let Some(end) = text[at..].find(close) {
            let name = &text[at..=at + end];
            let is_name = |c: char| !c.is_whitespace() && !"'\"{}()+,\\".contains(c);
            if name.len() > 2 && name.chars().all(is_name) {
                names.insert(name);
            }
        }
    }
    names
}

/// Returns a value whose strings have no brackets, in which names would stand.
fn without_names(value: &Value) -> Value {
    let text = value.to_string();
    let texts = text.replace(['<', '>'], "~").replace("[INST]", "~INST~");
    serde_json::from_str(&texts).expect("JSON")
}

#[test]
fn templates_write_the_same_delimiters_whatever_the_messages_hold() {
    let goldens = goldens();
    let mut checked = 0;
    each_template(&goldens, |golden, source| {
        let conversations = serde_json::to_string(
            &goldens.conversations.iter().map(|case| &case.messages).collect::<Vec<_>>(),
        )
        .unwrap();
        let roles = ["<|user|>", "<|system|>", "<|assistant|>", "<|tool|>", "<s>", "</s>"];
        let names: BTreeSet<&str> = names(source).into_iter().chain(names(&conversations)).chain(roles).collect();
        let tokenizer = tokenizer(names.iter().map(|name| (*name, 3)));
        let template = ChatTemplate::new(source, "<s>", "</s>").expect(&golden.name);
        let template = template.with_time(goldens.now);
        let controls = |ids: &[u32]| -> Vec<u32> { ids.iter().copied().filter(|id| *id > 255).collect() };
        for case in &goldens.conversations {
            let (messages, tools) = (&case.messages, case.tools.as_ref());
            let adapted = template.adapt(messages, tools);
            let Ok(text) = template.render(&adapted, tools, case.add_generation_prompt, None) else { continue };
            let ids = chat_tokens(&tokenizer, &template, messages, tools, case.add_generation_prompt).expect("ids");
            if tokenizer.decode(&ids) != text { println!("{} {} TEXT", golden.name, case.name); }
            let plain = without_names(messages);
            let tools = tools.map(without_names);
            let adapted = template.adapt(&plain, tools.as_ref());
            let Ok(text) = template.render(&adapted, tools.as_ref(), case.add_generation_prompt, None) else { println!("{} {} fails", golden.name, case.name); continue };
            let expected = controls(&tokenizer.encode(&text, Special::Parse));
            let got = controls(&ids);
            checked += 1;
            if got != expected {
                let show = |ids: &[u32]| ids.iter().map(|id| tokenizer.decode(&[*id])).collect::<String>();
                println!("{} {}\n  {}\n  {}", golden.name, case.name, show(&got), show(&expected));
            }
        }
    });
    println!("{checked}");
}
