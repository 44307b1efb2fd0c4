//! Drafts that the card checks change no answer, and cost less than the tokens that they save.

use super::{device::gpu, support::model_path::model_path};
use siskin::{
    backend::gpu::{
        Counters, Gpu,
        device::{GpuOptions, MatmulStrategy},
    },
    generate::{generator::Generator, options::GenerateOptions, sampler::SamplingOptions},
    loader::{Loader, Options},
    model::Model,
    text::tokenizer::{Special, Tokenizer},
};
use std::{cell::Cell, rc::Rc};

const TINY: &[u8] = include_bytes!("../fixtures/models/chat-tiny.gguf");
/// The tiny model repeats itself, and what it is told.
const PROMPT: &str = "to be or not to be, to be or not to be, to be or";

/// Counts what an answer took, beside its text.
struct Outcome {
    text: String,
    tokens: usize,
    counters: Counters,
}

fn load(file: &[u8], options: GpuOptions) -> Option<(Generator<Model<Gpu>>, Tokenizer)> {
    let gpu = pollster::block_on(gpu(options))?;
    let options = Options {
        context_tokens: Some(512),
        ..Options::default()
    };
    let mut loader = Loader::new(gpu, options);
    loader.push(file).expect("the model is whole");
    let loaded = loader.finish().expect("the model loads");
    // Every look at the clock takes as long, so that any draft pays.
    let clock = Rc::new(Cell::new(0.0));
    let now_ms = move || {
        clock.set(clock.get() + 5.0);
        clock.get()
    };
    let generator = Generator::with_clock(loaded.model, Box::new(now_ms));
    Some((generator, loaded.tokenizer))
}

fn write(
    generator: &mut Generator<Model<Gpu>>,
    tokenizer: &Tokenizer,
    options: GenerateOptions,
) -> Outcome {
    let before = generator.decoder().backend.counters();
    generator
        .start(options, tokenizer)
        .expect("the options are right");
    let (mut text, mut tokens) = (String::new(), 0);
    while let Some(event) =
        pollster::block_on(generator.next(tokenizer)).expect("the model is finite")
    {
        text += &event.text;
        tokens += usize::from(event.prefill.is_none());
    }
    let mut counters = generator.decoder().backend.counters();
    counters.submits -= before.submits;
    counters.read_bytes -= before.read_bytes;
    Outcome {
        text,
        tokens,
        counters,
    }
}

fn options(
    tokenizer: &Tokenizer,
    prompt: &str,
    max_tokens: usize,
    sampling: &SamplingOptions,
    draft_max: Option<usize>,
) -> GenerateOptions {
    GenerateOptions {
        prompt: tokenizer.encode(prompt, Special::Plain),
        max_tokens: Some(max_tokens),
        sampling: sampling.clone(),
        draft_max,
        ..GenerateOptions::default()
    }
}

fn strategies() -> [GpuOptions; 3] {
    [(false, false), (true, false), (false, true)].map(|(int8_dot, f16_tiles)| GpuOptions {
        strategy: Some(MatmulStrategy {
            int8_dot,
            f16_tiles,
        }),
        ..GpuOptions::default()
    })
}

#[test]
fn texts_are_those_without_drafts() {
    let greedy = SamplingOptions::greedy();
    for strategy in strategies() {
        for max_tokens in [1, 2, 7, 40, 300] {
            let Some((mut generator, tokenizer)) = load(TINY, strategy) else {
                return;
            };
            // Twice, so that what an answer leaves behind is seen in the next one.
            for _ in 0..2 {
                let mut write = |draft_max| {
                    let options = options(&tokenizer, PROMPT, max_tokens, &greedy, draft_max);
                    write(&mut generator, &tokenizer, options)
                };
                let (plain, drafted) = (write(Some(0)), write(None));
                assert_eq!(drafted.text, plain.text, "{strategy:?}, {max_tokens}");
                assert_eq!(drafted.tokens, plain.tokens);
                // A step of one token reads four bytes.
                let is_drafted = |counters: Counters| counters.read_bytes > 4 * counters.submits;
                assert!(!is_drafted(plain.counters));
                assert!(
                    is_drafted(drafted.counters) || max_tokens <= 7,
                    "{max_tokens}"
                );
            }
        }
    }
}

#[test]
fn a_draft_reads_four_bytes_a_token() {
    let Some((mut generator, tokenizer)) = load(TINY, GpuOptions::default()) else {
        return;
    };
    let options = options(&tokenizer, PROMPT, 300, &SamplingOptions::greedy(), None);
    let outcome = write(&mut generator, &tokenizer, options);
    // At most eight tokens are checked by each, and steps that ran ahead are read at times.
    let most = 4 * 8 * outcome.counters.submits;
    println!("{} bytes", outcome.counters.read_bytes);
    assert!(outcome.counters.read_bytes <= most);
}

#[test]
fn answers_that_are_not_plainly_greedy_have_no_drafts() {
    let allowed_tokens = Some((40..60).collect());
    let greedy = SamplingOptions::greedy();
    let mut biased = greedy.clone();
    biased.logit_bias.insert(50, 1.0);
    for sampling in [
        SamplingOptions {
            seed: Some(1),
            ..SamplingOptions::default()
        },
        SamplingOptions {
            repetition_penalty: 1.1,
            ..greedy.clone()
        },
        SamplingOptions {
            top_logprobs: Some(0),
            ..greedy.clone()
        },
        SamplingOptions {
            allowed_tokens,
            ..greedy
        },
        biased,
    ] {
        let submits = [Some(0), None].map(|draft_max| {
            let (mut generator, tokenizer) = load(TINY, GpuOptions::default())?;
            let options = options(&tokenizer, PROMPT, 100, &sampling, draft_max);
            Some(write(&mut generator, &tokenizer, options).counters.submits)
        });
        // How far the device runs ahead is measured: some more or fewer are no drafts.
        if let [Some(plain), Some(drafted)] = submits {
            assert!(plain.abs_diff(drafted) <= 16, "{submits:?}, {sampling:?}");
        }
    }
}

/// Near ties could fall otherwise where tokens are checked together, for products sum in another
/// order.
#[test]
fn a_real_model_writes_what_it_writes_without_drafts() {
    let Some(path) = model_path("SmolLM2-135M-Instruct.Q4_1.gguf") else {
        return;
    };
    let file = std::fs::read(path).expect("the model is there");
    let Some((mut generator, tokenizer)) = load(&file, GpuOptions::default()) else {
        return;
    };
    let prompt =
        "List: apples, pears, plums and figs. Again: apples, pears, plums and figs. Again:";
    let mut write = |draft_max| {
        let greedy = SamplingOptions::greedy();
        let options = options(&tokenizer, prompt, 80, &greedy, draft_max);
        write(&mut generator, &tokenizer, options)
    };
    let (plain, drafted) = (write(Some(0)), write(None));
    assert_eq!(drafted.text, plain.text);
    assert_eq!(drafted.tokens, plain.tokens);
    let submits = [drafted, plain].map(|outcome| outcome.counters.submits);
    println!("{submits:?} submits");
    assert!(submits[0] < submits[1], "{submits:?}: drafts were made");
}
