//! A chat with a model: messages in, text out, piece by piece. Picks the backend, reuses the KV cache, counts usage.

pub mod engine;
pub mod fields;
pub mod info;
mod probe;
pub mod request;
pub mod score;

use crate::{
    Code, Error, Result,
    generate::{
        Decoder,
        event::Event,
        generator::{ContextOverflow, GenerateOptions, Generator, StopHandle},
    },
    loader::Loaded,
    text::{
        prompt::chat_tokens,
        template::ChatTemplate,
        tokenizer::{Special, Tokenizer},
    },
};
use engine::AnyModel;
use request::ChatRequest;
use serde_json::{Value, json};

/// A model, the words it knows, and the conversation in its KV cache. One answer is written at a time:
/// [`Session::start`] takes the request, [`Session::next`] gives one event after another until there is none.
pub struct Session<D = AnyModel> {
    generator: Generator<D>,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
}

impl From<Loaded<AnyModel>> for Session {
    fn from(loaded: Loaded<AnyModel>) -> Self {
        Self::new(loaded.model, loaded.tokenizer, loaded.template)
    }
}

impl<D: Decoder> Session<D> {
    pub fn new(decoder: D, tokenizer: Tokenizer, template: Option<ChatTemplate>) -> Self {
        Self {
            generator: Generator::new(decoder),
            tokenizer,
            template,
        }
    }

    pub fn decoder(&self) -> &D {
        self.generator.decoder()
    }

    /// Goes on with another decoder of the same model, where the last one was lost: it reads the conversation anew.
    pub fn replace_decoder(&mut self, decoder: D) {
        self.generator.replace_decoder(decoder);
    }

    /// Begins an answer to the request's messages.
    /// Errors, each of which leaves the session as it was: `busy`, `template`, `context_full`, `invalid_argument`.
    pub fn start(&mut self, request: ChatRequest) -> Result<()> {
        if self.generator.is_writing() {
            return Err(Error::new(
                Code::Busy,
                "An answer is being written. Wait for its end, or stop it first.",
            ));
        }
        let ChatRequest {
            messages,
            tools,
            max_tokens,
            sampling,
            stop,
            context_overflow,
        } = request;
        let messages = Value::Array(messages);
        let prompt = self.prompt(&messages, tools.as_ref(), true)?;
        let head_tokens = match context_overflow {
            ContextOverflow::Slide => self.head_tokens(&messages, tools.as_ref(), &prompt),
            ContextOverflow::Error => 0,
        };
        let options = GenerateOptions {
            prompt,
            max_tokens,
            sampling,
            stop,
            context_overflow,
            head_tokens,
        };
        self.generator.start(options, &self.tokenizer)
    }

    /// At most about 100 ms of the prompt, or one token; none when no answer is being written.
    /// Errors: `not_finite`, `out_of_memory`. They end the answer; the session stays usable. `gpu_lost`, `gpu_out_of_memory` and
    /// `gpu_refused` leave the answer as it is, for another decoder to go on with it.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        self.generator.next(&self.tokenizer).await
    }

    /// The next [`Session::next`] ends the answer with `abort`. The KV cache stays valid.
    pub fn stop(&self) {
        self.stop_handle().stop();
    }

    /// Stops the answer from elsewhere, while a step of it is still under way.
    pub fn stop_handle(&self) -> StopHandle {
        self.generator.stop_handle()
    }

    /// Token ids of `text`, without BOS or EOS.
    pub fn tokenize(&self, text: &str, special: Special) -> Vec<u32> {
        self.tokenizer.encode(text, special)
    }

    /// Errors: `invalid_argument` for an id outside the vocabulary.
    pub fn detokenize(&self, tokens: &[u32]) -> Result<String> {
        let vocab_size = self.tokenizer.vocab_size();
        match tokens.iter().find(|&&token| token as usize >= vocab_size) {
            None => Ok(self.tokenizer.decode(tokens)),
            Some(token) => {
                let message = format!(
                    "Token {token} is outside the vocabulary of {vocab_size} tokens; use ids that this model's tokenizer gave."
                );
                Err(Error::new(Code::InvalidArgument, message))
            }
        }
    }

    fn prompt(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        add_generation_prompt: bool,
    ) -> Result<Vec<u32>> {
        let Some(template) = &self.template else {
            return Err(Error::new(
                Code::Template,
                "The model has no chat template; use one that was made for chat (\"instruct\").",
            ));
        };
        let mut tokens = chat_tokens(
            &self.tokenizer,
            template,
            messages,
            tools,
            add_generation_prompt,
        )?;
        // Some templates leave BOS to the tokenizer.
        if let Some(bos) = self
            .tokenizer
            .bos()
            .filter(|bos| self.tokenizer.add_bos() && tokens.first() != Some(bos))
        {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// How much of the prompt says what holds for the whole conversation, the system messages: what it shares with the prompt of an
    /// empty conversation, up to the last turn that ends in there.
    fn head_tokens(&self, messages: &Value, tools: Option<&Value>, prompt: &[u32]) -> usize {
        let system = messages
            .as_array()
            .into_iter()
            .flatten()
            .take_while(|message| message["role"] == "system");
        let opening = system
            .cloned()
            .chain([json!({"role": "user", "content": ""})])
            .collect();
        // A template that refuses the empty conversation has no such head.
        let opening = self.prompt(&opening, tools, false).unwrap_or_default();
        let shared = prompt
            .iter()
            .zip(&opening)
            .take_while(|(token, opening)| token == opening)
            .count();
        let turns_end = prompt
            .iter()
            .take(shared)
            .rposition(|&token| self.tokenizer.is_end(token));
        turns_end.map_or(shared, |end| end + 1)
    }
}
