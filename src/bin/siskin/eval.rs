//! `siskin eval`: measures the perplexity of a text.

use crate::{
    arguments::Arguments,
    files::{show, unreadable},
    load::load,
};
use siskin::{
    Code, Error, Result,
    generate::{Decoder, STEP_TOKENS},
    loader::Loaded,
    text::tokenizer::Special,
};
use std::{path::Path, time::Instant};

/// Prints the perplexity of the text's first tokens, and the speed.
pub fn eval(arguments: &Arguments) -> Result<()> {
    let path = Path::new(arguments.word(2, "TEXTFILE")?);
    let text = std::fs::read_to_string(path).map_err(unreadable(path))?;
    let wanted = arguments.number("tokens")?.unwrap_or(512);
    let Loaded {
        mut model,
        tokenizer,
        ..
    } = load(arguments.word(1, "MODEL")?, arguments, None)?;
    let mut tokens: Vec<u32> = tokenizer
        .bos()
        .filter(|_| tokenizer.add_bos())
        .into_iter()
        .collect();
    let first = tokens.len();
    tokens.extend(
        tokenizer
            .encode(&text, Special::Plain)
            .into_iter()
            .take(wanted.min(model.context_tokens() - first)),
    );
    if tokens.len() < 2 {
        return Err(Error::new(
            Code::InvalidArgument,
            "The text has fewer than two tokens to predict. Give a longer one, or more --tokens.",
        ));
    }
    let (mut logits, mut total, start) = (Vec::new(), 0.0, Instant::now());
    for (chunk_index, chunk) in tokens.chunks(STEP_TOKENS).enumerate() {
        pollster::block_on(model.step_all(chunk, &mut logits, &mut || false))?;
        for (i, row) in logits.chunks_exact(model.vocab_size()).enumerate() {
            if let Some(&next) = tokens.get(chunk_index * STEP_TOKENS + i + 1) {
                total -= log_probability(row, next);
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let perplexity = (total / (tokens.len() - 1) as f64).exp();
    show(&format!(
        "perplexity {perplexity:.4} over {} tokens, {:.1} tokens/s with the output matrix for \
         each\n",
        tokens.len(),
        tokens.len() as f64 / seconds
    ))
}

/// Returns the natural logarithm of the token's probability.
fn log_probability(logits: &[f32], token: u32) -> f64 {
    let max = logits.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x)) as f64;
    let sum: f64 = logits.iter().map(|&x| (x as f64 - max).exp()).sum();
    logits[token as usize] as f64 - max - sum.ln()
}
