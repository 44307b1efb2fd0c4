//! Holds the tokens that can be sampled, and filters them.

use crate::{Code, Error, Result, backend::exponentials::sum_of_weights};
use std::cmp::Ordering;

/// Describes a token that can be sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Holds the token's id.
    pub token: u32,
    /// Holds the token's probability. While the filters run, this field holds its logit.
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

/// Appends the tokens whose logit is at least `least`, in the order of their ids.
pub(super) fn at_least(logits: &[f32], least: f32, kept: &mut Vec<Candidate>) {
    kept.extend(with_logits(logits).filter(|candidate| candidate.probability >= least));
}

/// Yields every token with its logit.
fn with_logits(logits: &[f32]) -> impl Iterator<Item = Candidate> {
    (0u32..).zip(logits).map(|(token, &logit)| Candidate {
        token,
        probability: logit,
    })
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

/// Appends the most likely tokens whose probabilities sum to `p`; `max` is the largest logit.
///
/// A model is mostly sure of a few tokens. Where it is not, their number is found by counting
/// logits, and only those are sorted that lie about the last one.
pub(super) fn nucleus(logits: &[f32], max: f32, p: f32, kept: &mut Vec<Candidate>) {
    let goal = sum_of_weights(logits, max) * f64::from(p);
    top_k(logits, 64, kept);
    if truncate_at(kept, max, 0.0, goal) {
        return;
    }
    let reached: f64 = kept.iter().map(|candidate| weight(candidate, max)).sum();
    let below = kept.last().map_or(max, |candidate| candidate.probability);
    let (high, low) = border(logits, max, below, goal - reached);
    kept.clear();
    at_least(logits, high, kept);
    let certain: Vec<f32> = kept.iter().map(|candidate| candidate.probability).collect();
    let reached = sum_of_weights(&certain, max);
    let mut last: Vec<Candidate> = with_logits(logits)
        .filter(|candidate| (low..high).contains(&candidate.probability))
        .collect();
    last.sort_unstable_by(by_rank);
    if reached < goal && truncate_at(&mut last, max, reached, goal) {
        kept.append(&mut last);
    } else {
        // The border was estimated wrongly.
        kept.clear();
        top_k(logits, logits.len(), kept);
        truncate_at(kept, max, 0.0, goal);
    }
}

/// Estimates two logits between which lies that of the token at which the weights of the most
/// likely tokens below the logit `below` reach `goal`.
fn border(logits: &[f32], max: f32, below: f32, goal: f64) -> (f32, f32) {
    const STEPS: f32 = 16.0;
    // Weights below e^-87 count as 0.
    let mut counts = [0u32; 87 * STEPS as usize];
    for &logit in logits.iter().filter(|logit| **logit < below) {
        if let Some(count) = counts.get_mut(((max - logit) * STEPS) as usize) {
            *count += 1;
        }
    }
    let mut reached = 0.0;
    let step = counts.iter().zip(0u16..).position(|(&count, step)| {
        reached += f64::from(count) * (-(f64::from(step) + 0.5) / f64::from(STEPS)).exp();
        reached >= goal
    });
    let step = step.unwrap_or(counts.len()) as f32;
    (max - (step - 1.0) / STEPS, max - (step + 2.0) / STEPS)
}

/// Keeps the most likely of `candidates`, which are sorted, that have the share `p` of their
/// probability; `max` is the largest logit.
pub(super) fn top_p(candidates: &mut Vec<Candidate>, max: f32, p: f32) {
    let total: f64 = candidates
        .iter()
        .map(|candidate| weight(candidate, max))
        .sum();
    truncate_at(candidates, max, 0.0, total * f64::from(p));
}

/// Drops the candidates behind the one at which the weights, `reached` before them, reach `goal`;
/// returns whether they do.
fn truncate_at(candidates: &mut Vec<Candidate>, max: f32, mut reached: f64, goal: f64) -> bool {
    let end = candidates.iter().position(|candidate| {
        reached += weight(candidate, max);
        reached >= goal
    });
    candidates.truncate(end.map_or(candidates.len(), |end| end + 1));
    end.is_some()
}

/// Returns the probability of a candidate that holds its logit, relative to that of the likeliest.
fn weight(candidate: &Candidate, max: f32) -> f64 {
    f64::from((candidate.probability - max).exp())
}
