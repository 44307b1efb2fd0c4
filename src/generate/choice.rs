//! Says how likely a model finds each of a few answers, without writing any.

use super::{
    decoder::Decoder,
    event::{ChoiceProbability, Event, FinishReason, Prefill, Usage},
    prefill_chunker::PrefillChunker,
};
use crate::{Code, Error, Result, host, model::STEP_TOKENS, model::StepOutcome};
use std::collections::BTreeMap;

/// Sets the time in milliseconds that one step spends on the prompt, as in a generator.
const PREFILL_SLICE_MS: f64 = 50.0;

/// Computes the probability of each label: the product of its tokens' probabilities, divided by
/// the sum over all labels.
///
/// The labels make a trie of tokens. Each token of the trie but the last ones goes through the
/// model once, those of a branch in one step.
pub struct Choice {
    prompt: Vec<u32>,
    labels: Vec<Label>,
    /// Maps each beginning of a label to the log-probabilities of the tokens that follow it there;
    /// NaN where they are not known yet.
    nodes: BTreeMap<Vec<u32>, BTreeMap<u32, f64>>,
    chunker: PrefillChunker,
    cached_tokens: usize,
}

/// Holds a text that may be the answer.
#[derive(Clone, Debug)]
pub struct Label {
    /// Holds the text.
    pub text: String,
    /// Holds its tokens, at least one.
    pub tokens: Vec<u32>,
}

impl Choice {
    /// Begins to compute what follows `prompt`.
    ///
    /// # Errors
    ///
    /// - `invalid_argument` for a label of no tokens or of too many for a step.
    /// - `context_full` when prompt and label do not fit the context.
    pub fn new(decoder: &mut impl Decoder, prompt: Vec<u32>, labels: Vec<Label>) -> Result<Self> {
        for label in &labels {
            check_label(label, prompt.len(), decoder.context_tokens())?;
        }
        let cached_tokens = decoder.select_slot(&prompt);
        let mut nodes: BTreeMap<Vec<u32>, BTreeMap<u32, f64>> = BTreeMap::new();
        for Label { tokens, .. } in &labels {
            for (at, &token) in tokens.iter().enumerate() {
                let node = nodes.entry(tokens[..at].to_vec()).or_default();
                node.insert(token, f64::NAN);
            }
        }
        Ok(Self {
            prompt,
            labels,
            nodes,
            chunker: PrefillChunker::new(decoder.min_batch()),
            cached_tokens,
        })
    }

    /// Takes a step: of the prompt, or of a label. The last event has the probabilities.
    ///
    /// # Errors
    ///
    /// `not_finite`, and those of the device.
    pub async fn next(&mut self, decoder: &mut impl Decoder) -> Result<Event> {
        let done_tokens = decoder.cached_tokens();
        if done_tokens + 1 < self.prompt.len() {
            return self.read_prompt(decoder).await;
        }
        if let Some(tokens) = self.unknown_label() {
            self.read_label(decoder, &tokens).await?;
        }
        Ok(match self.unknown_label() {
            Some(_) => self.progress(self.prompt.len()),
            None => self.finish(FinishReason::Stop),
        })
    }

    /// Returns the event that ends it: with the likeliest label as the text, unless it was stopped.
    pub fn finish(&self, reason: FinishReason) -> Event {
        let mut usage = Usage {
            prompt_tokens: self.prompt.len(),
            cached_tokens: self.cached_tokens,
            ..Usage::default()
        };
        let mut event = Event {
            finish_reason: Some(reason),
            ..Event::default()
        };
        if reason == FinishReason::Stop {
            let choice = self.probabilities();
            let best = (0..choice.len()).max_by(|&a, &b| {
                choice[a]
                    .logprob
                    .total_cmp(&choice[b].logprob)
                    .then(b.cmp(&a))
            });
            if let Some(best) = best {
                event.text = choice[best].label.clone();
                usage.completion_tokens = self.labels[best].tokens.len();
            }
            event.choice = Some(choice);
        }
        usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
        event.usage = Some(usage);
        event
    }

    async fn read_prompt(&mut self, decoder: &mut impl Decoder) -> Result<Event> {
        let start = decoder.cached_tokens();
        let end = (self.prompt.len() - 1).min(start + self.chunker.tokens());
        let begin_ms = host::now_ms();
        let (mut last_ms, mut longest_ms) = (begin_ms, 0f64);
        let mut pause = || {
            let ms = host::now_ms();
            longest_ms = longest_ms.max(ms - last_ms);
            last_ms = ms;
            ms - begin_ms >= PREFILL_SLICE_MS
        };
        let chunk = &self.prompt[start..end];
        let outcome = decoder.step(chunk, None, &mut pause).await?;
        pause();
        match outcome {
            StepOutcome::Paused(share) => {
                Ok(self.progress(start + (share * chunk.len() as f32) as usize))
            }
            StepOutcome::Done(_) => {
                self.chunker.observe(chunk.len(), longest_ms);
                Ok(self.progress(end))
            }
        }
    }

    fn progress(&self, done_tokens: usize) -> Event {
        let total_tokens = self.prompt.len();
        Event {
            prefill: Some(Prefill {
                done_tokens,
                total_tokens,
            }),
            ..Event::default()
        }
    }

    /// Returns the tokens of the first label, in the order of their tokens, of which a probability
    /// is not known.
    fn unknown_label(&self) -> Option<Vec<u32>> {
        let labels = self.labels.iter().map(|label| &label.tokens);
        labels
            .filter(|tokens| self.known_tokens(tokens) < tokens.len())
            .min()
            .cloned()
    }

    /// Returns the number of tokens at the beginning of a label whose probabilities are known.
    fn known_tokens(&self, tokens: &[u32]) -> usize {
        (0..tokens.len())
            .take_while(|&at| self.nodes[&tokens[..at]][&tokens[at]].is_finite())
            .count()
    }

    /// Evaluates the rest of a label. What is cached of the label before it, in the order of
    /// tokens, agrees with it as far as its probabilities are known.
    async fn read_label(&mut self, decoder: &mut impl Decoder, tokens: &[u32]) -> Result<()> {
        let base = self.prompt.len() - 1;
        let cached_tokens = decoder.rewind(base + self.known_tokens(tokens));
        // A cache of states may have to go on from before the prompt's end.
        for chunk in self.prompt[cached_tokens.min(base)..base].chunks(STEP_TOKENS) {
            decoder.step(chunk, None, &mut || false).await?;
        }
        let start = decoder.cached_tokens() - base;
        let path = [&self.prompt[base..], &tokens[..tokens.len() - 1]].concat();
        let mut logits = Vec::new();
        decoder
            .step_all(&path[start..], &mut logits, &mut || false)
            .await?;
        for (at, row) in (start..).zip(logits.chunks_exact(decoder.vocab_size())) {
            let Some(node) = self.nodes.get_mut(&tokens[..at]) else {
                continue;
            };
            let log_sum = log_sum_exp(row);
            for (&token, logprob) in node {
                *logprob = f64::from(row[token as usize]) - log_sum;
            }
        }
        Ok(())
    }

    fn probabilities(&self) -> Vec<ChoiceProbability> {
        let logprobs: Vec<f64> = self
            .labels
            .iter()
            .map(|Label { tokens, .. }| {
                (0..tokens.len())
                    .map(|at| self.nodes[&tokens[..at]][&tokens[at]])
                    .sum()
            })
            .collect();
        let max = logprobs.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let sum: f64 = logprobs.iter().map(|logprob| (logprob - max).exp()).sum();
        let label = |(label, &logprob): (&Label, &f64)| ChoiceProbability {
            label: label.text.clone(),
            probability: (logprob - max).exp() / sum,
            logprob,
        };
        self.labels.iter().zip(&logprobs).map(label).collect()
    }
}

fn check_label(label: &Label, prompt_tokens: usize, context_tokens: usize) -> Result<()> {
    let len = label.tokens.len();
    if !(1..=STEP_TOKENS).contains(&len) {
        return Err(Error::new(
            Code::InvalidArgument,
            format!(
                "`choice` holds {:?}, which has {len} tokens; a label has 1 to {STEP_TOKENS}.",
                label.text
            ),
        ));
    }
    if prompt_tokens + len > context_tokens {
        return Err(Error::new(
            Code::ContextFull,
            format!(
                "The prompt has {prompt_tokens} tokens and a label {len}, and the context holds \
                 {context_tokens}. Shorten the messages, or load the model with more \
                 context_tokens."
            ),
        ));
    }
    Ok(())
}

/// Returns the logarithm of the sum of the exponentials.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let sum: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
    f64::from(max) + sum.ln()
}
