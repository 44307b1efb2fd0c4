//! Tests slots: conversations that alternate, beginnings that are shared, what is taken out of a
//! slot and put back, and scores, which leave every conversation as it was.

mod support;

use siskin::{
    Code,
    backend::cpu::Cpu,
    loader::{Loader, Options},
    model::{Model, SlotState},
    session::{
        Session,
        engine::{AnyLoader, Pool},
        request::ChatRequest,
    },
};
use std::sync::atomic::{AtomicBool, Ordering};
use support::{
    chat_model::chatting,
    tiny::{QWEN2, QWEN35},
};

fn options(slots: usize) -> Options {
    Options {
        context_tokens: Some(256),
        slots: Some(slots),
        ..Options::default()
    }
}

fn model(slots: usize) -> Model<Cpu> {
    let mut loader = Loader::new(Cpu::default(), options(slots));
    loader.push(QWEN2.1).unwrap();
    loader.finish().unwrap().model
}

fn session(slots: usize) -> Session {
    session_of(QWEN2.1, slots)
}

fn session_of(file: &[u8], slots: usize) -> Session {
    let mut loader = AnyLoader::cpu(options(slots), Pool::new(1));
    loader.push(&chatting(file)).unwrap();
    loader.finish().unwrap().into()
}

/// Returns the logits after `tokens`, of which the model evaluates what its slots do not hold, and
/// the number of those that they hold.
fn logits_after(model: &mut Model<Cpu>, tokens: &[u32]) -> (Vec<f32>, usize) {
    let cached_tokens = model.select_slot(tokens);
    assert_eq!(cached_tokens, model.cached_tokens());
    let mut logits = Vec::new();
    pollster::block_on(model.forward(&tokens[cached_tokens..], Some(&mut logits))).unwrap();
    (logits, cached_tokens)
}

/// Makes tokens that differ from those of another seed from the first one on.
fn tokens(seed: u32, count: u32) -> Vec<u32> {
    (0..count).map(|i| (seed + i * 7) % 384).collect()
}

/// Answers to a conversation of `turns` (user, assistant, user, ...). Returns the text, and how many
/// tokens of the prompt there were and how many of them were cached.
fn answer(session: &mut Session, turns: &[&str]) -> (String, usize, usize) {
    let roles = ["user", "assistant"].iter().cycle();
    let messages: Vec<_> = roles
        .zip(turns)
        .map(|(role, content)| serde_json::json!({"role": role, "content": content}))
        .collect();
    let fields = serde_json::json!({"messages": messages, "max_tokens": 6, "temperature": 0});
    let request = ChatRequest::from_fields(fields.as_object().unwrap().clone()).unwrap();
    session.start(request).unwrap();
    let mut text = String::new();
    loop {
        let event = pollster::block_on(session.next()).unwrap().unwrap();
        text.push_str(&event.text);
        if let Some(usage) = event.usage {
            return (text, usage.prompt_tokens, usage.cached_tokens);
        }
    }
}

#[test]
fn conversations_that_alternate_are_not_read_again() {
    let mut session = session(2);
    let openings = ["Why is the sky blue?", "Name three birds of the Alps."];
    let (_, first_tokens, cached) = answer(&mut session, &openings[..1]);
    assert_eq!(cached, 0);
    let (_, second_tokens, _) = answer(&mut session, &openings[1..]);
    // The answers are not repeated, so that each turn begins with the whole prompt before it.
    for follow in ["ok", "ok, and then?", "ok, and then? Really?"] {
        for (opening, prompt_tokens) in openings.iter().zip([first_tokens, second_tokens]) {
            let (_, total, cached) = answer(&mut session, &[opening, follow, "More."]);
            let evaluated = total - cached;
            assert!(
                cached >= prompt_tokens && evaluated <= follow.len() + 40,
                "{evaluated} of {total} tokens were evaluated"
            );
        }
    }
}

/// A state cannot be cut: what is written anew begins at the end of a step, and is the same as if all
/// had been read anew.
#[test]
fn conversations_over_states_go_on_from_the_ends_of_steps() {
    let opening = "Why is the sky blue? ".repeat(5);
    let alone = |turns: &[&str]| answer(&mut session_of(QWEN35.1, 1), turns).0;
    for slots in [1, 2] {
        let mut session = session_of(QWEN35.1, slots);
        let (text, prompt_tokens, cached) = answer(&mut session, &[&opening]);
        assert_eq!(cached, 0);
        assert_eq!(text, alone(&[&opening]));
        // An answer that is written anew.
        let (again, _, cached) = answer(&mut session, &[&opening]);
        assert_eq!(again, text);
        assert!(cached > 0 && cached < prompt_tokens, "{cached}");
        // The answer is not repeated, so that the next turn begins with the prompt.
        for turns in [[&opening, "ok", "More."], [&opening, "no", "Less."]] {
            let (text, _, cached) = answer(&mut session, &turns);
            assert_eq!(text, alone(&turns), "{turns:?}");
            assert!(cached > 0, "{turns:?}");
        }
        let (text, total, cached) = answer(&mut session, &[&opening, "no", "Less.", "x", "y"]);
        assert_eq!(text, alone(&[&opening, "no", "Less.", "x", "y"]));
        assert!(
            cached > prompt_tokens && cached < total,
            "{cached} of {total}"
        );
    }
}

/// The slot that is empty again begins with zeros, and not with the state that was written there.
#[test]
fn embeddings_and_scores_leave_no_state_behind() {
    let turns = &["Why is the sky blue?"][..];
    let alone = answer(&mut session_of(QWEN35.1, 1), turns).0;
    for slots in [1, 2] {
        let mut session = session_of(QWEN35.1, slots);
        let (one, other) = (tokens(1, 70), tokens(2, 20));
        let embed = |session: &mut Session, ids| pollster::block_on(session.embed(ids)).unwrap();
        let score = |session: &mut Session, from| {
            let score = pollster::block_on(session.score(&one, from)).unwrap();
            score.log_probabilities
        };
        let embedding = embed(&mut session, &one);
        let scores = score(&mut session, 1);
        embed(&mut session, &other);
        assert_eq!(embed(&mut session, &one), embedding);
        assert_eq!(score(&mut session, 1), scores);
        for (one, other) in score(&mut session, 30).iter().zip(&scores[29..]) {
            assert!((one - other).abs() < 1e-4, "{one} {other}");
        }
        assert_eq!(answer(&mut session, turns).0, alone);
    }
}

#[test]
fn one_slot_reads_again_what_two_keep() {
    let mut session = session(1);
    answer(&mut session, &["Why is the sky blue?"]);
    answer(&mut session, &["Name three birds of the Alps."]);
    let (_, total, cached) = answer(&mut session, &["Why is the sky blue?", "ok", "More."]);
    assert!(cached < total / 2, "{cached} of {total}");
}

#[test]
fn a_shared_beginning_is_copied_and_both_go_on_as_if_alone() {
    let shared = tokens(3, 77);
    let with = |seed, count| [shared.clone(), tokens(seed, count)].concat();
    let (a, b) = (with(100, 20), with(200, 35));
    let alone = [&a, &b].map(|tokens| logits_after(&mut model(1), tokens).0);

    let mut model = model(2);
    assert_eq!(logits_after(&mut model, &a), (alone[0].clone(), 0));
    let (logits, cached_tokens) = logits_after(&mut model, &b);
    assert_eq!(cached_tokens, shared.len());
    assert!(logits == alone[1], "the copied beginning is another one");

    // The first conversation lost nothing.
    let (logits, cached_tokens) = logits_after(&mut model, &a);
    assert_eq!(cached_tokens, a.len() - 1);
    assert!(
        logits == alone[0],
        "the copy changed what it was taken from"
    );
}

#[test]
fn what_is_taken_out_of_a_slot_can_be_put_back() {
    for count in [1, 31, 32, 33, 100] {
        let (kept, more) = (tokens(1, count), tokens(250, 9));
        let all = [kept.clone(), more.clone()].concat();
        let (expected, _) = logits_after(&mut model(1), &all);

        let mut first = model(1);
        logits_after(&mut first, &kept);
        let state = pollster::block_on(first.export_slot()).unwrap();
        assert_eq!(state.tokens, kept);

        let mut second = model(1);
        logits_after(&mut second, &tokens(300, 120));
        second.import_slot(&state).unwrap();
        let (logits, cached_tokens) = logits_after(&mut second, &all);
        assert_eq!(cached_tokens, kept.len());
        assert!(logits == expected, "{count} tokens changed on their way");
    }
}

#[test]
fn a_state_of_another_model_is_refused_and_changes_nothing() {
    let mut model = model(1);
    let kept = tokens(1, 40);
    logits_after(&mut model, &kept);
    let state = pollster::block_on(model.export_slot()).unwrap();
    let code = |model: &mut Model<Cpu>, state| model.import_slot(&state).unwrap_err().code;
    let shorter = SlotState {
        kv: state.kv[1..].to_vec(),
        ..state.clone()
    };
    assert_eq!(code(&mut model, shorter), Code::InvalidArgument);
    let mut unknown = state.clone();
    unknown.tokens[3] = 384;
    assert_eq!(code(&mut model, unknown), Code::InvalidArgument);
    let long = SlotState {
        tokens: tokens(1, 257),
        kv: vec![0; state.kv.len() / 40 * 257],
        ..SlotState::default()
    };
    assert_eq!(code(&mut model, long), Code::ContextFull);
    assert_eq!(pollster::block_on(model.export_slot()).unwrap(), state);
}

#[test]
fn a_score_leaves_every_conversation_as_it_was() {
    for slots in [1, 2] {
        let mut session = session(slots);
        let scored = session.tokenize(
            "The quick brown fox",
            siskin::text::tokenizer::Special::Plain,
        );
        let alone = pollster::block_on(session.score(&scored, 1)).unwrap();
        assert_eq!(alone.log_probabilities.len(), scored.len() - 1);

        let (text, prompt_tokens, _) = answer(&mut session, &["Why is the sky blue?"]);
        for ids in [&[][..], &[9999], &vec![1; 300]] {
            let error = pollster::block_on(session.score(ids, 1)).unwrap_err();
            let expected = match ids.len() {
                300 => Code::ContextFull,
                _ => Code::InvalidArgument,
            };
            assert_eq!(error.code, expected);
        }
        let again = pollster::block_on(session.score(&scored, 1)).unwrap();
        assert_eq!(alone.log_probabilities, again.log_probabilities);
        let after = answer(&mut session, &["Why is the sky blue?"]);
        assert_eq!(after, (text, prompt_tokens, prompt_tokens - 1));
    }
}

#[test]
fn scores_that_share_a_beginning_are_those_from_an_empty_context() {
    let mut session = session(1);
    let (text, prompt_tokens, _) = answer(&mut session, &["Why is the sky blue?"]);
    let beginning = tokens(1, 90);
    let with_end = |seed, len| [&beginning[..], &tokens(seed, len)].concat();
    // The last one shares less of the one before it than `from` says, the first one nothing.
    for (ids, from) in [
        (with_end(2, 20), 90),
        (with_end(3, 30), 90),
        (with_end(3, 30), 120),
        (with_end(3, 9), 95),
        (tokens(4, 60), 50),
        ([&beginning[..40], &tokens(5, 20)].concat(), 30),
    ] {
        let score = |session: &mut Session, from| pollster::block_on(session.score(&ids, from));
        let shared = score(&mut session, from).unwrap();
        let again = score(&mut session, from).unwrap();
        let whole = score(&mut self::session(1), 1).unwrap();
        assert_eq!(shared.most_likely, whole.most_likely[from - 1..]);
        for scores in [shared, again] {
            let expected = &whole.log_probabilities[from - 1..];
            assert_eq!(scores.log_probabilities.len(), expected.len());
            for (one, other) in scores.log_probabilities.iter().zip(expected) {
                assert!((one - other).abs() < 1e-4, "{one} {other}");
            }
        }
    }
    for from in [0, 4] {
        let error = pollster::block_on(session.score(&[1, 2, 3], from)).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
    }
    let after = answer(&mut session, &["Why is the sky blue?"]);
    assert_eq!(after, (text, prompt_tokens, prompt_tokens - 1));
}

#[test]
fn a_score_can_be_stopped_and_leaves_every_conversation_as_it_was() {
    let mut session = session(1);
    let (text, prompt_tokens, _) = answer(&mut session, &["Why is the sky blue?"]);
    let (handle, is_done) = (session.stop_handle(), AtomicBool::new(false));
    let outcome = std::thread::scope(|scope| {
        // The score begins with a clean slate, so the request is made again until it is over.
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                handle.stop();
            }
        });
        let outcome = pollster::block_on(session.score(&tokens(1, 250), 1));
        is_done.store(true, Ordering::Relaxed);
        outcome
    });
    assert_eq!(outcome.unwrap_err().code, Code::Aborted);
    let after = answer(&mut session, &["Why is the sky blue?"]);
    assert_eq!(after, (text, prompt_tokens, prompt_tokens - 1));
}

#[test]
fn the_number_of_slots_is_checked_and_counted() {
    for slots in [0, 9] {
        let mut loader = Loader::new(Cpu::default(), options(slots));
        let error = loader.push(QWEN2.1).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.message.contains("1 to 8"), "{error}");
    }
    let bytes = [1, 3].map(|slots| session(slots).decoder().kv_cache_bytes());
    assert_eq!(bytes[1], 3 * bytes[0]);
    // Two layers, two key-value heads of 64, 256 positions, keys and values of two bytes.
    assert_eq!(bytes[0], 2 * 2 * 64 * 256 * 2 * 2);
}
