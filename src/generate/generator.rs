//! Writes one answer in small steps, and keeps the KV cache for the next answer.

use super::{
    answer::{Answer, Sampled},
    context_shift::context_shift,
    decoder::Decoder,
    event::{Event, FinishReason, Prefill, Usage},
    options::{ContextOverflow, GenerateOptions},
    prefill_chunker::PrefillChunker,
    sampler::Sampler,
    speculation::Speculation,
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
    pub(super) decoder: D,
    /// Holds the tokens of the prompt and its answer so far, of which the decoder has cached the
    /// first `decoder.cached_tokens()`.
    pub(super) tokens: Vec<u32>,
    answer: Option<Answer>,
    chunker: PrefillChunker,
    pub(super) speculation: Speculation,
    /// Holds the number of tokens that are evaluated, while a prompt is.
    done_tokens: usize,
    /// Holds the longest time in milliseconds that the current step has computed between two
    /// chances to be interrupted.
    longest_ms: f64,
    pub(super) now_ms: Box<dyn Fn() -> f64>,
    stop: StopHandle,
}

impl<D: Decoder> Generator<D> {
    /// Makes a generator without a conversation.
    pub fn new(decoder: D) -> Self {
        Self::with_clock(decoder, Box::new(host::now_ms))
    }

    /// Makes a generator with a clock of its own: `now_ms` returns the time in milliseconds.
    pub fn with_clock(decoder: D, now_ms: Box<dyn Fn() -> f64>) -> Self {
        let stop = StopHandle::default();
        let chunker = PrefillChunker::new(decoder.min_batch());
        let speculation = Speculation::new();
        Self {
            decoder,
            tokens: Vec::new(),
            answer: None,
            chunker,
            speculation,
            done_tokens: 0,
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
        self.speculation = Speculation::new();
        self.speculation.begin(decoder.runs_ahead());
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
            visible_tokens,
            constraint,
            draft_max,
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
        self.speculation.begin(self.decoder.runs_ahead());
        let usage = Usage {
            prompt_tokens: tokens.len(),
            cached_tokens,
            ..Usage::default()
        };
        self.tokens = tokens;
        self.stop.reset();
        let mut answer = Answer {
            sampler,
            utf8: Utf8Stream::default(),
            stop,
            max_tokens,
            context_overflow,
            keep_tokens,
            draft_max: draft_max.unwrap_or(usize::MAX),
            visible_tokens,
            usage,
            drafts: Default::default(),
            sampled: Default::default(),
        };
        if let Some(constraint) = constraint {
            answer.sampler.constrain(constraint);
            answer.push_forced();
        }
        self.answer = Some(answer);
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
            self.drop_sampled(&answer);
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
        } else {
            self.drop_sampled(&answer);
        }
        outcome.map(Some)
    }

    /// Makes these tokens the next of the answer, whatever the model would write.
    pub fn force(&mut self, tokens: &[u32]) {
        let Some(mut answer) = self.answer.take() else {
            return;
        };
        self.drop_sampled(&answer);
        answer.sampled.clear();
        answer.force(tokens);
        self.answer = Some(answer);
    }

    /// Removes from the KV cache the tokens of an answer that were sampled and are not written.
    fn drop_sampled(&mut self, answer: &Answer) {
        if !answer.sampled.is_empty() {
            self.decoder.rewind(self.tokens.len());
        }
    }

    async fn step(&mut self, answer: &mut Answer, vocabulary: &impl Vocabulary) -> Result<Event> {
        let total_tokens = self.tokens.len();
        if answer.sampled.is_empty() {
            if answer.sampler.is_complete() {
                return Ok(answer.end(String::new(), FinishReason::Stop));
            }
            if !self.check_draft(answer, vocabulary).await? {
                self.evaluate(answer, vocabulary).await?;
            }
            if !answer.sampled.is_empty() {
                answer.push_forced();
            }
        }
        match answer.sampled.pop_front() {
            None => Ok(Event {
                prefill: Some(Prefill {
                    done_tokens: self.done_tokens,
                    total_tokens,
                }),
                ..Event::default()
            }),
            Some(Sampled { token, logprob }) => {
                self.tokens.push(token);
                Ok(Event {
                    logprob,
                    ..self.accept_token(token, answer, vocabulary)
                })
            }
        }
    }

    /// Evaluates the next chunk, or continues with it. Samples the token that follows if the chunk
    /// is the last one.
    async fn evaluate(&mut self, answer: &mut Answer, vocabulary: &impl Vocabulary) -> Result<()> {
        let start = self.decoder.cached_tokens();
        let end = self.tokens.len().min(start + self.chunker.tokens());
        let sampler = (end == self.tokens.len()).then(|| {
            let left_tokens = answer.left_tokens(self.decoder.context_tokens() - end);
            answer.sampler.expect_more(left_tokens.saturating_sub(1));
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
            match chunk.len() {
                1 => self.speculation.observe(1, 0, [begin_ms, last_ms]),
                tokens => self.chunker.observe(tokens, longest_ms),
            }
        }
        match outcome {
            StepOutcome::Paused(share) => {
                self.done_tokens = start + (share * (end - start) as f32) as usize;
            }
            StepOutcome::Done(None) => self.done_tokens = end,
            StepOutcome::Done(Some(token)) => answer.push(token, vocabulary),
        }
        Ok(())
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
        let text = answer.text_of(token, vocabulary);
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
