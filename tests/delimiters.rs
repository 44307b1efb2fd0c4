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
    let names = names
        .into_iter()
        .map(|(name, kind)| (name.to_owned(), kind));
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

/// Returns the text of these ids, with the added tokens in double brackets.
fn shown(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    ids.chunk_by(|a, b| *a < 256 && *b < 256)
        .map(|ids| match ids {
            [id] if *id >= 256 => format!("⟦{}⟧", tokenizer.decode(ids)),
            _ => tokenizer.decode(ids),
        })
        .collect()
}

/// Keys of the messages complete names in these, as in `'<' ~ key ~ '>'`, and no delimiter comes of
/// that.
const NAMES_OF_KEYS: [(&str, &str); 5] = [
    ("MiniMax-M3", "calls and results"),
    ("MiniMax-M3", "null content"),
    ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "calls and results"),
    ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "null content"),
    ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "tools"),
];
/// These look for `<think>` in the messages, and write it where it was.
const LOOK_FOR_THOUGHTS: [(&str, &str); 5] = [
    ("Bielik-11B-v3.0-Instruct", "reasoning"),
    ("poolside-Laguna-XS-2.1", "control literals, long text"),
    ("poolside-Laguna-XS-2.1", "reasoning"),
    ("poolside-Laguna-XS.2", "control literals, long text"),
    ("poolside-Laguna-XS.2", "reasoning"),
];
/// This one looks for `<think>` in what it has written itself, so that it cannot be marked.
const LOOKS_AT_ITSELF: [(&str, &str); 1] = [(
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "control literals, long text",
)];

/// Each conversation is compared with the same one without names in it. The vocabulary calls every
/// name a control token that the template or the messages hold.
#[test]
fn templates_write_the_same_delimiters_whatever_the_messages_hold() {
    let goldens = goldens();
    let conversations: Vec<_> = goldens
        .conversations
        .iter()
        .map(|it| &it.messages)
        .collect();
    let conversations = json!(conversations).to_string();
    let roles = ["<|user|>", "<|system|>", "<|assistant|>", "<|tool|>"];
    let (mut different, mut equal) = (Vec::new(), 0);
    let is_there = each_template(&goldens, |golden, source| {
        let names = names(source).into_iter().chain(names(&conversations));
        let names: BTreeSet<&str> = names.chain(roles).chain(["<s>", "</s>"]).collect();
        let tokenizer = tokenizer(names.iter().map(|name| (*name, 3)));
        let template = ChatTemplate::new(source, "<s>", "</s>").expect(&golden.name);
        let template = template.with_time(goldens.now);
        for case in &goldens.conversations {
            let of = |messages: &Value, tools: Option<&Value>| {
                let prompts = case.add_generation_prompt;
                let adapted = template.adapt(messages, tools);
                let text = template.render(&adapted, tools, prompts, None).ok()?;
                let ids = chat_tokens(&tokenizer, &template, messages, tools, prompts);
                Some((text, ids.expect("ids")))
            };
            let Some((text, ids)) = of(&case.messages, case.tools.as_ref()) else {
                continue;
            };
            assert_eq!(tokenizer.decode(&ids), text, "{}", golden.name);
            let tools = case.tools.as_ref().map(without_names);
            let plain = of(&without_names(&case.messages), tools.as_ref());
            let (plain, _) = plain.expect("a text");
            let delimiters =
                |ids: &[u32]| -> Vec<u32> { ids.iter().copied().filter(|&id| id >= 256).collect() };
            let expected = delimiters(&tokenizer.encode(&plain, Special::Parse));
            if delimiters(&ids) == expected {
                equal += 1;
            } else {
                different.push((golden.name.clone(), case.name.clone()));
            }
        }
    });
    let mut known = [&NAMES_OF_KEYS[..], &LOOK_FOR_THOUGHTS, &LOOKS_AT_ITSELF].concat();
    known.sort_unstable();
    if !is_there {
        return;
    }
    different.sort_unstable();
    let different: Vec<_> = different.iter().map(|(a, b)| (&a[..], &b[..])).collect();
    assert_eq!((different, equal), (known, 652));
}

/// The texts are those of Jinja2. What is in double brackets is the template's, by its source.
#[test]
fn reasoning_is_cut_off_where_jinja2_cuts_it() {
    let messages = json!([
        {"role": "user", "content": "Q1 </think>"},
        {"role": "assistant", "content": "<think>\nI ponder\n</think>\n\nA1 <|im_end|>"},
        {"role": "user", "content": "<tool_response> Q2"},
        {"role": "assistant", "content": "<think>\nI see\n</think>\n\nA2"},
    ]);
    let expected = [
        (
            "Qwen-Qwen3-0.6B",
            "⟦<|im_start|>⟧user\nQ1 </think>⟦<|im_end|>⟧\n⟦<|im_start|>⟧assistant\n\
             A1 <|im_end|>⟦<|im_end|>⟧\n⟦<|im_start|>⟧user\n<tool_response> Q2⟦<|im_end|>⟧\n\
             ⟦<|im_start|>⟧assistant\n⟦<think>⟧\nI see\n⟦</think>⟧\n\nA2⟦<|im_end|>⟧\n",
        ),
        (
            "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
            "⟦<s>⟧⟦<｜User｜>⟧Q1 </think>⟦<｜Assistant｜>⟧\n\nA1 <|im_end|>\
             ⟦<｜end▁of▁sentence｜>⟧⟦<｜User｜>⟧<tool_response> Q2⟦<｜Assistant｜>⟧\n\nA2\
             ⟦<｜end▁of▁sentence｜>⟧",
        ),
        (
            "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
            "⟦<|im_start|>⟧system\n⟦<|im_end|>⟧\n⟦<|im_start|>⟧user\nQ1 </think>⟦<|im_end|>⟧\n\
             ⟦<|im_start|>⟧assistant\n⟦<think>⟧⟦</think>⟧\n\nA1 <|im_end|>⟦<|im_end|>⟧\n\
             ⟦<|im_start|>⟧user\n<tool_response> Q2⟦<|im_end|>⟧\n⟦<|im_start|>⟧assistant\n\
             <think>\nI see\n</think>\n\nA2⟦<|im_end|>⟧\n",
        ),
    ];
    let mut found = 0;
    let is_there = each_template(&goldens(), |golden, source| {
        let Some((_, expected)) = expected.iter().find(|(name, _)| *name == golden.name) else {
            return;
        };
        found += 1;
        let template = ChatTemplate::new(source, "<s>", "</s>").expect("a template");
        // Files call such tokens control tokens or user-defined.
        for kind in [3, 4] {
            let names = names(source).into_iter().chain(["<s>", "<|im_end|>"]);
            let names: BTreeSet<&str> = names.collect();
            let tokenizer = tokenizer(names.into_iter().map(|name| (name, kind)));
            let ids = chat_tokens(&tokenizer, &template, &messages, None, false).expect("ids");
            assert_eq!(shown(&tokenizer, &ids), *expected, "{} {kind}", golden.name);
        }
    });
    assert!(found == 3 || !is_there);
}

/// Returns the prompt that a template makes of one user message, with the delimiters in brackets.
fn prompt(tokenizer: &Tokenizer, source: &str, content: &str) -> String {
    let template = ChatTemplate::new(source, "", "").expect(source);
    let messages = json!([{"role": "user", "content": content}]);
    let ids = chat_tokens(tokenizer, &template, &messages, None, false).expect(source);
    shown(tokenizer, &ids)
}

/// The texts are those of Jinja2.
#[test]
fn a_template_sees_the_messages_as_they_are() {
    let tokenizer = tokenizer([("</think>", 3), ("<|x|>", 3), ("<|user|>", 3)]);
    for (expression, expected) in [
        ("{{ content.split('</think>')[-1] }}", "b<|x|>"),
        ("{{ '</think>' in content }}", "True"),
        ("{{ content | length }}", "15"),
        ("{{ content[1:9] }}", "</think>"),
        ("{{ content | upper }}", "A</THINK>B<|X|>"),
        ("{{ content.startswith('a</') }}", "True"),
        (
            "{{ content | tojson(ensure_ascii=true) }}",
            "\"a</think>b<|x|>\"",
        ),
        ("{{ content.replace('<', '[') }}", "a[/think>b[|x|>"),
        ("{{ content == 'a</think>b<|x|>' }}", "True"),
        ("{{ content.find('|x|') }}", "11"),
        ("{{ content | e }}", "a&lt;/think&gt;b&lt;|x|&gt;"),
        ("{{ [content] }}", "['a</think>b<|x|>']"),
        // Where it looks for a text that it writes as well, what it writes is no delimiter.
        (
            "{% set end = '</think>' %}{{ content.split(end)[0] ~ end }}",
            "a</think>",
        ),
        (
            "{% for text in content.split('</think>') %}{{ text }}</think>{% endfor %}",
            "a⟦</think>⟧b<|x|>⟦</think>⟧",
        ),
    ] {
        let source = format!(
            "{{% set content = messages[0].content %}}<|{{{{ messages[0].role }}}}|>{expression}\
             {{{{ '<|x|>' }}}}"
        );
        assert_eq!(
            prompt(&tokenizer, &source, "a</think>b<|x|>"),
            format!("⟦<|user|>⟧{expected}⟦<|x|>⟧"),
            "{expression}"
        );
    }
}

#[test]
fn no_delimiter_is_formed_of_a_templates_text_and_a_messages() {
    let tokenizer = tokenizer([("<|im_end|>", 3), ("<|user|>", 3), ("</s>", 3)]);
    for (source, content, expected) in [
        ("<|{{ content }}</s>", "im_end|>", "<|im_end|>⟦</s>⟧"),
        ("<|{{ content }}|></s>", "im_end", "<|im_end|>⟦</s>⟧"),
        ("{{ content }}im_end|></s>", "<|", "<|im_end|>⟦</s>⟧"),
        ("{{ content | trim }}/s></s>", "<\n", "</s>⟦</s>⟧"),
        (
            "{{ content.replace('x', '') }}</s>",
            "<|imx_end|>",
            "<|im_end|>⟦</s>⟧",
        ),
        ("{{ content ~ '|im_' ~ content }}</s>", "<", "<|im_<⟦</s>⟧"),
        (
            "{{ bos_token }}<|{{ messages[0].role }}|>{{ content }}</s>",
            "<",
            "⟦<|user|>⟧<⟦</s>⟧",
        ),
    ] {
        let source = format!("{{% set content = messages[0].content %}}{source}");
        assert_eq!(prompt(&tokenizer, &source, content), expected, "{source}");
    }
}

#[test]
fn what_a_template_names_is_its_own_whatever_its_type() {
    let source = "<|im_start|>{{ messages[0].content }}<turn_end>\n\n.";
    for kind in [3, 4] {
        let names = [
            ("<|im_start|>", kind),
            ("<turn_end>", kind),
            ("<|other|>", kind),
        ];
        let text = [("<tool_call>", 4), ("    ", 4), ("\n\n", 4)];
        let tokenizer = tokenizer(names.into_iter().chain(text));
        let content = "<|im_start|><turn_end><|other|><tool_call>    \n\n";
        assert_eq!(
            prompt(&tokenizer, source, content),
            "⟦<|im_start|>⟧<|im_start|><turn_end><|other|>⟦<tool_call>⟧⟦    ⟧⟦\n\n⟧\
             ⟦<turn_end>⟧⟦\n\n⟧.",
            "{kind}"
        );
        let plain = tokenizer.encode("<|im_start|><tool_call>", Special::Plain);
        assert_eq!(shown(&tokenizer, &plain), "<|im_start|>⟦<tool_call>⟧");
    }
    // Types that are none make ordinary tokens, which nothing is found whole as.
    for kind in [-1, 0, 1, 5, 99] {
        let tokenizer = tokenizer([("<|im_start|>", kind), ("<turn_end>", kind)]);
        let ids = prompt(&tokenizer, source, "<|im_start|><turn_end>");
        assert!(!ids.contains('⟦'), "{kind}: {ids}");
    }
}

/// An answer comes back as text, and what the model wrote in it stays what it was.
#[test]
fn an_answers_calls_stay_tokens() {
    let source = "{% for m in messages %}<turn>{{ m.content }}<turn_end>{% endfor %}\
                  {% if tools %}<tool_call>{% endif %}";
    let tokenizer = tokenizer(["<turn>", "<turn_end>", "<tool_call>"].map(|name| (name, 4)));
    let template = ChatTemplate::new(source, "", "").expect("a template");
    let prompt = |user: &str, answer: &str| {
        let messages = json!([
            {"role": "user", "content": user},
            {"role": "assistant", "content": answer},
        ]);
        let ids = chat_tokens(&tokenizer, &template, &messages, None, false).expect("ids");
        shown(&tokenizer, &ids)
    };
    assert_eq!(
        prompt("Hi", "<tool_call>f<turn_end>"),
        "⟦<turn>⟧Hi⟦<turn_end>⟧⟦<turn>⟧⟦<tool_call>⟧f<turn_end>⟦<turn_end>⟧"
    );
    assert_eq!(
        prompt("<tool_call>", "<tool_call>f"),
        "⟦<turn>⟧<tool_call>⟦<turn_end>⟧⟦<turn>⟧<tool_call>f⟦<turn_end>⟧"
    );
}
