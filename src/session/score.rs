//! Computes how likely the model finds a text: for ranking candidates, classifying without
//! generating, and measuring perplexity.

use super::{
    Session,
    engine::AnyModel,
    evaluate::{Wanted, evaluate},
};
use crate::{
    Code, Error, Result,
    generate::{Decoder, stop::StopHandle},
    model::SlotState,
};
use serde::Serialize;

/// Tells how likely the model finds each token of a text.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Score {
    /// Holds the natural logarithm of the probability of each token from the first scored one on,
    /// given the tokens before it, `[tokens - from]`.
    pub log_probabilities: Vec<f32>,
    /// Holds the most likely token in the place of each scored token and after the last one,
    /// `[tokens - from + 1]`.
    pub most_likely: Vec<u32>,
}

impl Session<AnyModel> {
    /// Scores the tokens from number `from` on; those before it are only read. The first token has
    /// none before it, so that `from` is at least 1. The conversations in the slots stay as they
    /// are.
    ///
    /// What several scores begin with is computed once, if `from` leaves it out: the last one is
    /// kept.
    ///
    /// # Errors
    ///
    /// - `busy` while an answer is being written.
    /// - `invalid_argument` when there are no tokens, one is outside the vocabulary, or `from` is 0
    ///   or above the number of tokens.
    /// - `context_full` when the tokens do not fit the context.
    /// - `aborted` after [`Session::stop`].
    /// - `not_finite` when a logit is NaN or infinite.
    pub async fn score(&mut self, tokens: &[u32], from: usize) -> Result<Score> {
        self.check_idle()?;
        if tokens.is_empty() {
            return Err(Error::new(
                Code::InvalidArgument,
                "There are no tokens to score; give at least one.",
            ));
        }
        if !(1..=tokens.len()).contains(&from) {
            let message = format!(
                "`from` is {from}, and must be from 1, for the first token has no probability, to \
                 the number of tokens, {}.",
                tokens.len()
            );
            return Err(Error::new(Code::InvalidArgument, message));
        }
        self.use_default_adapters()?;
        let stop = self.generator.stop_handle();
        stop.reset();
        let decoder = self.generator.decoder_mut();
        decoder.check_tokens(tokens)?;
        let conversation = decoder.export_oldest_slot().await?;
        let score = score(decoder, tokens, from, &mut self.scored, &stop).await;
        decoder.import_slot(&conversation)?;
        score
    }
}

/// Scores in the slot in use. `scored` holds what the last score left in it.
async fn score(
    decoder: &mut AnyModel,
    tokens: &[u32],
    from: usize,
    scored: &mut SlotState,
    stop: &StopHandle,
) -> Result<Score> {
    let pairs = scored.tokens.iter().zip(&tokens[..from - 1]);
    let common_tokens = match decoder.suits(scored) {
        true => pairs.take_while(|(a, b)| a == b).count(),
        false => 0,
    };
    if common_tokens > 0 {
        decoder.import_slot(scored)?;
    }
    let cached_tokens = decoder.rewind(common_tokens);
    *scored = SlotState::default();
    let (before, rest) = tokens.split_at(from - 1);
    evaluate(decoder, &before[cached_tokens..], stop, Wanted::Nothing).await?;
    let score = log_probabilities(decoder, rest, stop).await?;
    // A caller that wants every probability has no beginning to share.
    if from > 1 {
        *scored = decoder.export_slot().await?;
    }
    Ok(score)
}

/// Evaluates `tokens`, and returns the scores of all but the first.
async fn log_probabilities(
    decoder: &mut AnyModel,
    tokens: &[u32],
    stop: &StopHandle,
) -> Result<Score> {
    let mut score = Score::default();
    let vocab = decoder.vocab_size();
    let mut following = tokens.iter().skip(1);
    let mut on_logits = |logits: &[f32]| {
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
    };
    evaluate(decoder, tokens, stop, Wanted::Logits(&mut on_logits)).await?;
    Ok(score)
}
