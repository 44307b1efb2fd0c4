//! Computes how likely the model finds a text: for ranking candidates, classifying without
//! generating, and measuring perplexity.

use super::{Session, engine::AnyModel};
use crate::{
    Code, Error, Result,
    generate::{Decoder, StepOutcome, prefill_chunker::PrefillChunker, stop::StopHandle},
    host,
};
use serde::Serialize;

/// Sets the time in milliseconds after which a score lets other calls of the page run, one of which
/// may stop it. A layer that is being computed is finished first.
const SLICE_MS: f64 = 100.0;

/// Tells how likely the model finds each token of a text.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Score {
    /// Holds the natural logarithm of each token's probability, given the tokens before it,
    /// `[tokens - 1]`: the first token has none before it.
    pub log_probabilities: Vec<f32>,
    /// Holds the most likely token after each token, `[tokens]`.
    pub most_likely: Vec<u32>,
}

impl Session<AnyModel> {
    /// Scores `tokens` from an empty context on. The conversations in the slots stay as they are.
    ///
    /// # Errors
    ///
    /// - `busy` while an answer is being written.
    /// - `invalid_argument` when there are no tokens, or one is outside the vocabulary.
    /// - `context_full` when the tokens do not fit the context.
    /// - `aborted` after [`Session::stop`].
    /// - `not_finite` when a logit is NaN or infinite.
    pub async fn score(&mut self, tokens: &[u32]) -> Result<Score> {
        if self.generator.is_writing() {
            return Err(Error::new(
                Code::Busy,
                "An answer is being written. Wait for its end, or stop it first.",
            ));
        }
        if tokens.is_empty() {
            return Err(Error::new(
                Code::InvalidArgument,
                "There are no tokens to score; give at least one.",
            ));
        }
        let stop = self.generator.stop_handle();
        stop.reset();
        let decoder = self.generator.decoder_mut();
        decoder.check_tokens(tokens)?;
        let state = decoder.export_oldest_slot().await?;
        decoder.rewind(0);
        let score = score(decoder, tokens, &stop).await;
        decoder.import_slot(&state)?;
        score
    }
}

async fn score(decoder: &mut AnyModel, tokens: &[u32], stop: &StopHandle) -> Result<Score> {
    let mut score = Score::default();
    let (vocab, mut logits) = (decoder.vocab_size(), Vec::new());
    let mut following = tokens.iter().skip(1);
    // As with a prompt, a chunk is as long as a page can wait for, and a slow card answers in time.
    let mut chunker = PrefillChunker::new(decoder.min_batch());
    let mut rest = tokens;
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(chunker.tokens().min(rest.len()));
        rest = later;
        let longest_ms = evaluate(decoder, chunk, &mut logits, stop).await?;
        chunker.observe(chunk.len(), longest_ms);
        for row in logits.chunks_exact(vocab) {
            let best = (0..)
                .zip(row)
                .fold((0, f32::NEG_INFINITY), |best, (id, &x)| {
                    if x > best.1 { (id, x) } else { best }
                });
            score.most_likely.push(best.0);
            if let Some(logit) = following.next().and_then(|&next| row.get(next as usize)) {
                let sum: f64 = row.iter().map(|x| f64::from(x - best.1).exp()).sum();
                score
                    .log_probabilities
                    .push((f64::from(logit - best.1) - sum.ln()) as f32);
            }
        }
    }
    Ok(score)
}

/// Evaluates a chunk a slice of time after the other. Returns the longest time in milliseconds
/// between two chances to be interrupted.
async fn evaluate(
    decoder: &mut AnyModel,
    chunk: &[u32],
    logits: &mut Vec<f32>,
    stop: &StopHandle,
) -> Result<f64> {
    let mut longest_ms: f64 = 0.0;
    loop {
        let begin_ms = host::now_ms();
        let mut last_ms = begin_ms;
        let mut mark = || {
            let ms = host::now_ms();
            longest_ms = longest_ms.max(ms - last_ms);
            last_ms = ms;
            ms - begin_ms >= SLICE_MS
        };
        let outcome = decoder.step_all(chunk, logits, &mut mark).await?;
        mark();
        host::pause(0).await;
        if stop.reset() {
            return Err(Error::new(Code::Aborted, "The request was stopped."));
        }
        if let StepOutcome::Done(_) = outcome {
            return Ok(longest_ms);
        }
    }
}
