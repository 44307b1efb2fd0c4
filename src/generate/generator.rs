//! Writes one answer in small steps, and keeps the KV cache for the next answer.

use super::{
    context_shift::context_shift,
    decoder::Decoder,
    event::{Event, FinishReason, Prefill, Usage},
    options::{ContextOverflow, GenerateOptions},
    prefill_chunker::PrefillChunker,
    sampler::Sampler,
    stop::{StopHandle, StopStrings},
    vocabulary::Vocabulary,
};
use crate::{Code, Error, Result, host, model::StepOutcome, text::stream::Utf8Stream};

/// Sets the time in milliseconds that one step spends on the prompt before the caller gets its
/// turn: to draw, or to stop the answer. A layer that is being computed is finished first.
const PREFILL_SLICE_MS: f64 = 50.0;

/// Drives a [`Decoder`].
///
/// [`Generator::start`] takes the options of an answer. Each [`Generator::next`] then spends at
/// most about 100 ms on the prompt, or writes one token. The tokens of earlier answers stay in the
/// decoder's slots: of the next prompt, only what differs from them is evaluated.
///
/// ```
/// # pollster::block_on(async {
/// use siskin::{
///     backend::cpu::Cpu,
///     generate::{generator::Generator, options::GenerateOptions},
///     loader::{Loader, Options},
///     text::tokenizer::Special,
/// };
///
/// let mut loader = Loader::new(Cpu::default(), Options::default());
/// loader.push(&std::fs::read("tests/fixtures/models/chat-tiny.gguf")?)?;
/// let loaded = loader.finish()?;
/// let mut generator = Generator::new(loaded.model);
/// let options = GenerateOptions {
///     prompt: loaded.tokenizer.encode("Once upon a time", Special::Plain),
///     max_tokens: Some(4),
///     ..GenerateOptions::default()
/// };
/// generator.start(options, &loaded.tokenizer)?;
/// while let Some(event) = generator.next(&loaded.tokenizer).await? {
///     print!("{}", event.text);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Generator<D> {
    decoder: D,
    /// Holds the tokens of the prompt and its answer so far, of which the decoder has cached the
    /// first `decoder.cached_tokens()`.
    tokens: Vec<u32>,
    answer: Option<Answer>,
    chunker: PrefillChunker,
    /// Holds the longest time in milliseconds that the current step has computed between two
    /// chances to be interrupted.
    longest_ms: f64,
    now_ms: Box<dyn Fn() -> f64>,
    stop: StopHandle,
}

/// Holds the state of the answer that is being written.
struct Answer {
    sampler: Sampler,
    utf8: Utf8Stream,
    stop: StopStrings,
    max_tokens: Option<usize>,
    context_overflow: ContextOverflow,
    keep_tokens: usize,
    usage: Usage,
}

/// Tells what came of evaluating a chunk.
enum Evaluated {
    /// A part of the prompt is still to be evaluated.
    Prompt { done_tokens: usize },
    /// All tokens are evaluated, and `token` follows them.
    All { token: u32 },
}

impl Answer {
    /// Ends the answer with `text` and what was held back of a stop string.
    fn end(&mut self, mut text: String, reason: FinishReason) -> Event {
        text.push_str(&self.stop.finish());
        let mut usage = self.usage;
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
        Event {
            text,
            finish_reason: Some(reason),
            usage: Some(usage),
            ..Event::default()
        }
    }
}

impl<D: Decoder> Generator<D> {
    /// Makes a generator without a conversation.
    pub fn new(decoder: D) -> Self {
        Self::with_clock(decoder, Box::new(host::now_ms))
    }

    /// Makes a generator with a clock of its own: `now_ms` returns the time in milliseconds, from
    /// which the sizes of the prompt's chunks follow.
    pub fn with_clock(decoder: D, now_ms: Box<dyn Fn() -> f64>) -> Self {
        let stop = StopHandle::default();
        let chunker = PrefillChunker::new(decoder.min_batch());
        Self {
            decoder,
            tokens: Vec::new(),
            answer: None,
            chunker,
            longest_ms: 0.0,
            now_ms,
            stop,
        }
    }

    /// Returns the decoder.
    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    /// Returns the decoder for other uses between two answers.
    pub fn decoder_mut(&mut self) -> &mut D {
        &mut self.decoder
    }

    /// Replaces a decoder that was lost. Nothing is in the KV cache of the new one yet, so the next
    /// step evaluates the conversation again.
    pub fn replace_decoder(&mut self, decoder: D) {
        self.chunker = PrefillChunker::new(decoder.min_batch());
        self.decoder = decoder;
    }

    /// Returns whether an answer is being written.
    pub fn is_writing(&self) -> bool {
        self.answer.is_some()
    }

    /// Returns a handle that stops the answer, also while a step is under way.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Begins an answer. The longest prefix of the prompt that is in the KV cache is not evaluated
    /// again.
    ///
    /// # Errors
    ///
    /// Each of them leaves everything as it was.
    /// - `busy` while an answer is being written.
    /// - `invalid_argument` for options out of range, or an empty prompt.
    /// - `context_full` when the prompt leaves no room for a token.
    pub fn start(&mut self, options: GenerateOptions, vocabulary: &impl Vocabulary) -> Result<()> {
        if self.answer.is_some() {
            return Err(Error::new(
                Code::Busy,
                "An answer is being written. Wait for its end, or stop it first.",
            ));
        }
        let GenerateOptions {
            prompt: mut tokens,
            max_tokens,
            sampling,
            stop,
            context_overflow,
            keep_tokens,
        } = options;
        if tokens.is_empty() {
            return Err(Error::new(
                Code::InvalidArgument,
                "The prompt is empty; give it at least one token.",
            ));
        }
        if max_tokens == Some(0) {
            return Err(Error::new(
                Code::InvalidArgument,
                "`max_tokens` is 0; it must be at least 1.",
            ));
        }
        let stop = StopStrings::new(stop)?;
        let mut sampler = Sampler::new(sampling, self.decoder.vocab_size())?;

        let context_tokens = self.decoder.context_tokens();
        let prompt_tokens = tokens.len();
        let fits = prompt_tokens < context_tokens
            || (context_overflow == ContextOverflow::Slide
                && context_shift(&mut tokens, keep_tokens, context_tokens, vocabulary).is_some());
        if !fits {
            let message = format!(
                "The prompt has {prompt_tokens} tokens and the context holds {context_tokens}, one \
                 of them for the answer. Shorten the messages, load the model with more \
                 context_tokens, or set context_overflow to \"slide\"."
            );
            return Err(Error::new(Code::ContextFull, message));
        }

        sampler.observe_prompt(&tokens);
        let cached_tokens = self.decoder.select_slot(&tokens);
        self.longest_ms = 0.0;
        let usage = Usage {
            prompt_tokens: tokens.len(),
            cached_tokens,
            ..Usage::default()
        };
        self.tokens = tokens;
        self.stop.reset();
        let utf8 = Utf8Stream::default();
        self.answer = Some(Answer {
            sampler,
            utf8,
            stop,
            max_tokens,
            context_overflow,
            keep_tokens,
            usage,
        });
        Ok(())
    }

    /// Takes one step of the answer. Returns `None` when no answer is being written.
    ///
    /// Dropping the future ends the answer.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::step`]. An error ends the answer and leaves the KV cache as it was
    /// before the step, so that the next [`Generator::start`] works. An error of the device itself
    /// ([`Code::is_device`]) does not end the answer: it continues after
    /// [`Generator::replace_decoder`].
    pub async fn next(&mut self, vocabulary: &impl Vocabulary) -> Result<Option<Event>> {
        let Some(mut answer) = self.answer.take() else {
            return Ok(None);
        };
        if self.stop.reset() {
            return Ok(Some(answer.end(String::new(), FinishReason::Abort)));
        }
        let cached_tokens = self.decoder.cached_tokens();
        let outcome = self.step(&mut answer, vocabulary).await;
        let goes_on = match &outcome {
            Ok(event) => event.finish_reason.is_none(),
            Err(error) => {
                self.decoder.rewind(cached_tokens);
                error.code.is_device()
            }
        };
        if goes_on {
            self.answer = Some(answer);
        }
        outcome.map(Some)
    }

    async fn step(&mut self, answer: &mut Answer, vocabulary: &impl Vocabulary) -> Result<Event> {
        let total_tokens = self.tokens.len();
        match self.evaluate(answer).await? {
            Evaluated::Prompt { done_tokens } => Ok(Event {
                prefill: Some(Prefill {
                    done_tokens,
                    total_tokens,
                }),
                ..Event::default()
            }),
            Evaluated::All { token } => {
                self.tokens.push(token);
                // The end-of-turn token is no part of the answer.
                let logprob = if vocabulary.is_end(token) {
                    None
                } else {
                    answer.sampler.logprob(token, vocabulary)
                };
                Ok(Event {
                    logprob,
                    ..self.accept_token(token, answer, vocabulary)
                })
            }
        }
    }

    /// Evaluates the next chunk, or continues with it. Samples the token that follows if the chunk
    /// is the last one.
    async fn evaluate(&mut self, answer: &mut Answer) -> Result<Evaluated> {
        let start = self.decoder.cached_tokens();
        let end = self.tokens.len().min(start + self.chunker.tokens());
        let sampler = (end == self.tokens.len()).then(|| {
            let free_tokens = self.decoder.context_tokens() - end;
            let left_tokens = answer.max_tokens.map_or(free_tokens, |max_tokens| {
                max_tokens - answer.usage.completion_tokens
            });
            answer
                .sampler
                .expect_more(free_tokens.min(left_tokens).saturating_sub(1));
            &mut answer.sampler
        });
        let chunk = self.tokens.get(start..end).unwrap_or_default();
        let now_ms = &*self.now_ms;
        let begin_ms = now_ms();
        let (mut last_ms, mut longest_ms) = (begin_ms, self.longest_ms);
        let mut mark = || {
            let ms = now_ms();
            longest_ms = longest_ms.max(ms - last_ms);
            last_ms = ms;
            ms - begin_ms >= PREFILL_SLICE_MS
        };
        // A step of a single token is not interrupted: each of an answer's events is a token.
        let outcome = self
            .decoder
            .step(chunk, sampler, &mut || mark() && chunk.len() > 1)
            .await?;
        mark();
        self.longest_ms = longest_ms;
        if let StepOutcome::Done(_) = outcome {
            self.longest_ms = 0.0;
            if chunk.len() > 1 {
                self.chunker.observe(chunk.len(), longest_ms);
            }
        }
        Ok(match outcome {
            StepOutcome::Paused(share) => Evaluated::Prompt {
                done_tokens: start + (share * (end - start) as f32) as usize,
            },
            StepOutcome::Done(None) => Evaluated::Prompt { done_tokens: end },
            StepOutcome::Done(Some(token)) => Evaluated::All { token },
        })
    }

    /// Turns a token into text, and ends the answer where it must end.
    fn accept_token(
        &mut self,
        token: u32,
        answer: &mut Answer,
        vocabulary: &impl Vocabulary,
    ) -> Event {
        answer.usage.completion_tokens += 1;
        if vocabulary.is_end(token) {
            return answer.end(String::new(), FinishReason::Stop);
        }
        let text = if vocabulary.is_control(token) {
            String::new()
        } else if answer.utf8.has_begun() {
            answer.utf8.push(vocabulary.token_bytes(token))
        } else {
            answer.utf8.push(vocabulary.first_bytes(token))
        };
        let released = answer.stop.push(&text);
        if released.stopped {
            return answer.end(released.text, FinishReason::Stop);
        }
        let spent = answer
            .max_tokens
            .is_some_and(|max_tokens| answer.usage.completion_tokens >= max_tokens);
        if spent || !self.make_room(answer, vocabulary) {
            return answer.end(released.text, FinishReason::Length);
        }
        Event {
            text: released.text,
            ..Event::default()
        }
    }

    /// Returns whether the context has room for one more token, after a context shift if the answer
    /// allows it.
    fn make_room(&mut self, answer: &mut Answer, vocabulary: &impl Vocabulary) -> bool {
        let context_tokens = self.decoder.context_tokens();
        if self.tokens.len() < context_tokens {
            return true;
        }
        if answer.context_overflow == ContextOverflow::Error {
            return false;
        }
        let Some(kept) = context_shift(
            &mut self.tokens,
            answer.keep_tokens,
            context_tokens,
            vocabulary,
        ) else {
            return false;
        };
        self.decoder.rewind(kept);
        true
    }
}
