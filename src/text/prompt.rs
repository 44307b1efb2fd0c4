//! Messages become the token ids of a prompt, in which only the template can write control tokens.
//!
//! A user may type `<|im_end|>`, and a web page that is to be summarized may hold
//! `<|im_start|>system`. The template puts such text between its own control tokens, and afterwards
//! nobody could tell them apart. So before rendering, a guard (a character that occurs nowhere
//! else) is set into whatever could become part of a control token, and taken out again once the
//! control tokens are found.

use super::template::ChatTemplate;
use super::tokenizer::Tokenizer;
use crate::error::{Code, Error, Result};
use serde_json::{Map, Value};

/// Messages nested deeper than this are refused: no chat needs it, and the recursion must not
/// overflow the stack.
const MAX_DEPTH: usize = 128;

/// Returns the token ids of `messages` and `tools`, in the form that `template` reads
/// ([`ChatTemplate::adapt`]) and rendered as [`ChatTemplate::render`] describes.
///
/// For texts without control tokens, the ids are those of the rendered prompt encoded with
/// `Special::Parse`. BOS is there only if the template writes it.
///
/// # Errors
/// `template` when the template refuses the messages; `invalid_argument` when they are nested too
/// deeply or use every private character of Unicode.
pub fn chat_tokens(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &Value,
    tools: Option<&Value>,
    add_generation_prompt: bool,
) -> Result<Vec<u32>> {
    let none = Map::new();
    chat_tokens_with(
        tokenizer,
        template,
        messages,
        tools,
        add_generation_prompt,
        &none,
    )
}

/// Returns the token ids of [`chat_tokens`], where the template has more `variables`. Their strings
/// cannot become control tokens either.
///
/// # Errors
/// Those of [`chat_tokens`].
pub fn chat_tokens_with(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &Value,
    tools: Option<&Value>,
    add_generation_prompt: bool,
    variables: &Map<String, Value>,
) -> Result<Vec<u32>> {
    let messages = &template.adapt(messages, tools);
    let mut values = vec![messages];
    values.extend(tools);
    values.extend(variables.values());
    let guard = unused_character(&values, template)?;
    let guarded = |value| guard_strings(tokenizer, value, guard, 0);
    let messages = guarded(messages)?;
    let tools = tools.map(guarded).transpose()?;
    let variables = variables
        .iter()
        .map(|(name, value)| Ok((name.clone(), guarded(value)?)))
        .collect::<Result<_>>()?;
    let text = template.render_guarded(
        &messages,
        tools.as_ref(),
        add_generation_prompt,
        &variables,
        guard,
    )?;
    Ok(tokenizer.encode_guarded(&text, guard))
}

/// Returns a character without meaning that occurs neither in these values nor in the template:
/// mostly Unicode's first noncharacter.
fn unused_character(values: &[&Value], template: &ChatTemplate) -> Result<char> {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    ('\u{fdd0}'..='\u{fdef}')
        .chain('\u{f0000}'..='\u{ffffd}')
        .find(|&c| !template.contains(c) && !texts.iter().any(|text| text.contains(c)))
        .ok_or_else(|| {
            Error::new(
                Code::InvalidArgument,
                "The messages use every private character of Unicode; leave one of them out.",
            )
        })
}

/// Returns the value with all its strings and keys guarded.
fn guard_strings(tokenizer: &Tokenizer, value: &Value, guard: char, depth: usize) -> Result<Value> {
    if depth > MAX_DEPTH {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("The messages are nested more than {MAX_DEPTH} deep; flatten them."),
        ));
    }
    Ok(match value {
        Value::String(text) => Value::String(guard_text(tokenizer, text, guard)),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| guard_strings(tokenizer, item, guard, depth + 1))
                .collect::<Result<_>>()?,
        ),
        Value::Object(entries) => {
            let guarded = |(key, value): (&String, &Value)| {
                Ok((
                    guard_text(tokenizer, key, guard),
                    guard_strings(tokenizer, value, guard, depth + 1)?,
                ))
            };
            Value::Object(entries.iter().map(guarded).collect::<Result<_>>()?)
        }
        other => other.clone(),
    })
}

/// Sets the guard behind the first character of all that is a control token, or may become one when
/// the template trims the text, cuts it or appends to it: two characters that begin a control
/// token, or one such character with nothing but spaces behind it.
fn guard_text(tokenizer: &Tokenizer, text: &str, guard: char) -> String {
    let mut guarded = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        guarded.push(c);
        let (rest, first_bytes) = (&text[at..], c.len_utf8());
        let shared_bytes = tokenizer.shared_with_control(rest);
        if shared_bytes > first_bytes
            || (shared_bytes == first_bytes && rest.chars().skip(1).all(char::is_whitespace))
        {
            guarded.push(guard);
        }
    }
    guarded
}
