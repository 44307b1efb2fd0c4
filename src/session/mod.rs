//! Chats with a model: takes messages and gives text, piece by piece.

mod adapters;
mod choice;
mod constraint;
mod embed;
pub mod engine;
mod evaluate;
pub mod fields;
pub mod form;
pub mod info;
pub mod lora;
mod output;
mod prefix;
mod prefixes;
mod probe;
mod prompt_tokens;
pub mod raw_prompt;
pub mod request;
pub mod score;
pub mod tools;

use crate::{
    Code, Error, Result,
    generate::{
        Decoder,
        choice::Choice,
        event::Event,
        generator::Generator,
        options::{ContextOverflow, GenerateOptions},
        stop::StopHandle,
    },
    grammar::Grammars,
    loader::Loaded,
    model::{SlotState, encoder::writes_no_text},
    text::{
        output::{OutputForm, piece::ThoughtsBegin},
        prompt::{Ending, chat_tokens_with},
        template::ChatTemplate,
        tokenizer::{Special, Tokenizer},
    },
};
use engine::AnyModel;
use form::AnswerForm;
use output::Output;
use prefixes::Prefixes;
use request::ChatRequest;
use serde_json::{Map, Value, json};
use std::sync::Arc;

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
    tokenizer: Arc<Tokenizer>,
    template: Option<ChatTemplate>,
    prefixes: Prefixes,
    /// Holds the tokens of the last score, whose beginning the next one may share.
    scored: SlotState,
    /// Holds what forms are compiled by, once one was asked for.
    grammars: Option<Grammars>,
    /// Holds the choice that is being made.
    choice: Option<Choice>,
    /// Divides what the model writes.
    output: Output,
    /// Holds the scale of each adapter where a request names none.
    adapter_scales: Vec<f32>,
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
            adapter_scales: decoder.adapter_scales(),
            generator: Generator::new(decoder),
            tokenizer: Arc::new(tokenizer),
            template,
            prefixes: Prefixes::default(),
            scored: SlotState::default(),
            grammars: None,
            choice: None,
            output: Output::new(OutputForm::default(), None),
        }
    }

    /// Returns the decoder.
    pub fn decoder(&self) -> &D {
        self.generator.decoder()
    }

    /// Replaces a decoder that was lost by another one of the same model, which evaluates the
    /// conversation again.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where it lacks an adapter that is in use.
    pub fn replace_decoder(&mut self, mut decoder: D) -> Result<()> {
        decoder.use_adapters(&self.decoder().adapter_scales())?;
        self.generator.replace_decoder(decoder);
        Ok(())
    }

    /// Begins an answer to the request's messages.
    ///
    /// # Errors
    ///
    /// `busy`, `template`, `context_full`, `invalid_argument`. Each of them leaves the session as
    /// it was.
    pub fn start(&mut self, request: ChatRequest) -> Result<()> {
        self.check_idle()?;
        if self.decoder().is_encoder() {
            return Err(writes_no_text());
        }
        let ending = request.ending();
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
            continue_final_message,
            form,
            reasoning_budget,
            lora,
        } = request;
        let adapters = self.scales_of(lora.as_deref())?;
        let messages = Value::Array(messages);
        let tool_options = tools;
        let tools = tool_options.shown.as_ref();
        let prompt = match &raw_prompt {
            Some(raw) => self.raw_tokens(raw)?,
            None => self.prompt(&messages, tools, &variables, ending)?,
        };
        if tools.is_some() && self.ignores_tools(&messages, &variables, ending, &prompt) {
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
        let output = match raw_prompt {
            Some(_) => OutputForm::default(),
            None => self.output_form(&prompt, &tool_options),
        };
        let constraint = match form {
            Some(AnswerForm::Choice(labels)) => {
                sampling.validate(self.tokenizer.vocab_size())?;
                self.generator.decoder_mut().use_adapters(&adapters)?;
                return self.start_choice(prompt, labels);
            }
            Some(AnswerForm::Form(form)) => Some(self.form_constraint(&form)?),
            None => self.tool_constraint(&tool_options, output.tools)?,
        };
        let mut constraint = constraint.map(|constraint| match output.thoughts {
            Some(ThoughtsBegin::InPrompt) => constraint.behind_thoughts(),
            _ => constraint,
        });
        if let (Some(constraint), true) = (&mut constraint, continue_final_message) {
            constraint.begin(&last_text(&messages))?;
        }
        let options = GenerateOptions {
            prompt,
            max_tokens,
            sampling,
            stop,
            context_overflow,
            keep_tokens,
            visible_tokens: self.marker_tokens(),
            constraint,
            draft_max,
        };
        self.generator.decoder_mut().use_adapters(&adapters)?;
        // A prompt that is too long is refused below, or loses tokens.
        if options.prompt.len() < self.decoder().context_tokens() {
            let decoder = self.generator.decoder_mut();
            self.prefixes.recall(decoder, &options.prompt)?;
        }
        self.generator.start(options, &*self.tokenizer)?;
        self.output = Output::new(output, reasoning_budget);
        Ok(())
    }

    fn check_idle(&self) -> Result<()> {
        match self.generator.is_writing() || self.choice.is_some() {
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
        if let Some(choice) = self.choice.take() {
            return self.next_of_choice(choice).await.map(Some);
        }
        if self.output.is_spent() {
            self.end_thoughts();
        }
        let event = self.generator.next(&*self.tokenizer).await?;
        Ok(event.map(|event| self.output.read(event)))
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
        ending: Ending,
        prompt: &[u32],
    ) -> bool {
        self.prompt(messages, None, variables, ending)
            .is_ok_and(|plain| plain == prompt)
    }

    /// Renders the chat template and tokenizes the result.
    fn prompt(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        variables: &Map<String, Value>,
        ending: Ending,
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
            ending,
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
            .prompt(&opening, tools, variables, Ending::LastMessage)
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

/// Returns the text of the last message, which may be in parts.
fn last_text(messages: &Value) -> String {
    let content = messages
        .as_array()
        .and_then(|list| list.last()?.get("content"));
    match content {
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    }
}
