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
};
use serde::Serialize;

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
        self.check_idle()?;
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
