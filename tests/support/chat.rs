//! Makes chats with a model that follows a script. Its vocabulary is the 256 bytes and three control
//! tokens.

use super::alphabet::visible;
use super::scripted::{Scripted, block_on};
use serde_json::{Value, json};
use siskin::{
    format::metadata::{Metadata, StringArray},
    generate::event::{Event, Usage},
    session::{Session, request::ChatRequest},
    text::{template::ChatTemplate, tokenizer::Tokenizer},
};

pub const START: u32 = 256;
pub const END: u32 = 257;
pub const BOS: u32 = 258;
pub const CHATML: &str = "{% for message in messages %}\
                      {{ '<|im_start|>' + message.role + '\\n' + message.content }}\
                      {{ '<|im_end|>\\n' }}{% endfor %}\
                      {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

pub fn tokenizer(add_bos: bool) -> Tokenizer {
    let names = (0..=255).map(|byte| visible(byte).to_string());
    let controls = ["<|im_start|>", "<|im_end|>", "<|bos|>"].map(str::to_owned);
    let mut metadata = Metadata::new();
    metadata.insert("tokenizer.ggml.model", "gpt2");
    metadata.insert(
        "tokenizer.ggml.tokens",
        names.chain(controls).collect::<StringArray>(),
    );
    metadata.insert(
        "tokenizer.ggml.token_type",
        [vec![1i32; 256], vec![3; 3]].concat(),
    );
    metadata.insert("tokenizer.ggml.merges", StringArray::default());
    metadata.insert("tokenizer.ggml.eos_token_id", END);
    metadata.insert("tokenizer.ggml.bos_token_id", BOS);
    metadata.insert("tokenizer.ggml.add_bos_token", add_bos);
    Tokenizer::from_metadata(&metadata).unwrap()
}

pub fn decoder(context_tokens: usize, answers: &[&str]) -> Scripted {
    let script: Vec<u32> = answers
        .iter()
        .flat_map(|answer| answer.bytes().map(u32::from).chain([END]))
        .collect();
    Scripted::with_vocab_size(259, context_tokens, &script)
}

/// Makes a session whose model gives these answers.
pub fn session(context_tokens: usize, answers: &[&str]) -> Session<Scripted> {
    Session::new(
        decoder(context_tokens, answers),
        tokenizer(false),
        Some(ChatTemplate::new(CHATML, "<|bos|>", "<|im_end|>").unwrap()),
    )
}

pub fn chat(messages: Value) -> ChatRequest {
    ChatRequest::from_json(&json!({"messages": messages, "temperature": 0}).to_string()).unwrap()
}

/// Returns a request of one message with these fields besides.
pub fn with_fields(fields: &Value) -> siskin::Result<ChatRequest> {
    let mut request = json!({"messages": [{"role": "user", "content": "Hi"}], "temperature": 0});
    request
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    ChatRequest::from_json(&request.to_string())
}

pub fn finish(session: &mut Session<Scripted>) -> (String, Event) {
    let events: Vec<Event> = std::iter::from_fn(|| block_on(session.next()).unwrap()).collect();
    (
        events.iter().map(|event| event.text.as_str()).collect(),
        events.last().unwrap().clone(),
    )
}

pub fn answer(session: &mut Session<Scripted>, request: ChatRequest) -> (String, Usage) {
    session.start(request).unwrap();
    let (text, last) = finish(session);
    (text, last.usage.unwrap())
}

/// Returns what the model has read and written, with control tokens as text.
pub fn transcript(session: &Session<Scripted>) -> String {
    session.detokenize(session.decoder().cache()).unwrap()
}
