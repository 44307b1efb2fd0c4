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
    loader::{Loader, Options},
    model::Model,
    text::tokenizer::{Special, Tokenizer},
};
use std::{cell::Cell, rc::Rc};

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

/// Writes an answer by a clock on which every step takes 10 ms, so that any draft pays. Returns its
/// events, the tokens in the KV cache, and the number of steps.
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

/// Counts the times that a generator looks at its clock, and moves it on by 5 ms each time.
fn generator(model: Model<Cpu>) -> (Generator<Model<Cpu>>, Rc<Cell<f64>>) {
    let clock = Rc::new(Cell::new(0.0));
    let ticking = clock.clone();
    let now_ms = move || {
        ticking.set(ticking.get() + 5.0);
        ticking.get()
    };
    (Generator::with_clock(model, Box::new(now_ms)), clock)
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
    all
}

#[test]
fn texts_and_log_probabilities_are_those_without_drafts() {
    let (mut fewer_ticks, mut answers) = (0, 0);
    for sampling in samplings() {
        let outcome = |draft_max| {
            let (model, tokenizer) = load(256);
            let (mut generator, clock) = generator(model);
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
            (texts(&events), logprobs, usage, clock.get())
        };
        let (plain, drafted) = (outcome(Some(0)), outcome(None));
        assert_eq!(plain.0, drafted.0, "{sampling:?}");
        assert_eq!(plain.1, drafted.1, "{sampling:?}");
        assert_eq!(plain.2, drafted.2, "{sampling:?}");
        answers += 1;
        fewer_ticks += usize::from(drafted.3 < plain.3);
    }
    // Drafts were made, or nothing was tested.
    assert!(fewer_ticks * 2 > answers, "{fewer_ticks} of {answers}");
}

#[test]
fn the_next_turn_finds_the_cache_as_without_drafts() {
    let run = |draft_max, stop: Vec<String>, max_tokens| {
        let (model, tokenizer) = load(256);
        let (mut generator, _) = generator(model);
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
                let (mut generator, _) = generator(model);
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

#[test]
fn an_answer_that_is_stopped_leaves_what_it_wrote() -> Result<()> {
    let (model, tokenizer) = load(256);
    let (mut generator, _) = generator(model);
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
