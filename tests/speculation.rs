//! Drafts change how fast an answer comes, and not what it says: texts, log-probabilities and what
//! the KV cache holds are those of an answer without drafts.

use siskin::{
    Result,
    backend::cpu::Cpu,
    generate::{
        event::{Event, FinishReason},
        generator::Generator,
        options::{ContextOverflow, GenerateOptions},
        sampler::SamplingOptions,
    },
    grammar::{Form, Grammars},
    loader::{Loader, Options},
    model::Model,
    text::tokenizer::{Special, Tokenizer},
};
use std::{cell::Cell, sync::Arc};

const MODEL: &str = "tests/fixtures/models/chat-tiny.gguf";
/// The tiny model repeats itself, and what it is told.
const PROMPT: &str = "to be or not to be, to be or not to be, to be or";

fn load(context_tokens: usize) -> (Model<Cpu>, Tokenizer) {
    let options = Options {
        context_tokens: Some(context_tokens),
        ..Options::default()
    };
    let mut loader = Loader::new(Cpu::default(), options);
    loader
        .push(&std::fs::read(MODEL).expect("the model is a fixture"))
        .expect("the model is whole");
    let loaded = loader.finish().expect("the model loads");
    (loaded.model, loaded.tokenizer)
}

/// Writes an answer, and returns its events but for those of the prompt.
fn write(
    generator: &mut Generator<Model<Cpu>>,
    tokenizer: &Tokenizer,
    options: GenerateOptions,
) -> Vec<Event> {
    pollster::block_on(async {
        generator
            .start(options, tokenizer)
            .expect("the options are right");
        let mut events = Vec::new();
        while let Some(event) = generator
            .next(tokenizer)
            .await
            .expect("the model is finite")
        {
            if event.prefill.is_none() {
                events.push(event);
            }
        }
        events
    })
}

/// Makes a generator by whose clock a step that checks a draft takes no longer than one of a token,
/// so that any draft pays: the clock moves on by 5 ms whenever it is looked at.
fn generator(model: Model<Cpu>) -> Generator<Model<Cpu>> {
    let clock = Cell::new(0.0);
    let now_ms = move || {
        clock.set(clock.get() + 5.0);
        clock.get()
    };
    Generator::with_clock(model, Box::new(now_ms))
}

fn texts(events: &[Event]) -> Vec<(String, Option<FinishReason>)> {
    events
        .iter()
        .map(|event| (event.text.clone(), event.finish_reason))
        .collect()
}

fn samplings() -> Vec<SamplingOptions> {
    let seeded = |seed| SamplingOptions {
        seed: Some(seed),
        top_logprobs: Some(2),
        ..SamplingOptions::default()
    };
    let mut all = vec![SamplingOptions::greedy()];
    all.extend((0..12).map(|seed| SamplingOptions {
        temperature: 0.3 + 0.1 * seed as f32,
        ..seeded(seed)
    }));
    all.push(SamplingOptions {
        repetition_penalty: 1.3,
        frequency_penalty: 0.4,
        ..seeded(99)
    });
    all.push(SamplingOptions {
        allowed_tokens: Some((40..60).collect()),
        ..seeded(7)
    });
    // Of few tokens, pairs soon come again: some drafts of what followed them are right.
    all.extend((2..8).map(|tokens| SamplingOptions {
        allowed_tokens: Some((40..40 + tokens).collect()),
        temperature: 1.0,
        ..seeded(u64::from(tokens))
    }));
    all.push(SamplingOptions {
        allowed_tokens: Some((40..60).collect()),
        ..SamplingOptions::greedy()
    });
    all
}

/// Of an answer that is held to a form some tokens must come next. They take no random number, and
/// are spelled alike, in a draft or not.
#[test]
fn an_answer_of_a_form_is_that_without_drafts() {
    let schema = serde_json::json!({
        "type": "array", "minItems": 5, "maxItems": 5, "items": {
            "type": "object", "properties": {
                "city": {"type": "string", "pattern": "^[ab]{6}$"}, "days": {"type": "integer", "maximum": 7},
            }, "required": ["city", "days"], "additionalProperties": false,
        },
    });
    let mut accepted_tokens = 0;
    for seed in 0..10 {
        let outcome = |draft_max| {
            let (model, tokenizer) = load(400);
            let tokenizer = Arc::new(tokenizer);
            let grammars = Grammars::new(Arc::clone(&tokenizer)).unwrap();
            let matcher = grammars.compile(&Form::JsonSchema(schema.clone())).unwrap();
            let prompt = r#"[{"city": "ababab", "days": 1}, {"city": "bbabba", "days": 2}]"#;
            let mut generator = generator(model);
            let options = GenerateOptions {
                prompt: tokenizer.encode(prompt, Special::Plain),
                max_tokens: Some(250),
                sampling: SamplingOptions {
                    seed: Some(seed),
                    temperature: 1.0,
                    ..SamplingOptions::default()
                },
                constraint: Some(matcher.into()),
                draft_max,
                ..GenerateOptions::default()
            };
            let events = write(&mut generator, &tokenizer, options);
            let drafts = events.last().and_then(|event| event.drafts);
            (texts(&events), drafts)
        };
        let (plain, drafted) = (outcome(Some(0)), outcome(None));
        assert_eq!(plain.0, drafted.0, "{seed}");
        accepted_tokens += drafted.1.unwrap_or_default().accepted_tokens;
    }
    assert!(accepted_tokens > 0);
}

#[test]
fn texts_and_log_probabilities_are_those_without_drafts() {
    let (mut drafted_tokens, mut accepted_tokens) = (0, 0);
    for sampling in samplings() {
        let outcome = |draft_max| {
            let (model, tokenizer) = load(256);
            let mut generator = generator(model);
            let options = GenerateOptions {
                prompt: tokenizer.encode(PROMPT, Special::Plain),
                max_tokens: Some(120),
                sampling: sampling.clone(),
                draft_max,
                ..GenerateOptions::default()
            };
            let events = write(&mut generator, &tokenizer, options);
            let logprobs: Vec<_> = events
                .iter()
                .map(|event| format!("{:?}", event.logprob))
                .collect();
            let usage = format!("{:?}", events.last().map(|event| event.usage));
            let drafts = events.last().and_then(|event| event.drafts);
            (texts(&events), logprobs, usage, drafts)
        };
        let (plain, drafted) = (outcome(Some(0)), outcome(None));
        assert_eq!(plain.0, drafted.0, "{sampling:?}");
        assert_eq!(plain.1, drafted.1, "{sampling:?}");
        assert_eq!(plain.2, drafted.2, "{sampling:?}");
        assert_eq!(plain.3, None);
        let drafts = drafted.3.unwrap_or_default();
        drafted_tokens += drafts.tokens;
        accepted_tokens += drafts.accepted_tokens;
    }
    // Both right and wrong drafts were made, or nothing was tested.
    assert!(accepted_tokens > 100, "{accepted_tokens} were right");
    assert!(
        drafted_tokens > accepted_tokens + 100,
        "{drafted_tokens} were drafted"
    );
}

#[test]
fn the_next_turn_finds_the_cache_as_without_drafts() {
    let run = |draft_max, stop: Vec<String>, max_tokens| {
        let (model, tokenizer) = load(256);
        let mut generator = generator(model);
        let mut prompt = tokenizer.encode(PROMPT, Special::Plain);
        let mut all = Vec::new();
        for _ in 0..3 {
            let options = GenerateOptions {
                prompt: prompt.clone(),
                max_tokens,
                sampling: SamplingOptions::greedy(),
                stop: stop.clone(),
                draft_max,
                ..GenerateOptions::default()
            };
            let events = write(&mut generator, &tokenizer, options);
            let text: String = events.iter().map(|event| event.text.as_str()).collect();
            prompt.extend(tokenizer.encode(&text, Special::Plain));
            prompt.extend(tokenizer.encode(" to be", Special::Plain));
            let usage = events.last().and_then(|event| event.usage);
            all.push((text, usage.map(|usage| usage.completion_tokens)));
            assert!(generator.decoder().cached_tokens() <= prompt.len());
        }
        all
    };
    for stop in [vec![], vec!["o".to_owned()], vec!["be".to_owned()]] {
        for max_tokens in [1, 2, 5, 17, 40] {
            assert_eq!(
                run(Some(0), stop.clone(), Some(max_tokens)),
                run(None, stop.clone(), Some(max_tokens)),
                "{stop:?} {max_tokens}"
            );
        }
    }
}

#[test]
fn a_full_context_ends_or_slides_as_without_drafts() {
    for context_overflow in [ContextOverflow::Error, ContextOverflow::Slide] {
        for context_tokens in 60..76 {
            let run = |draft_max| {
                let (model, tokenizer) = load(context_tokens);
                let mut generator = generator(model);
                let options = GenerateOptions {
                    prompt: tokenizer.encode(PROMPT, Special::Plain),
                    max_tokens: Some(90),
                    sampling: SamplingOptions::greedy(),
                    context_overflow,
                    keep_tokens: 4,
                    draft_max,
                    ..GenerateOptions::default()
                };
                texts(&write(&mut generator, &tokenizer, options))
            };
            assert_eq!(
                run(Some(0)),
                run(None),
                "{context_overflow:?} {context_tokens}"
            );
        }
    }
}

/// Returns the probabilities at temperature 1 of the tokens `allowed` behind `tokens`, in f64.
fn probabilities(model: &mut Model<Cpu>, tokens: &[u32], allowed: &[u32]) -> Vec<f64> {
    let mut logits = Vec::new();
    model.rewind(0);
    pollster::block_on(model.forward(tokens, Some(&mut logits))).expect("the model is finite");
    let weights = allowed
        .iter()
        .map(|&id| f64::from(logits[id as usize]).exp());
    let sum: f64 = weights.clone().sum();
    weights.map(|weight| weight / sum).collect()
}

#[test]
fn the_distribution_with_drafts_is_that_of_the_logits() {
    compare_distribution(None, 0);
}

#[test]
fn the_distribution_without_drafts_is_that_of_the_logits() {
    compare_distribution(Some(0), 10_000);
}

/// Draws the two tokens behind a prompt 10,000 times, with seeds from `first_seed` on, and compares
/// how often each pair came with its probability, computed plainly from the logits.
fn compare_distribution(draft_max: Option<usize>, first_seed: usize) {
    const DRAWS: usize = 10_000;
    let (mut model, tokenizer) = load(128);
    let text = tokenizer.encode(&PROMPT.repeat(2), Special::Plain);
    let mut allowed: Vec<u32> = text.iter().copied().chain(60..64).collect();
    allowed.sort_unstable();
    allowed.dedup();
    // The text repeats itself, so that a draft says how it goes on. The prompt ends where that is
    // likeliest.
    let likelihood = |model: &mut Model<Cpu>, end: usize| {
        let index = allowed.iter().position(|&id| id == text[end]);
        probabilities(model, &text[..end], &allowed)[index.expect("it is of the text")]
    };
    let end = (text.len() / 2..text.len())
        .max_by(|&a, &b| likelihood(&mut model, a).total_cmp(&likelihood(&mut model, b)))
        .expect("the text is long");
    let prompt = text[..end].to_vec();
    let texts: Vec<&[u8]> = allowed
        .iter()
        .map(|&id| tokenizer.token_bytes(id))
        .collect();
    let first = probabilities(&mut model, &prompt, &allowed);
    let mut expected = Vec::new();
    for (&id, p) in allowed.iter().zip(first) {
        let longer = [&prompt[..], &[id]].concat();
        let second = probabilities(&mut model, &longer, &allowed);
        expected.extend(second.iter().map(|q| p * q * DRAWS as f64));
    }
    let mut generator = generator(model);
    let mut counts = vec![0.0; expected.len()];
    let (mut drafted, mut accepted) = (0, 0);
    for draw in 0..DRAWS {
        let options = GenerateOptions {
            prompt: prompt.clone(),
            max_tokens: Some(2),
            sampling: SamplingOptions {
                temperature: 1.0,
                top_k: 0,
                top_p: 1.0,
                min_p: 0.0,
                seed: Some((first_seed + draw) as u64),
                allowed_tokens: Some(allowed.clone()),
                top_logprobs: Some(0),
                ..SamplingOptions::default()
            },
            draft_max,
            ..GenerateOptions::default()
        };
        let events = write(&mut generator, &tokenizer, options);
        let pair = events[..2].iter().fold(0, |pair, event| {
            let chosen = &event.logprob.as_ref().expect("it was asked for").chosen;
            let index = texts.iter().position(|text| *text == chosen.bytes);
            pair * allowed.len() + index.expect("the token is allowed")
        });
        counts[pair] += 1.0;
        let drafts = events.last().and_then(|event| event.drafts);
        drafted += drafts.map_or(0, |drafts| drafts.tokens);
        accepted += drafts.map_or(0, |drafts| drafts.accepted_tokens);
    }
    if draft_max.is_none() {
        assert!(drafted > DRAWS / 2, "{drafted} tokens were drafted");
        assert!(
            (drafted / 20..drafted).contains(&accepted),
            "{accepted} were right"
        );
    }
    // Pairs that come fewer than five times are one class.
    let (mut chi_square, mut classes, mut rare) = (0.0, 0, [0.0; 2]);
    for (&count, &expected) in counts.iter().zip(&expected) {
        if expected >= 5.0 {
            chi_square += (count - expected).powi(2) / expected;
            classes += 1;
        } else {
            rare = [rare[0] + count, rare[1] + expected];
        }
    }
    chi_square += (rare[0] - rare[1]).powi(2) / rare[1].max(5.0);
    // The mean is the number of classes, less one, and its variance twice that: this is 3.7
    // standard deviations above.
    let freedom = f64::from(classes);
    let limit = freedom + 3.7 * (2.0 * freedom).sqrt();
    assert!(classes > 20, "{classes} classes");
    assert!(chi_square < limit, "{draft_max:?}: {chi_square} of {limit}");
}

#[test]
fn an_answer_that_is_stopped_leaves_what_it_wrote() -> Result<()> {
    let (model, tokenizer) = load(256);
    let mut generator = generator(model);
    let prompt = tokenizer.encode(PROMPT, Special::Plain);
    let options = GenerateOptions {
        prompt: prompt.clone(),
        sampling: SamplingOptions::greedy(),
        max_tokens: Some(120),
        ..GenerateOptions::default()
    };
    pollster::block_on(async {
        for written in [3, 10, 20] {
            generator.start(options.clone(), &tokenizer)?;
            let mut tokens = 0;
            while let Some(event) = generator.next(&tokenizer).await? {
                tokens += usize::from(event.prefill.is_none());
                if tokens == written {
                    generator.stop_handle().stop();
                }
            }
            assert_eq!(tokens, written + 1, "the last event has no token");
            assert!(generator.decoder().cached_tokens() <= prompt.len() + written);
        }
        Ok(())
    })
}
