//! A prefix that is kept, or stored and restored, changes how much of a prompt is read, and not what
//! is answered.

use serde_json::{Value, json};
use siskin::{
    Code, Result,
    generate::SlotState,
    loader::Options,
    session::{
        Session,
        engine::{AnyLoader, Pool},
        request::ChatRequest,
    },
};

const MODEL: &str = "tests/fixtures/models/chat-tiny.gguf";

fn load(context_tokens: usize) -> Session {
    load_with(context_tokens, 1)
}

fn load_with(context_tokens: usize, threads: usize) -> Session {
    let options = Options {
        context_tokens: Some(context_tokens),
        ..Options::default()
    };
    let mut loader = AnyLoader::cpu(options, Pool::new(threads));
    loader
        .push(&std::fs::read(MODEL).expect("the model is a fixture"))
        .expect("the model is whole");
    loader.finish().expect("the model loads").into()
}

fn request(messages: Value) -> ChatRequest {
    let fields = json!({"messages": messages, "temperature": 0, "max_tokens": 12});
    let Value::Object(fields) = fields else {
        unreachable!("it is an object")
    };
    ChatRequest::from_fields(fields).expect("the request is right")
}

fn beginning() -> Vec<Value> {
    vec![
        json!({"role": "system", "content": "You are a parrot. Say what you hear, and nothing else."}),
        json!({"role": "user", "content": "hello"}),
        json!({"role": "assistant", "content": "hello"}),
    ]
}

fn with_user(text: &str) -> Value {
    let user = json!({"role": "user", "content": text});
    Value::Array([beginning(), vec![user]].concat())
}

/// Returns the answer, how many tokens the prompt has and how many of them were cached.
fn answer(session: &mut Session, messages: Value) -> Result<(String, usize, usize)> {
    pollster::block_on(async {
        session.start(request(messages))?;
        let (mut text, mut usage) = (String::new(), None);
        while let Some(event) = session.next().await? {
            text.push_str(&event.text);
            usage = event.usage.or(usage);
        }
        let usage = usage.expect("the last event has it");
        Ok((text, usage.prompt_tokens, usage.cached_tokens))
    })
}

fn keep(session: &mut Session, messages: Vec<Value>) -> Result<Vec<u32>> {
    pollster::block_on(session.keep_prefix(&request(Value::Array(messages))))
}

/// Fills all slots with something else.
fn fill_slots(session: &mut Session) {
    for i in 0..session.decoder().slot_count() {
        let text = format!("{i} {i} {i} what else is there to say of the number {i}?");
        answer(session, json!([{"role": "user", "content": text}])).expect("it answers");
    }
}

#[test]
fn a_kept_prefix_outlives_its_slot_and_the_answer_is_the_same() -> Result<()> {
    let expected = answer(&mut load(256), with_user("good morning"))?;
    assert_eq!(expected.2, 0);
    let mut session = load(256);
    let tokens = keep(&mut session, beginning())?;
    assert!(tokens.len() > 20, "{}", tokens.len());
    for _ in 0..2 {
        fill_slots(&mut session);
        let (text, prompt_tokens, cached_tokens) = answer(&mut session, with_user("good morning"))?;
        assert_eq!((&text, prompt_tokens), (&expected.0, expected.1));
        assert_eq!(cached_tokens, tokens.len());
    }
    Ok(())
}

#[test]
fn a_stored_prefix_serves_another_session() -> Result<()> {
    let expected = answer(&mut load(256), with_user("good morning"))?;
    let mut first = load(256);
    let tokens = keep(&mut first, beginning())?;
    let kv = first.kept_prefix(&tokens).expect("it is kept").to_vec();
    let mut second = load(256);
    let state = SlotState {
        tokens: tokens.clone(),
        kv,
        ..SlotState::default()
    };
    let beginning_request = request(Value::Array(beginning()));
    assert!(second.restore_prefix(&beginning_request, state)?);
    let (text, _, cached_tokens) = answer(&mut second, with_user("good morning"))?;
    assert_eq!(text, expected.0);
    assert_eq!(cached_tokens, tokens.len());
    // A longer beginning goes on from it, and both are kept.
    let mut longer = beginning();
    longer.push(json!({"role": "user", "content": "bye"}));
    longer.push(json!({"role": "assistant", "content": "bye"}));
    let more = keep(&mut second, longer)?;
    assert!(more.len() > tokens.len() && second.kept_prefix(&tokens).is_some());
    Ok(())
}

#[test]
fn a_prefix_that_ends_with_the_user_holds_the_whole_prompt() -> Result<()> {
    let mut session = load(256);
    let messages = with_user("good morning");
    let tokens = keep(
        &mut session,
        messages.as_array().cloned().unwrap_or_default(),
    )?;
    fill_slots(&mut session);
    let (_, prompt_tokens, cached_tokens) = answer(&mut session, messages)?;
    assert_eq!(tokens.len(), prompt_tokens);
    // The last one is evaluated for its logits.
    assert_eq!(cached_tokens, prompt_tokens - 1);
    Ok(())
}

#[test]
fn what_is_not_this_models_is_refused() -> Result<()> {
    let mut session = load(256);
    let tokens = keep(&mut session, beginning())?;
    let kv = session.kept_prefix(&tokens).expect("it is kept").to_vec();
    let refused = |tokens: Vec<u32>, kv: Vec<u16>, context_tokens| {
        let error = load(context_tokens)
            .restore_prefix(
                &request(Value::Array(beginning())),
                SlotState {
                    tokens,
                    kv,
                    ..SlotState::default()
                },
            )
            .expect_err("it is refused");
        error.code
    };
    let short = kv[1..].to_vec();
    assert_eq!(refused(tokens.clone(), short, 256), Code::InvalidArgument);
    let mut foreign = tokens.clone();
    foreign[3] = 1 << 30;
    assert_eq!(refused(foreign, kv.clone(), 256), Code::InvalidArgument);
    assert_eq!(refused(tokens, kv, 16), Code::ContextFull);
    Ok(())
}

#[test]
fn a_prefix_that_does_not_fit_or_comes_during_an_answer_changes_nothing() -> Result<()> {
    let mut small = load(24);
    let error = keep(&mut small, beginning()).expect_err("it does not fit");
    assert_eq!(error.code, Code::ContextFull);
    let mut session = load(256);
    session.start(request(with_user("good morning")))?;
    let error = keep(&mut session, beginning()).expect_err("an answer is written");
    assert_eq!(error.code, Code::Busy);
    Ok(())
}

#[test]
fn a_prefix_of_other_messages_or_another_template_is_not_taken() -> Result<()> {
    let mut session = load(256);
    let tokens = keep(&mut session, beginning())?;
    let kv = session.kept_prefix(&tokens).expect("it is kept").to_vec();
    let mut fresh = load(256);
    let other = request(with_user("good morning"));
    let state = SlotState {
        tokens: tokens.clone(),
        kv,
        ..SlotState::default()
    };
    assert!(!fresh.restore_prefix(&other, state)?);
    assert!(fresh.kept_prefix(&tokens).is_none());
    Ok(())
}

/// Returns a text of the answer with every probability in it.
fn answer_with_logprobs(session: &mut Session, text: &str) -> Result<(String, usize)> {
    let fields = json!({
        "messages": [{"role": "user", "content": text}],
        "temperature": 0, "max_tokens": 12, "logprobs": true, "top_logprobs": 5,
    });
    let Value::Object(fields) = fields else {
        unreachable!("it is an object")
    };
    pollster::block_on(async {
        session.start(ChatRequest::from_fields(fields)?)?;
        let (mut said, mut cached_tokens) = (String::new(), 0);
        while let Some(event) = session.next().await? {
            // How many steps a prompt takes depends on the time that they take.
            if event.prefill.is_none() {
                said.push_str(&format!("{} {:?} ", event.text, event.logprob));
            }
            cached_tokens = event
                .usage
                .map_or(cached_tokens, |usage| usage.cached_tokens);
        }
        Ok((said, cached_tokens))
    })
}

#[test]
fn the_templates_own_beginning_serves_the_next_visit_and_changes_no_bit() -> Result<()> {
    let mut first = load(256);
    const MAX_BYTES: usize = 1 << 20;
    assert_eq!(pollster::block_on(first.opening(MAX_BYTES))?, None);
    let question = "what does the parrot say to the other parrots in the morning, every morning?";
    let (expected, _) = answer_with_logprobs(&mut first, question)?;
    assert_eq!(pollster::block_on(first.opening(100))?, None, "too long");
    let state = pollster::block_on(first.opening(MAX_BYTES))?.expect("it begins so");
    assert!(state.tokens.len() > 1, "{}", state.tokens.len());

    // The next visit may have other threads.
    for threads in [1, 3] {
        let mut second = load_with(256, threads);
        assert!(second.restore_opening(state.clone())?);
        let (said, cached_tokens) = answer_with_logprobs(&mut second, question)?;
        assert_eq!(
            (said, cached_tokens),
            (expected.clone(), state.tokens.len())
        );
    }

    let mut other = state.clone();
    other.tokens[0] += 1;
    assert!(!load(256).restore_opening(other)?, "another template's");
    let mut with_system = load(256);
    answer(&mut with_system, with_user("good morning"))?;
    assert_eq!(pollster::block_on(with_system.opening(MAX_BYTES))?, None);
    Ok(())
}
