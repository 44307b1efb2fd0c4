//! `siskin run`: answers one prompt as a chat.

use crate::{arguments::Arguments, files::show, load::load};
use serde_json::json;
use siskin::{
    Result,
    generate::{
        event::{Drafts, Usage},
        sampler::SamplingOptions,
    },
    session::{Session, request::ChatRequest},
};
use std::time::Instant;

/// Streams the answer to standard output, and writes speed and drafts to standard error.
pub fn run(arguments: &Arguments) -> Result<()> {
    let prompt = arguments.word(2, "PROMPT")?;
    let default = SamplingOptions::default();
    let mut request = ChatRequest {
        max_tokens: arguments.number("max-tokens")?,
        draft_max: arguments.number("draft-max")?,
        sampling: SamplingOptions {
            temperature: arguments
                .number("temperature")?
                .unwrap_or(default.temperature),
            seed: arguments.number("seed")?,
            ..default
        },
        ..ChatRequest::user(prompt)
    };
    if let Some(system) = arguments.option("system") {
        request
            .messages
            .insert(0, json!({"role": "system", "content": system}));
    }
    let mut session = Session::from(load(
        arguments.word(1, "MODEL")?,
        arguments,
        arguments.number("context")?,
    )?);

    let start = Instant::now();
    session.start(request)?;
    let (mut prefill_seconds, mut usage) = (None, Usage::default());
    let mut drafts = Drafts::default();
    while let Some(event) = pollster::block_on(session.next())? {
        show(&event.text)?;
        if event.prefill.is_none() {
            prefill_seconds.get_or_insert_with(|| start.elapsed().as_secs_f64());
        }
        usage = event.usage.unwrap_or(usage);
        drafts = event.drafts.unwrap_or(drafts);
    }
    show("\n")?;
    let prefill_seconds = prefill_seconds.unwrap_or_default();
    let decode_seconds = start.elapsed().as_secs_f64() - prefill_seconds;
    // The end of the prefill brings the first token.
    let decoded_tokens = usage.completion_tokens.saturating_sub(1);
    eprintln!(
        "prefill {:.1} t/s ({} tokens), decode {:.1} t/s ({} tokens, {} of {} drafted ones right)",
        usage.prompt_tokens as f64 / prefill_seconds,
        usage.prompt_tokens,
        if decoded_tokens > 0 {
            decoded_tokens as f64 / decode_seconds
        } else {
            0.0
        },
        usage.completion_tokens,
        drafts.accepted_tokens,
        drafts.tokens
    );
    Ok(())
}
