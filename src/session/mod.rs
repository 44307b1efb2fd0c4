//! Chats with a model: takes messages and gives text, piece by piece.

mod embed;
pub mod engine;
mod evaluate;
pub mod fields;
pub mod info;
mod prefix;
mod prefixes;
mod probe;
mod prompt_tokens;
pub mod raw_prompt;
pub mod request;
pub mod score;

use crate::{
    Code, Error, Result,
    generate::{
        Decoder,
        event::Event,
        generator::Generator,
        options::{ContextOverflow, GenerateOptions},
        stop::StopHandle,
    },
    loader::Loaded,
    text::{
        prompt::chat_tokens_with,
        template::ChatTemplate,
        tokenizer::{Special, Tokenizer},
    },
};
use engine::AnyModel;
use prefixes::Prefixes;
use request::ChatRequest;
use serde_json::{Map, Value, json};

/// Holds a model with its tokenizer and chat template, and the conversation in its KV cache.
///
/// A session writes one answer at a time: [`Session::start`] takes the request, [`Session::next`]
/// returns one event after another until there is none.
///
/// ```
/// # pollster::block_on(async {
/// use siskin::{
///     loader::Options,
///     session::{
///         Session,
///         engine::{AnyLoader, Pool},
///         request::ChatRequest,
///     },
/// };
///
/// let mut loader = AnyLoader::cpu(Options::default(), Pool::new(1));
/// loader.push(&std::fs::read("tests/fixtures/models/chat-tiny.gguf")?)?;
/// let mut session = Session::from(loader.finish()?);
/// session.start(ChatRequest {
///     max_tokens: Some(4),
///     ..ChatRequest::user("Why is the sky blue?")
/// })?;
/// while let Some(event) = session.next().await? {
///     print!("{}", event.text);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Session<D = AnyModel> {
    generator: Generator<D>,
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    prefixes: Prefixes,
}

impl From<Loaded<AnyModel>> for Session {
    fn from(loaded: Loaded<AnyModel>) -> Self {
        Self::new(loaded.model, loaded.tokenizer, loaded.template)
    }
}

impl Session {
    /// Releases the backend and its memory, before another one takes its place. The session can
    /// continue only after [`Session::replace_decoder`].
    pub fn abandon(&mut self) {
        self.generator.decoder_mut().abandon();
    }
}

impl<D: Decoder> Session<D> {
    /// Makes a session without a conversation.
    pub fn new(decoder: D, tokenizer: Tokenizer, template: Option<ChatTemplate>) -> Self {
        Self {
            generator: Generator::new(decoder),
            tokenizer,
            template,
            prefixes: Prefixes::default(),
        }
    }

    /// Returns the decoder.
    pub fn decoder(&self) -> &D {
        self.generator.decoder()
    }

    /// Replaces a decoder that was lost by another one of the same model, which evaluates the
    /// conversation again.
    pub fn replace_decoder(&mut self, decoder: D) {
        self.generator.replace_decoder(decoder);
    }

    /// Begins an answer to the request's messages.
    ///
    /// # Errors
    ///
    /// `busy`, `template`, `context_full`, `invalid_argument`. Each of them leaves the session as
    /// it was.
    pub fn start(&mut self, request: ChatRequest) -> Result<()> {
        self.check_idle()?;
        let ChatRequest {
            messages,
            raw_prompt,
            tools,
            template_variables: variables,
            max_tokens,
            sampling,
            stop,
            context_overflow,
            draft_max,
        } = request;
        let messages = Value::Array(messages);
        let tools = tools.as_ref();
        let prompt = match &raw_prompt {
            Some(raw) => self.raw_tokens(raw)?,
            None => self.prompt(&messages, tools, &variables, true)?,
        };
        if tools.is_some() && self.ignores_tools(&messages, &variables, &prompt) {
            return Err(Error::new(
                Code::InvalidArgument,
                "The model's chat template has no place for `tools`, so the model would not see \
                 them. Take a model that knows tools, describe them in a message, or set \
                 `tool_choice` to \"none\".",
            ));
        }
        let keep_tokens = match context_overflow {
            ContextOverflow::Slide if raw_prompt.is_none() => {
                self.system_tokens(&messages, tools, &variables, &prompt)
            }
            ContextOverflow::Slide | ContextOverflow::Error => 0,
        };
        let options = GenerateOptions {
            prompt,
            max_tokens,
            sampling,
            stop,
            context_overflow,
            keep_tokens,
            draft_max,
        };
        // A prompt that is too long is refused below, or loses tokens.
        if options.prompt.len() < self.decoder().context_tokens() {
            let decoder = self.generator.decoder_mut();
            self.prefixes.recall(decoder, &options.prompt)?;
        }
        self.generator.start(options, &self.tokenizer)
    }

    fn check_idle(&self) -> Result<()> {
        match self.generator.is_writing() {
            false => Ok(()),
            true => Err(Error::new(
                Code::Busy,
                "An answer is being written. Wait for its end, or stop it first.",
            )),
        }
    }

    /// Takes one step of the answer: at most about 100 ms of the prompt, or one token. Returns
    /// `None` when no answer is being written.
    ///
    /// # Errors
    ///
    /// - `not_finite`, `out_of_memory` end the answer. The session stays usable.
    /// - `gpu_lost`, `gpu_out_of_memory` and `gpu_refused` leave the answer as it is, for another
    ///   decoder to continue it ([`Session::replace_decoder`]).
    pub async fn next(&mut self) -> Result<Option<Event>> {
        self.generator.next(&self.tokenizer).await
    }

    /// Makes the next [`Session::next`] end the answer with `abort`. The KV cache stays valid.
    pub fn stop(&self) {
        self.stop_handle().stop();
    }

    /// Returns a handle that stops the answer from elsewhere, while a step is under way.
    pub fn stop_handle(&self) -> StopHandle {
        self.generator.stop_handle()
    }

    /// Returns the token ids of `text`, without BOS or EOS.
    pub fn tokenize(&self, text: &str, special: Special) -> Vec<u32> {
        self.tokenizer.encode(text, special)
    }

    /// Returns the text of `tokens`.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for an id outside the vocabulary.
    pub fn detokenize(&self, tokens: &[u32]) -> Result<String> {
        let vocab_size = self.tokenizer.vocab_size();
        match tokens.iter().find(|&&token| token as usize >= vocab_size) {
            None => Ok(self.tokenizer.decode(tokens)),
            Some(token) => {
                let message = format!(
                    "Token {token} is outside the vocabulary of {vocab_size} tokens; use ids that \
                     this model's tokenizer gave."
                );
                Err(Error::new(Code::InvalidArgument, message))
            }
        }
    }

    /// Returns whether the chat template makes the same prompt without the tools. A template that
    /// refuses to go without them shows them.
    fn ignores_tools(
        &self,
        messages: &Value,
        variables: &Map<String, Value>,
        prompt: &[u32],
    ) -> bool {
        self.prompt(messages, None, variables, true)
            .is_ok_and(|plain| plain == prompt)
    }

    /// Renders the chat template and tokenizes the result.
    fn prompt(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        variables: &Map<String, Value>,
        add_generation_prompt: bool,
    ) -> Result<Vec<u32>> {
        let Some(template) = &self.template else {
            return Err(Error::new(
                Code::Template,
                "The model has no chat template; use one that was made for chat (\"instruct\").",
            ));
        };
        let tokens = chat_tokens_with(
            &self.tokenizer,
            template,
            messages,
            tools,
            add_generation_prompt,
            variables,
        )?;
        // Some templates leave the BOS token to the tokenizer.
        Ok(self.with_bos(tokens))
    }

    /// Returns the number of tokens at the beginning of `prompt` that hold the system messages,
    /// which a context shift keeps.
    ///
    /// These are the tokens that the prompt shares with the prompt of an empty conversation, up to
    /// the last end of a turn among them.
    fn system_tokens(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        variables: &Map<String, Value>,
        prompt: &[u32],
    ) -> usize {
        let system = messages
            .as_array()
            .into_iter()
            .flatten()
            .take_while(|message| message["role"] == "system");
        let opening = system
            .cloned()
            .chain([json!({"role": "user", "content": ""})])
            .collect();
        // Where the template refuses the empty conversation, no tokens are kept.
        let opening = self
            .prompt(&opening, tools, variables, false)
            .unwrap_or_default();
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
