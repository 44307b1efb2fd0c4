//! Evaluates tokens that no answer follows, a slice of time after the other.

use super::engine::AnyModel;
use crate::{
    Code, Error, Result,
    generate::{Decoder, StepOutcome, prefill_chunker::PrefillChunker, stop::StopHandle},
    host,
};

/// Sets the time in milliseconds after which other calls of the page run, one of which may stop
/// this one. A layer that is being computed is finished first.
const SLICE_MS: f64 = 100.0;

/// Takes a row of numbers for each token of a chunk.
pub(super) type OnRows<'a> = &'a mut dyn FnMut(&[f32]);

/// Tells what is wanted of the tokens.
pub(super) enum Wanted<'a> {
    /// They are cached, and nothing else.
    Nothing,
    /// The logits after each of them are wanted, `[tokens, vocab]`.
    Logits(OnRows<'a>),
    /// Their hidden states after the last norm are wanted, `[tokens, embedding]`.
    Hidden(OnRows<'a>),
}

/// Appends `tokens` to the KV cache. What is wanted of them comes chunk by chunk.
///
/// # Errors
///
/// `aborted` after `stop`, `not_finite`, and those of the GPU.
pub(super) async fn evaluate(
    decoder: &mut AnyModel,
    tokens: &[u32],
    stop: &StopHandle,
    mut wanted: Wanted<'_>,
) -> Result<()> {
    let mut rows = Vec::new();
    // As with a prompt, a chunk is as long as a page can wait for, and a slow card answers in time.
    let mut chunker = PrefillChunker::new(decoder.min_batch());
    let mut rest = tokens;
    while !rest.is_empty() {
        let tokens = match decoder.is_encoder() {
            // Its tokens see those behind them.
            true => rest.len(),
            false => chunker.tokens().min(rest.len()),
        };
        let (chunk, later) = rest.split_at(tokens);
        rest = later;
        let longest_ms = evaluate_chunk(decoder, chunk, &wanted, &mut rows, stop).await?;
        chunker.observe(chunk.len(), longest_ms);
        if let Wanted::Logits(on_rows) | Wanted::Hidden(on_rows) = &mut wanted {
            on_rows(&rows);
        }
    }
    Ok(())
}

/// Returns the longest time in milliseconds between two chances to be interrupted.
async fn evaluate_chunk(
    decoder: &mut AnyModel,
    chunk: &[u32],
    wanted: &Wanted<'_>,
    rows: &mut Vec<f32>,
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
        let outcome = match wanted {
            Wanted::Logits(_) => decoder.step_all(chunk, rows, &mut mark).await?,
            Wanted::Hidden(_) => decoder.step_hidden(chunk, rows, &mut mark).await?,
            Wanted::Nothing => decoder.step(chunk, None, &mut mark).await?,
        };
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
