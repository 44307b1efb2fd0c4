//! Messages become the token ids of a prompt, in which only the template can write delimiters.
//!
//! A user may type `<|im_end|>`, and a web page that is to be summarized may hold
//! `<|im_start|>system`. The template puts such text between its own delimiters, and afterwards
//! nobody could tell them apart. So where a text of the messages could become one, the template is
//! rendered once more with marks (characters that occur nowhere else) in place of the delimiters
//! that it writes itself. What is marked becomes a delimiter, and all else is text.

use super::delimiters::Delimiters;
use super::marks::Marks;
use super::template::{ChatTemplate, Input};
use super::tokenizer::{Special, Tokenizer};
use crate::error::{Code, Error, Result};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Messages nested deeper than this are refused: no chat needs it, and the recursion must not
/// overflow the stack.
const MAX_DEPTH: usize = 128;

/// Says where a prompt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Ends it behind the last message.
    LastMessage,
    /// Opens the assistant's turn behind the last message: `add_generation_prompt`.
    GenerationPrompt,
    /// Ends it with the text of the last message, which the answer goes on with:
    /// `continue_final_message`.
    WithinLastMessage,
}

/// Returns the token ids of `messages` and `tools`, in the form that `template` reads
/// ([`ChatTemplate::adapt`]) and rendered as [`ChatTemplate::render`] describes.
///
/// For texts without delimiters, the ids are those of the rendered prompt encoded with
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
    let ending = match add_generation_prompt {
        true => Ending::GenerationPrompt,
        false => Ending::LastMessage,
    };
    chat_tokens_with(tokenizer, template, messages, tools, ending, &Map::new())
}

/// Returns the token ids of [`chat_tokens`], where the template has more `variables`. Their strings
/// cannot become delimiters either.
///
/// # Errors
/// Those of [`chat_tokens`]; `invalid_argument` for [`Ending::WithinLastMessage`] where the last
/// message holds no text, and `template` where the template does not show it.
pub fn chat_tokens_with(
    tokenizer: &Tokenizer,
    template: &ChatTemplate,
    messages: &Value,
    tools: Option<&Value>,
    ending: Ending,
    variables: &Map<String, Value>,
) -> Result<Vec<u32>> {
    let mut messages = template.adapt(messages, tools);
    let end = match ending {
        Ending::WithinLastMessage => Some(mark_end(&mut messages)?),
        _ => None,
    };
    let messages = &messages;
    let mut texts = Texts::default();
    texts.add_messages(messages)?;
    for value in tools.into_iter().chain(variables.values()) {
        texts.add(value, 0)?;
    }
    let input = Input {
        messages,
        tools,
        add_generation_prompt: ending == Ending::GenerationPrompt,
        variables,
        now_seconds: template.now_seconds(),
    };
    let text = template.render_input(&input)?;
    let shown = up_to(&text, end)?;
    let delimiters =
        Delimiters::that_may_come_of(&texts.outside, &texts.answers, tokenizer, template);
    if delimiters.ids().is_empty() {
        return Ok(tokenizer.encode(shown, Special::Parse));
    }
    let pieces = template.pieces(tools);
    let used: HashSet<char> = [&texts.outside, &texts.answers, &pieces]
        .into_iter()
        .flatten()
        .flat_map(|text| text.chars())
        .chain(text.chars())
        .collect();
    let unused = meaningless().filter(|c| !used.contains(c));
    let marks =
        Marks::new(&delimiters, &pieces, &texts.roles, unused).ok_or_else(no_character_is_left)?;
    let mark = |piece: &str| marks.mark(piece);
    let rendered = template.render_marked(&input, mark, |it| marks.restore(it) == text);
    Ok(marks.encode(up_to(rendered.as_ref().unwrap_or(&text), end)?))
}

/// Returns characters that have no meaning in Unicode: its first noncharacters, and private ones.
fn meaningless() -> impl Iterator<Item = char> {
    ('\u{fdd0}'..='\u{fdef}').chain('\u{f0000}'..='\u{ffffd}')
}

fn no_character_is_left() -> Error {
    Error::new(
        Code::InvalidArgument,
        "The messages use every private character of Unicode; leave one of them out.",
    )
}

/// Puts a character that the messages do not hold behind the text of the last one, and returns it:
/// it shows where the text ends in a rendering. The space behind it tells whether the template trims
/// texts, as in transformers' `apply_chat_template`.
fn mark_end(messages: &mut Value) -> Result<char> {
    let written = messages.to_string();
    let end = meaningless()
        .find(|&c| !written.contains(c))
        .ok_or_else(no_character_is_left)?;
    let content = messages
        .as_array_mut()
        .and_then(|messages| messages.last_mut())
        .and_then(|message| message.get_mut("content"));
    let text = match content {
        Some(Value::Array(parts)) => parts.last_mut().and_then(|part| part.get_mut("text")),
        content => content,
    };
    let Some(Value::String(text)) = text else {
        return Err(Error::new(
            Code::InvalidArgument,
            "`continue_final_message` goes on with the last message, which has no text; end \
             `messages` with one of the assistant that has.",
        ));
    };
    text.extend([end, ' ']);
    Ok(end)
}

/// Returns what stands before the last `end` of a rendering, or all of it without one to look for.
fn up_to(rendered: &str, end: Option<char>) -> Result<&str> {
    let Some(end) = end else {
        return Ok(rendered);
    };
    let found = rendered.rsplit_once(end);
    let found = found.map(|(before, behind)| match behind.starts_with(' ') {
        true => before,
        false => before.trim_end(),
    });
    found.ok_or_else(|| {
        Error::new(
            Code::Template,
            "The model's chat template does not show the text of the last message, so that \
             `continue_final_message` has nothing to go on with; ask for the beginning in a \
             message of the user.",
        )
    })
}

/// Holds the texts that a template is given.
#[derive(Default)]
struct Texts<'a> {
    /// Holds the strings and keys that may come from anywhere.
    outside: Vec<&'a str>,
    /// Holds the contents of the assistant's messages.
    answers: Vec<&'a str>,
    /// Holds the roles of messages that are plain words, which the application chooses.
    roles: Vec<&'a str>,
}

impl<'a> Texts<'a> {
    fn add_messages(&mut self, messages: &'a Value) -> Result<()> {
        let Some(list) = messages.as_array() else {
            return self.add(messages, 0);
        };
        for message in list {
            let Some(fields) = message.as_object() else {
                self.add(message, 1)?;
                continue;
            };
            let is_answer = message["role"] == "assistant";
            for (name, value) in fields {
                match value.as_str() {
                    Some(content) if name == "content" && is_answer => self.answers.push(content),
                    Some(role) if name == "role" && is_word(role) => {
                        if !self.roles.contains(&role) {
                            self.roles.push(role);
                        }
                    }
                    _ => {
                        self.outside.push(name);
                        self.add(value, 2)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, value: &'a Value, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::new(
                Code::InvalidArgument,
                format!("The messages are nested more than {MAX_DEPTH} deep; flatten them."),
            ));
        }
        match value {
            Value::String(text) => self.outside.push(text),
            Value::Array(items) => {
                for item in items {
                    self.add(item, depth + 1)?;
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries {
                    self.outside.push(key);
                    self.add(value, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Tells whether a role is a word such as `user`.
fn is_word(role: &str) -> bool {
    role.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
