//! Writes one answer, a small step at a time, and keeps the KV cache for the next.

use super::{
    Decoder, Outcome, Vocabulary,
    event::{Event, FinishReason, Prefill, Usage},
    prefill_chunker::PrefillChunker,
    sampler::{Sampler, SamplingOptions},
    stop::StopStrings,
};
use crate::{Code, Error, Result, host, text::stream::Utf8Stream};
use serde::Deserialize;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// What to write.
#[derive(Clone, Debug, Default)]
pub struct GenerateOptions {
    pub prompt: Vec<u32>,
    /// The answer ends at the context's limit anyway.
    pub max_tokens: Option<usize>,
    pub sampling: SamplingOptions,
    /// Text that ends the answer and is no part of it.
    pub stop: Vec<String>,
    pub context_overflow: ContextOverflow,
    /// The first tokens of the prompt that stay when the context slides: the system message, say.
    pub head_tokens: usize,
}

/// What to do when prompt and answer outgrow the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContextOverflow {
    /// A prompt that does not fit is an error; an answer that does not ends with `length`.
    #[default]
    Error,
    /// The older half of the conversation is forgotten, and the answer goes on.
    Slide,
}

/// Stops the answer of one generator, from anywhere: the next step ends it.
#[derive(Clone, Debug, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn reset(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// How long the prompt is worked on before the caller may do something else: draw, or stop the answer.
const TURN_MS: f64 = 50.0;

/// Drives a [`Decoder`]. [`Generator::start`] takes an order; each [`Generator::next`] then spends at most about 100 ms on
/// the prompt or writes one token.
pub struct Generator<D> {
    decoder: D,
    /// The conversation so far. The decoder has cached its first `decoder.cached_tokens()`.
    tokens: Vec<u32>,
    answer: Option<Answer>,
    chunker: PrefillChunker,
    /// The longest that the current step has worked without interruption.
    longest_ms: f64,
    now_ms: Box<dyn Fn() -> f64>,
    stop: StopHandle,
}

/// The answer that is being written.
struct Answer {
    sampler: Sampler,
    utf8: Utf8Stream,
    stop: StopStrings,
    max_tokens: Option<usize>,
    context_overflow: ContextOverflow,
    head_tokens: usize,
    usage: Usage,
}

/// What came of a step.
enum Evaluated {
    /// Part of the prompt is still to be read.
    Prompt { done_tokens: usize },
    /// The token that goes on.
    All { token: u32 },
}

impl Answer {
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
    pub fn new(decoder: D) -> Self {
        Self::with_clock(decoder, Box::new(host::now_ms))
    }

    /// `now_ms` tells the time in milliseconds; the size of prompt chunks follows from it.
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

    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    /// For other uses of the model between two answers. Whoever fills its cache empties it afterwards.
    pub fn decoder_mut(&mut self) -> &mut D {
        &mut self.decoder
    }

    /// Takes the place of a decoder that was lost. Nothing is cached in it yet: the next step reads the conversation anew.
    pub fn replace_decoder(&mut self, decoder: D) {
        self.chunker = PrefillChunker::new(decoder.min_batch());
        self.decoder = decoder;
    }

    pub fn is_writing(&self) -> bool {
        self.answer.is_some()
    }

    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Begins an answer. Of the prompt, the longest beginning that the KV cache still holds is not evaluated again.
    /// Errors, each of which leaves everything as it was: `busy` while an answer is written; `invalid_argument` for options out of range
    /// or an empty prompt; `context_full` when the prompt leaves no room for a token.
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
            head_tokens,
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
                && slide(&mut tokens, head_tokens, context_tokens, vocabulary).is_some());
        if !fits {
            let message = format!(
                "The prompt has {prompt_tokens} tokens and the context holds {context_tokens}, one of them for the answer. \
                 Shorten the messages, load the model with more context_tokens, or set context_overflow to \"slide\"."
            );
            return Err(Error::new(Code::ContextFull, message));
        }

        sampler.observe_prompt(&tokens);
        let cached_tokens = self.reusable(&tokens);
        self.decoder.truncate(cached_tokens);
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
            head_tokens,
            usage,
        });
        Ok(())
    }

    /// One step of the answer; none when no answer is being written.
    /// An error ends the answer, and leaves the cache as it was before the step: the next [`Generator::start`] works. One of the device
    /// itself ([`Code::is_device`]) does not end it: [`Generator::replace_decoder`], and it goes on.
    /// Dropping the future ends the answer too.
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
                self.decoder.truncate(cached_tokens);
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
                // The end of a turn is no token of the answer.
                let logprob = if vocabulary.is_end(token) {
                    None
                } else {
                    answer.sampler.logprob(token, vocabulary)
                };
                Ok(Event {
                    logprob,
                    ..self.say(token, answer, vocabulary)
                })
            }
        }
    }

    /// Evaluates the next tokens, or goes on with them, and has the token chosen that follows the last.
    async fn evaluate(&mut self, answer: &mut Answer) -> Result<Evaluated> {
        let start = self.decoder.cached_tokens();
        let end = self.tokens.len().min(start + self.chunker.tokens());
        let sampler = (end == self.tokens.len()).then(|| {
            let room = self.decoder.context_tokens() - end;
            let left = answer.max_tokens.map_or(room, |max_tokens| {
                max_tokens - answer.usage.completion_tokens
            });
            answer.sampler.expect_more(room.min(left).saturating_sub(1));
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
            ms - begin_ms >= TURN_MS
        };
        // A single token is not interrupted: an answer's events are its tokens.
        let outcome = self
            .decoder
            .step(chunk, sampler, &mut || mark() && chunk.len() > 1)
            .await?;
        mark();
        self.longest_ms = longest_ms;
        if let Outcome::Done(_) = outcome {
            self.longest_ms = 0.0;
            if chunk.len() > 1 {
                self.chunker.observe(chunk.len(), longest_ms);
            }
        }
        Ok(match outcome {
            Outcome::Paused(share) => Evaluated::Prompt {
                done_tokens: start + (share * (end - start) as f32) as usize,
            },
            Outcome::Done(None) => Evaluated::Prompt { done_tokens: end },
            Outcome::Done(Some(token)) => Evaluated::All { token },
        })
    }

    /// Turns a token into text, and ends the answer where it must end.
    fn say(&mut self, token: u32, answer: &mut Answer, vocabulary: &impl Vocabulary) -> Event {
        answer.usage.completion_tokens += 1;
        if vocabulary.is_end(token) {
            return answer.end(String::new(), FinishReason::Stop);
        }
        let said = if vocabulary.is_control(token) {
            String::new()
        } else {
            answer.utf8.push(vocabulary.token_bytes(token))
        };
        let released = answer.stop.push(&said);
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

    /// Whether the context has room for one more token, after sliding if that is wanted.
    fn make_room(&mut self, answer: &mut Answer, vocabulary: &impl Vocabulary) -> bool {
        let context_tokens = self.decoder.context_tokens();
        if self.tokens.len() < context_tokens {
            return true;
        }
        if answer.context_overflow == ContextOverflow::Error {
            return false;
        }
        let Some(kept) = slide(
            &mut self.tokens,
            answer.head_tokens,
            context_tokens,
            vocabulary,
        ) else {
            return false;
        };
        self.decoder.truncate(kept);
        true
    }

    /// How many of `tokens` the cache already holds. The last is always evaluated anew, for its logits.
    fn reusable(&self, tokens: &[u32]) -> usize {
        let cached = self.tokens.iter().take(self.decoder.cached_tokens());
        let same = cached
            .zip(tokens)
            .take_while(|(cached, token)| cached == token)
            .count();
        same.min(tokens.len() - 1)
    }
}

/// Forgets the older part of a conversation that fills the context: after the first `head_tokens`, only as many of the newest stay as fill half the rest.
/// Cuts where a turn ends, if one ends near by. Returns how many tokens at the beginning stayed in place; none when the head alone fills the context.
fn slide(
    tokens: &mut Vec<u32>,
    head_tokens: usize,
    context_tokens: usize,
    vocabulary: &impl Vocabulary,
) -> Option<usize> {
    let newest = context_tokens.checked_sub(head_tokens)? / 2;
    let cut = tokens
        .len()
        .checked_sub(newest)
        .filter(|&cut| newest > 0 && cut > head_tokens)?;
    let near = tokens.get(cut - 1..cut + newest / 4)?;
    let turn = near
        .iter()
        .position(|&token| vocabulary.is_end(token))
        .unwrap_or(0);
    tokens.drain(head_tokens..cut + turn);
    Some(head_tokens)
}
