//! Tests how an answer is written: the chunks of the prompt, the reuse of the KV cache, streaming,
//! stopping, the context's limit. The model follows a script.

mod support;

use proptest::prelude::*;
use siskin::{
    Code, Result,
    generate::{
        STEP_TOKENS,
        event::{Event, FinishReason, Usage},
        generator::Generator,
        options::{ContextOverflow, GenerateOptions},
        prefill_chunker::PrefillChunker,
        sampler::SamplingOptions,
        stop::StopStrings,
    },
};
use support::scripted::{Scripted, Words, block_on};

fn order(prompt: Vec<u32>) -> GenerateOptions {
    GenerateOptions {
        prompt,
        sampling: SamplingOptions::greedy(),
        ..GenerateOptions::default()
    }
}

fn run(generator: &mut Generator<Scripted>, words: &Words) -> Result<Vec<Event>> {
    std::iter::from_fn(|| block_on(generator.next(words)).transpose()).collect()
}

/// Returns the answer to `options` and its last event.
fn answer(
    generator: &mut Generator<Scripted>,
    words: &Words,
    options: GenerateOptions,
) -> (String, Event) {
    generator.start(options, words).unwrap();
    let events = run(generator, words).unwrap();
    (
        events.iter().map(|event| event.text.as_str()).collect(),
        events.last().unwrap().clone(),
    )
}

#[test]
fn an_answer_streams_and_ends_with_the_models_turn() {
    let words = Words::new(&["Hel", "lo", ", ", "world"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "Hel|lo|, |world|<end>"));
    let (text, last) = answer(&mut generator, &words, order(vec![9, 8, 7]));
    assert_eq!(text, "Hello, world");
    assert_eq!(last.finish_reason, Some(FinishReason::Stop));
    assert_eq!(
        last.usage,
        Some(Usage {
            prompt_tokens: 3,
            completion_tokens: 5,
            total_tokens: 8,
            cached_tokens: 0
        })
    );
    assert_eq!(block_on(generator.next(&words)).unwrap(), None);
}

#[test]
fn log_probabilities_are_the_models_own() {
    let words = Words::new(&["a", "b"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "b|<end>"));
    let sampling = SamplingOptions {
        top_logprobs: Some(2),
        logit_bias: [(0, 5.0)].into(),
        ..SamplingOptions::greedy()
    };
    generator
        .start(
            GenerateOptions {
                sampling,
                ..order(vec![1])
            },
            &words,
        )
        .unwrap();
    let events = run(&mut generator, &words).unwrap();
    // The most likely token has a logit of 10, the others have 0. The bias on "a" is not the
    // model's and does not count.
    let others = f64::from(words.start());
    let logprob = events[0].logprob.clone().unwrap();
    assert_eq!(
        (
            logprob.chosen.token.as_str(),
            logprob.chosen.bytes.as_slice()
        ),
        ("b", b"b".as_slice())
    );
    assert!(
        (f64::from(logprob.chosen.logprob) + (1.0 + others * (-10f64).exp()).ln()).abs() < 1e-5
    );
    assert_eq!(logprob.top_logprobs[0], logprob.chosen);
    assert_eq!(logprob.top_logprobs[1].token, "a");
    assert_eq!(events[1].logprob, None);
}

#[test]
fn control_tokens_are_no_text() {
    let words = Words::new(&["a", "b"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "a|<start>|b|<end>"));
    assert_eq!(answer(&mut generator, &words, order(vec![1])).0, "ab");
}

#[test]
fn an_emoji_cut_by_tokens_streams_whole() {
    let words = Words::from_bytes(&[b"hi ", &[0xf0, 0x9f], &[0x90], &[0xa6], b"!"]);
    let mut generator = Generator::new(Scripted::of_tokens(
        &words,
        64,
        &[0, 1, 2, 3, 4, words.end()],
    ));
    generator.start(order(vec![1]), &words).unwrap();
    let pieces: Vec<String> = run(&mut generator, &words)
        .unwrap()
        .into_iter()
        .map(|event| event.text)
        .collect();
    assert_eq!(pieces, ["hi ", "", "", "🐦", "!", ""]);
}

#[test]
fn a_character_cut_by_the_end_is_dropped() {
    let words = Words::from_bytes(&[b"hi", &[0xf0, 0x9f]]);
    let mut generator = Generator::new(Scripted::of_tokens(&words, 64, &[0, 1, 1]));
    let (text, last) = answer(
        &mut generator,
        &words,
        GenerateOptions {
            max_tokens: Some(2),
            ..order(vec![1])
        },
    );
    assert_eq!(text, "hi");
    assert_eq!(last.finish_reason, Some(FinishReason::Length));
}

#[test]
fn a_stop_string_across_tokens_ends_the_answer_and_is_not_shown() {
    let words = Words::new(&["one", " S", "TO", "P", "S two", "STOP"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "one| S|TO|S two| S|TO|P|one"));
    let (text, last) = answer(
        &mut generator,
        &words,
        GenerateOptions {
            stop: vec!["STOP".into(), "never".into()],
            ..order(vec![1])
        },
    );
    assert_eq!(text, "one STOS two ");
    assert_eq!(last.finish_reason, Some(FinishReason::Stop));
    assert_eq!(last.usage.unwrap().completion_tokens, 7);
}

#[test]
fn text_held_for_a_stop_string_comes_when_the_answer_ends() {
    let words = Words::new(&["one", " ST"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "one| ST|<end>"));
    let options = GenerateOptions {
        stop: vec!["STOP".into()],
        ..order(vec![1])
    };
    generator.start(options, &words).unwrap();
    let pieces: Vec<String> = run(&mut generator, &words)
        .unwrap()
        .into_iter()
        .map(|event| event.text)
        .collect();
    assert_eq!(pieces, ["one", " ", "ST"]);
}

#[test]
fn max_tokens_ends_with_length() {
    let words = Words::new(&["a"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "a|a|a|a|a|a"));
    let (text, last) = answer(
        &mut generator,
        &words,
        GenerateOptions {
            max_tokens: Some(4),
            ..order(vec![1])
        },
    );
    assert_eq!(
        (text.as_str(), last.finish_reason),
        ("aaaa", Some(FinishReason::Length))
    );
    assert_eq!(last.usage.unwrap().completion_tokens, 4);
}

#[test]
fn a_conversation_reuses_what_the_cache_holds() {
    let words = Words::new(&["a", "b"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "a|b|<end>|b|<end>|a|<end>"));
    let first = answer(&mut generator, &words, order(vec![5, 6, 7])).1;
    assert_eq!(first.usage.unwrap().cached_tokens, 0);
    // The first prompt, "a" and "b" are cached. The token that ended the turn never was evaluated.
    let second = answer(
        &mut generator,
        &words,
        order(vec![5, 6, 7, 0, 1, words.end(), 8, 9]),
    )
    .1;
    assert_eq!(
        second.usage.unwrap(),
        Usage {
            prompt_tokens: 8,
            completion_tokens: 2,
            total_tokens: 10,
            cached_tokens: 5
        }
    );
    // The same prompt is cached but for its last token.
    let third = answer(
        &mut generator,
        &words,
        order(vec![5, 6, 7, 0, 1, words.end(), 8, 9]),
    )
    .1;
    assert_eq!(third.usage.unwrap().cached_tokens, 7);
    // The cache holds exactly the tokens of the conversation, in order.
    assert_eq!(
        generator.decoder().cache(),
        [5, 6, 7, 0, 1, words.end(), 8, 9, 0]
    );
}

#[test]
fn another_conversation_reuses_the_common_beginning_alone() {
    let words = Words::new(&["a"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "a|<end>|a|<end>"));
    answer(&mut generator, &words, order(vec![5, 6, 7, 8]));
    let last = answer(&mut generator, &words, order(vec![5, 6, 9])).1;
    assert_eq!(last.usage.unwrap().cached_tokens, 2);
    assert_eq!(generator.decoder().cache(), [5, 6, 9, 0]);
}

#[test]
fn a_model_that_can_be_cut_only_at_checkpoints_answers_the_same() {
    let words = Words::new(&["a", "b"]);
    let prompts = [
        (0..21).map(|i| i % 3).collect::<Vec<u32>>(),
        [(0..13).map(|i| i % 3).collect(), vec![2; 9]].concat(),
    ];
    let caches = [1, 8].map(|checkpoint_tokens| {
        let decoder = Scripted::new(&words, 64, "a|b|<end>|<nan>|b|a|<end>")
            .with_checkpoints(checkpoint_tokens);
        let mut generator = Generator::new(decoder);
        assert_eq!(
            answer(&mut generator, &words, order(prompts[0].clone())).0,
            "ab"
        );
        // The step fails after half of the prompt was cached, and is taken back.
        generator.start(order(prompts[1].clone()), &words).unwrap();
        let error = run(&mut generator, &words).unwrap_err();
        assert_eq!(error.code, Code::NotFinite);
        let (text, last) = answer(&mut generator, &words, order(prompts[1].clone()));
        assert_eq!(text, "ba");
        assert_eq!(
            last.usage.unwrap().cached_tokens % checkpoint_tokens,
            0,
            "what remains is not what the decoder says"
        );
        generator.decoder().cache().to_vec()
    });
    assert_eq!(caches[0], caches[1]);
}

#[test]
fn a_long_prompt_is_evaluated_in_turns_of_at_most_100_ms() {
    let words = Words::new(&["a"]);
    for ms_per_token in [0.01, 0.3, 3.0, 20.0, 120.0] {
        let decoder = Scripted::new(&words, 4096, "a|<end>").with_ms_per_token(ms_per_token);
        let clock = decoder.clock();
        let mut generator = Generator::with_clock(decoder, Box::new(move || clock.get()));
        generator.start(order(vec![3; 3000]), &words).unwrap();
        let events = run(&mut generator, &words).unwrap();
        let done: Vec<usize> = events
            .iter()
            .filter_map(|event| event.prefill)
            .map(|prefill| prefill.done_tokens)
            .collect();
        let chunks = generator.decoder().chunks();
        assert!(done.is_sorted() && done.last().is_some_and(|&done| done < 3000));
        assert_eq!(chunks.iter().sum::<usize>(), 3001);
        // The first chunk is sized before anything is measured, so it may take longer.
        let longest_ms = generator.decoder().longest_ms();
        assert!(
            longest_ms <= if ms_per_token > 100.0 { 200.0 } else { 100.0 },
            "{longest_ms} at {ms_per_token} ms a token"
        );
        // The largest chunk makes a layer take at least half of the target time, or it is as large
        // as a step can be.
        let longest = chunks.iter().max().copied().unwrap();
        let layer_ms = longest as f64 * ms_per_token / Scripted::LAYERS as f64;
        assert!(
            longest == STEP_TOKENS || layer_ms >= 25.0,
            "{longest} tokens at {ms_per_token} ms"
        );
    }
}

#[test]
fn chunks_ignore_a_short_rest_and_shrink_at_once() {
    let mut chunker = PrefillChunker::new(4);
    for _ in 0..5 {
        chunker.observe(chunker.tokens(), 0.0);
    }
    assert_eq!(chunker.tokens(), STEP_TOKENS);
    chunker.observe(3, 30.0);
    assert_eq!(chunker.tokens(), STEP_TOKENS);
    chunker.observe(STEP_TOKENS, 200.0);
    assert_eq!(chunker.tokens(), STEP_TOKENS / 4);
    chunker.observe(STEP_TOKENS / 4, 1e9);
    assert_eq!(chunker.tokens(), 4);
}

#[test]
fn stop_ends_between_steps_and_keeps_the_cache() {
    let words = Words::new(&["a", "b"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "a|b|a|<end>"));
    generator.start(order(vec![5, 6]), &words).unwrap();
    assert_eq!(block_on(generator.next(&words)).unwrap().unwrap().text, "a");
    generator.stop_handle().stop();
    let last = block_on(generator.next(&words)).unwrap().unwrap();
    assert_eq!(last.finish_reason, Some(FinishReason::Abort));
    assert_eq!(last.usage.unwrap().completion_tokens, 1);
    assert!(!generator.is_writing());
    let (text, last) = answer(&mut generator, &words, order(vec![5, 6, 7]));
    assert_eq!(
        (text.as_str(), last.usage.unwrap().cached_tokens),
        ("ba", 2)
    );
}

#[test]
fn stop_in_the_middle_of_the_prompt_keeps_what_was_evaluated() {
    let words = Words::new(&["a"]);
    let decoder = Scripted::new(&words, 64, "a|<end>").with_ms_per_token(10.0);
    let clock = decoder.clock();
    let mut generator = Generator::with_clock(decoder, Box::new(move || clock.get()));
    generator.start(order(vec![5; 40]), &words).unwrap();
    // A call spends 50 ms and a layer that is being computed is finished. The first 16 tokens take
    // 160 ms: they are cached within the third call. Two more calls do a part of the next 24.
    let done: Vec<usize> = (0..5)
        .map(|_| {
            block_on(generator.next(&words))
                .unwrap()
                .unwrap()
                .prefill
                .unwrap()
                .done_tokens
        })
        .collect();
    assert_eq!(
        (done, generator.decoder().cache().len()),
        (vec![6, 12, 16, 23, 30], 16)
    );
    generator.stop_handle().stop();
    assert_eq!(
        block_on(generator.next(&words))
            .unwrap()
            .unwrap()
            .finish_reason,
        Some(FinishReason::Abort)
    );
    let last = answer(&mut generator, &words, order(vec![5; 40])).1;
    assert_eq!(last.usage.unwrap().cached_tokens, 16);
    assert_eq!(
        generator.decoder().cache(),
        [[5; 40].as_slice(), &[0]].concat()
    );
}

#[test]
fn a_stop_without_an_answer_does_not_hit_the_next_one() {
    let words = Words::new(&["a"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "a|<end>"));
    generator.stop_handle().stop();
    assert_eq!(answer(&mut generator, &words, order(vec![5])).0, "a");
}

#[test]
fn a_second_start_is_refused_and_harms_nothing() {
    let words = Words::new(&["a", "b"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "a|b|<end>"));
    generator.start(order(vec![5]), &words).unwrap();
    block_on(generator.next(&words)).unwrap();
    assert_eq!(
        generator.start(order(vec![6]), &words).unwrap_err().code,
        Code::Busy
    );
    assert_eq!(run(&mut generator, &words).unwrap()[0].text, "b");
}

#[test]
fn wrong_orders_are_refused() {
    let words = Words::new(&["a"]);
    let mut generator = Generator::new(Scripted::new(&words, 8, "a|<end>"));
    let mut refused = |options| {
        let error = generator.start(options, &words).unwrap_err();
        assert!(!generator.is_writing());
        error.code
    };
    assert_eq!(refused(order(vec![])), Code::InvalidArgument);
    assert_eq!(
        refused(GenerateOptions {
            max_tokens: Some(0),
            ..order(vec![1])
        }),
        Code::InvalidArgument
    );
    assert_eq!(
        refused(GenerateOptions {
            stop: vec![String::new()],
            ..order(vec![1])
        }),
        Code::InvalidArgument
    );
    assert_eq!(refused(order(vec![1; 8])), Code::ContextFull);
    assert_eq!(
        refused(GenerateOptions {
            context_overflow: ContextOverflow::Slide,
            keep_tokens: 8,
            ..order(vec![1; 9])
        }),
        Code::ContextFull
    );
    assert_eq!(answer(&mut generator, &words, order(vec![1; 7])).0, "a");
}

#[test]
fn a_failing_step_ends_the_answer_and_the_next_works() {
    let words = Words::new(&["a", "b"]);
    let mut generator = Generator::new(Scripted::new(&words, 64, "a|<nan>|b|<end>"));
    generator.start(order(vec![5, 6]), &words).unwrap();
    block_on(generator.next(&words)).unwrap();
    assert_eq!(
        block_on(generator.next(&words)).unwrap_err().code,
        Code::NotFinite
    );
    assert_eq!(block_on(generator.next(&words)).unwrap(), None);
    // The cache no longer holds what the failing step appended.
    assert_eq!(generator.decoder().cache(), [5, 6]);
    assert_eq!(
        answer(&mut generator, &words, order(vec![5, 6, 0, 7])).0,
        "b"
    );
}

#[test]
fn a_full_context_ends_the_answer_with_length() {
    let words = Words::new(&["a"]);
    let mut generator = Generator::new(Scripted::new(&words, 8, "a|a|a|a|a|a|a|a"));
    let (text, last) = answer(&mut generator, &words, order(vec![5; 5]));
    assert_eq!(
        (text.as_str(), last.finish_reason),
        ("aaa", Some(FinishReason::Length))
    );
    assert_eq!(last.usage.unwrap().total_tokens, 8);
}

#[test]
fn a_sliding_context_keeps_the_head_and_goes_on() {
    let words = Words::new(&["a", "b", "c", "d"]);
    let decoder =
        Scripted::new(&words, 16, "a|b|c|d|a|b|c|d|a|b|c|d|a|b|c|d|<end>").with_ms_per_token(20.0);
    let clock = decoder.clock();
    let mut generator = Generator::with_clock(decoder, Box::new(move || clock.get()));
    let sliding = GenerateOptions {
        context_overflow: ContextOverflow::Slide,
        keep_tokens: 2,
        ..order(vec![8, 9, 5, 5, 5, 5])
    };
    generator.start(sliding, &words).unwrap();
    let events = run(&mut generator, &words).unwrap();
    let text: String = events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(text, "abcdabcdabcdabcd");
    assert_eq!(
        events.last().unwrap().finish_reason,
        Some(FinishReason::Stop)
    );
    // The context is full after ten tokens. The first two stay with the newest seven, which are
    // evaluated again in chunks.
    assert!(events.iter().skip(2).any(|event| event.prefill.is_some()));
    assert_eq!(
        generator.decoder().cache()[..9],
        [8, 9, 3, 0, 1, 2, 3, 0, 1]
    );
    assert_eq!(generator.decoder().longest_cache(), 15);
}

#[test]
fn sliding_cuts_where_a_turn_ends() {
    let words = Words::new(&["a"]);
    let end = words.end();
    let mut generator = Generator::new(Scripted::new(&words, 16, "a|<end>"));
    // The prompt has 18 tokens for a context of 16. The first two and the newest seven would stay,
    // but one of these seven belongs to an older turn.
    let prompt = vec![8, 9, 5, 5, 5, 5, 5, 5, 5, 5, 5, end, 6, 6, 6, 6, 6, 6];
    let sliding = GenerateOptions {
        context_overflow: ContextOverflow::Slide,
        keep_tokens: 2,
        ..order(prompt)
    };
    let last = answer(&mut generator, &words, sliding).1;
    assert_eq!(generator.decoder().cache(), [8, 9, 6, 6, 6, 6, 6, 6, 0]);
    assert_eq!(last.usage.unwrap().prompt_tokens, 8);
}

#[test]
fn the_repetition_penalty_sees_the_prompt() {
    let words = Words::new(&["a", "b"]);
    // The script's token has a logit of 10, every other has 0. A bias of 9 makes "b" the second,
    // and the penalty for "a" makes it the first.
    let sampling = SamplingOptions {
        repetition_penalty: 2.0,
        logit_bias: [(1, 9.0)].into(),
        ..SamplingOptions::greedy()
    };
    let mut generator = Generator::new(Scripted::new(&words, 64, "a|<end>"));
    assert_eq!(
        answer(
            &mut generator,
            &words,
            GenerateOptions {
                sampling,
                ..order(vec![0])
            }
        )
        .0,
        "b"
    );
}

proptest! {
    /// The released text is the one up to the first stop string, wherever the text is cut.
    #[test]
    fn stop_strings_do_not_depend_on_the_cuts(
        text in "[abé]{0,40}",
        cuts in prop::collection::vec(1usize..6, 0..40),
        stops in prop::collection::vec("[abé]{1,5}", 0..4),
    ) {
        let mut watcher = StopStrings::new(stops.clone()).unwrap();
        let mut chars = text.chars();
        let mut shown = String::new();
        let mut stopped = false;
        for size in cuts.into_iter().chain(std::iter::repeat(1)) {
            let piece: String = chars.by_ref().take(size).collect();
            if piece.is_empty() || stopped {
                break;
            }
            let released = watcher.push(&piece);
            shown.push_str(&released.text);
            stopped = released.stopped;
        }
        if !stopped {
            shown.push_str(&watcher.finish());
        }
        let first_to_end = stops
            .iter()
            .filter_map(|stop| text.find(stop.as_str()).map(|start| (start + stop.len(), start)))
            .min();
        prop_assert_eq!(stopped, first_to_end.is_some());
        prop_assert_eq!(shown, &text[..first_to_end.map_or(text.len(), |(_, start)| start)]);
    }
}
