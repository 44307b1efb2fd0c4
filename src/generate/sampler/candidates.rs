//! Holds the tokens that can be sampled, and filters them.

use crate::{Code, Error, Result};
use std::cmp::Ordering;

/// Describes a token that can be sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Holds the token's id.
    pub token: u32,
    /// Holds the token's probability. While the filters run, this field holds its logit first and
    /// then its probability relative to that of the most likely token.
    pub probability: f32,
}

/// Returns the first token with the largest logit, and that logit.
///
/// # Errors
///
/// `not_finite` when a logit is NaN or infinite, or none is above minus infinity.
pub(super) fn argmax(logits: &[f32]) -> Result<(u32, f32)> {
    let mut top = (0, f32::NEG_INFINITY);
    let mut broken = false;
    for (token, &logit) in (0u32..).zip(logits) {
        broken |= logit.is_nan() || logit == f32::INFINITY;
        if logit > top.1 {
            top = (token, logit);
        }
    }
    if broken || top.1 == f32::NEG_INFINITY {
        return Err(Error::new(
            Code::NotFinite,
            "The model computed a logit that is no number. Download the model file again; if it \
             stays so, report it.",
        ));
    }
    Ok(top)
}

/// Yields every token with its logit.
pub(super) fn with_logits(logits: &[f32]) -> impl Iterator<Item = Candidate> {
    (0u32..).zip(logits).map(|(token, &logit)| Candidate {
        token,
        probability: logit,
    })
}

/// Returns the sum of the candidates' probabilities.
pub(super) fn total_probability(candidates: &[Candidate]) -> f64 {
    candidates
        .iter()
        .map(|candidate| f64::from(candidate.probability))
        .sum()
}

/// Orders candidates from the most likely to the least likely, equal ones by their id. The order is
/// total, so that a seed gives the same tokens on every machine.
fn by_rank(a: &Candidate, b: &Candidate) -> Ordering {
    b.probability
        .total_cmp(&a.probability)
        .then(a.token.cmp(&b.token))
}

/// Appends the `k` largest logits to `kept`, the largest first.
///
/// The time is linear in the vocabulary: a logit enters `kept` only if it is above the `k`-th
/// largest of those before it.
pub(super) fn top_k(logits: &[f32], k: usize, kept: &mut Vec<Candidate>) {
    let capacity = (2 * k).max(128);
    let mut floor = f32::NEG_INFINITY;
    for candidate in with_logits(logits) {
        // A later candidate of equal logit ranks lower. Only the first `k` candidates may have a
        // logit of minus infinity.
        if candidate.probability > floor || kept.len() < k {
            kept.push(candidate);
        }
        if kept.len() >= capacity {
            floor = kept.select_nth_unstable_by(k - 1, by_rank).1.probability;
            kept.truncate(k);
        }
    }
    kept.sort_unstable_by(by_rank);
    kept.truncate(k);
}

/// Keeps the most likely candidates whose probabilities sum to `top_p` of the total. Sorts only a
/// prefix of the candidates, which grows until it holds enough of them.
pub(super) fn top_p(candidates: &mut Vec<Candidate>, p: f32) {
    let goal = total_probability(candidates) * f64::from(p);
    let mut sorted = 64;
    loop {
        sorted = candidates.len().min(sorted);
        if sorted < candidates.len() {
            candidates.select_nth_unstable_by(sorted, by_rank);
        }
        let head = &mut candidates[..sorted];
        head.sort_unstable_by(by_rank);
        let mut reached = 0.0;
        let end = head.iter().position(|candidate| {
            reached += f64::from(candidate.probability);
            reached >= goal
        });
        if let Some(end) = end {
            return candidates.truncate(end + 1);
        }
        if sorted == candidates.len() {
            return;
        }
        sorted *= 4;
    }
}
