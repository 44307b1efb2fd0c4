//! Holds the tokens that can be sampled, and filters them.

use crate::{
    Code, Error, Result,
    backend::exponentials::{BLOCK, Histogram, largest},
};
use std::cmp::Ordering;

/// Describes a token that can be sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Holds the token's id.
    pub token: u32,
    /// Holds the token's probability. While the filters run, this field holds its logit.
    pub probability: f32,
}

impl Candidate {
    fn of_logit((token, &logit): (u32, &f32)) -> Self {
        Self {
            token,
            probability: logit,
        }
    }
}

/// Returns the first token with the largest logit, and that logit.
///
/// # Errors
///
/// `not_finite` when a logit is NaN or infinite, or none is above minus infinity.
pub(super) fn argmax(logits: &[f32]) -> Result<(u32, f32)> {
    let mut top = (0, f32::NEG_INFINITY);
    let mut finite = true;
    for (first, block) in (0u32..).step_by(BLOCK).zip(logits.chunks(BLOCK)) {
        // NaN is not below infinity either.
        finite &= block
            .iter()
            .fold(true, |finite, &logit| finite & (logit < f32::INFINITY));
        let max = largest(block);
        if max > top.1 {
            let index = block.iter().position(|&logit| logit == max);
            top = (first + index.unwrap_or(0) as u32, max);
        }
    }
    if !finite || top.1 == f32::NEG_INFINITY {
        return Err(Error::new(
            Code::NotFinite,
            "The model computed a logit that is no number. Download the model file again; if it \
             stays so, report it.",
        ));
    }
    Ok(top)
}

/// Appends the tokens whose logit is at least `least`, in the order of their ids.
pub(super) fn at_least(logits: &[f32], least: f32, kept: &mut Vec<Candidate>) {
    let candidates = (0u32..).zip(logits).map(Candidate::of_logit);
    kept.extend(candidates.filter(|candidate| candidate.probability >= least));
}

/// Orders candidates from the most likely to the least likely, equal ones by their id. The order is
/// total, so that a seed gives the same tokens on every machine.
pub(super) fn by_rank(a: &Candidate, b: &Candidate) -> Ordering {
    b.probability
        .total_cmp(&a.probability)
        .then(a.token.cmp(&b.token))
}

/// Appends the `k` largest logits to `kept`, the largest first.
///
/// The time is linear in the vocabulary: a logit enters `kept` only if it is above the `k`-th
/// largest of those before it, and most blocks have none that is.
pub(super) fn top_k(logits: &[f32], k: usize, kept: &mut Vec<Candidate>) {
    let capacity = (2 * k).max(128);
    let mut floor = f32::NEG_INFINITY;
    for (first, block) in (0u32..).step_by(BLOCK).zip(logits.chunks(BLOCK)) {
        if kept.len() >= k && largest(block) <= floor {
            continue;
        }
        for candidate in (first..).zip(block).map(Candidate::of_logit) {
            // A later candidate of equal logit ranks lower. Only the first `k` candidates may have
            // a logit of minus infinity.
            if candidate.probability > floor || kept.len() < k {
                kept.push(candidate);
            }
            if kept.len() >= capacity {
                floor = kept.select_nth_unstable_by(k - 1, by_rank).1.probability;
                kept.truncate(k);
            }
        }
    }
    kept.sort_unstable_by(by_rank);
    kept.truncate(k);
}

/// Forbids all tokens but the most likely ones whose probabilities sum to `p`: their logits become
/// minus infinity, or are below the logit that is returned. `max` is the largest logit, `scratch`
/// is overwritten.
///
/// A histogram tells between which two logits the last of these tokens lies, and only the tokens
/// between them are ranked.
pub(super) fn nucleus(logits: &mut [f32], max: f32, p: f32, scratch: &mut Vec<Candidate>) -> f32 {
    let histogram = Histogram::of(logits, max);
    let Some((bin, mut left)) = histogram.border(p) else {
        return f32::MIN;
    };
    scratch.clear();
    histogram.each_member(logits, bin, |token, probability| {
        scratch.push(Candidate { token, probability });
    });
    // The last token is in `tied` always, and each turn halves that.
    let mut tied = &mut scratch[..];
    while tied.len() > 1 {
        let half = tied.len() / 2;
        tied.select_nth_unstable_by(half, by_rank);
        let (likelier, others) = tied.split_at_mut(half);
        let sum: f64 = likelier
            .iter()
            .map(|candidate| weight(candidate, max))
            .sum();
        tied = if left <= sum {
            likelier
        } else {
            left -= sum;
            others
        };
    }
    let Some(&last) = tied.first() else {
        return f32::MIN;
    };
    for candidate in scratch
        .iter()
        .filter(|candidate| by_rank(candidate, &last).is_gt())
    {
        logits[candidate.token as usize] = f32::NEG_INFINITY;
    }
    last.probability
}

/// Keeps the most likely of `candidates`, which are sorted, that have the share `p` of their
/// probability; `max` is the largest logit.
pub(super) fn top_p(candidates: &mut Vec<Candidate>, max: f32, p: f32) {
    let total: f64 = candidates
        .iter()
        .map(|candidate| weight(candidate, max))
        .sum();
    let goal = total * f64::from(p);
    let mut reached = 0.0;
    let end = candidates.iter().position(|candidate| {
        reached += weight(candidate, max);
        reached >= goal
    });
    candidates.truncate(end.map_or(candidates.len(), |end| end + 1));
}

/// Returns the probability of a candidate that holds its logit, relative to that of the likeliest.
fn weight(candidate: &Candidate, max: f32) -> f64 {
    f64::from((candidate.probability - max).exp())
}
