//! Finds a model's thoughts, `<think>...</think>` or what stands for that, at the beginning of what
//! it writes.

use super::{
    hold::certain_len,
    piece::{Piece, ThoughtsBegin},
};
use crate::text::template::ChatTemplate;

/// Lists the tokens that may stand around thoughts.
pub const THOUGHT_TOKENS: [&str; 4] = ["<think>", "</think>", "<|channel>", "<channel|>"];

/// Says what stands around thoughts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThoughtStyle {
    /// `<think>` and `</think>`, as with Qwen and most others.
    #[default]
    Think,
    /// `<|channel>thought` and `<channel|>`, as with Gemma 4.
    Channel,
}

impl ThoughtStyle {
    /// Returns the style that a chat template speaks of, if it does of any.
    pub fn of(template: &ChatTemplate) -> Option<Self> {
        let is_spoken_of = |style: &Self| {
            let [_, close] = style.markers();
            template.sources().any(|source| source.contains(close))
        };
        [Self::Think, Self::Channel].into_iter().find(is_spoken_of)
    }

    /// Returns what begins and what ends thoughts.
    pub fn markers(self) -> [&'static str; 2] {
        match self {
            Self::Think => ["<think>", "</think>"],
            Self::Channel => ["<|channel>thought", "<channel|>"],
        }
    }
}

/// Divides a text into thoughts and answer.
pub(super) struct Thoughts {
    state: State,
    held: String,
    markers: [&'static str; 2],
}

#[derive(PartialEq)]
enum State {
    /// The text may begin with what begins thoughts.
    Begin,
    /// The thoughts have begun, and hold nothing but white space.
    Opened,
    Open,
    /// The thoughts have ended, and white space follows.
    Closed,
    Answer,
}

impl Thoughts {
    pub(super) fn new(begin: ThoughtsBegin, style: ThoughtStyle) -> Self {
        Self {
            state: match begin {
                ThoughtsBegin::Written => State::Begin,
                ThoughtsBegin::InPrompt => State::Opened,
            },
            held: String::new(),
            markers: style.markers(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Opened | State::Open)
    }

    /// Takes text. Returns what is certainly the answer's.
    pub(super) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) -> String {
        let [open, close] = self.markers;
        self.held.push_str(text);
        loop {
            match self.state {
                State::Begin => {
                    let seen = self.held.trim_start();
                    if let Some(rest) = seen.strip_prefix(open) {
                        self.held = rest.to_owned();
                        self.state = State::Opened;
                    } else if open.starts_with(seen) {
                        return String::new();
                    } else {
                        self.state = State::Answer;
                    }
                }
                State::Opened => {
                    self.held = self.held.trim_start().to_owned();
                    if self.held.is_empty() {
                        return String::new();
                    }
                    self.state = State::Open;
                }
                State::Open => {
                    let end = self.held.find(close);
                    let certain = match end {
                        Some(at) => self.held[..at].trim_end().len(),
                        None => certain_len(&self.held, close),
                    };
                    push_thought(&self.held[..certain], pieces);
                    let Some(at) = end else {
                        self.held.drain(..certain);
                        return String::new();
                    };
                    self.held.drain(..at + close.len());
                    self.state = State::Closed;
                }
                State::Closed => {
                    self.held = self.held.trim_start().to_owned();
                    if self.held.is_empty() {
                        return String::new();
                    }
                    self.state = State::Answer;
                }
                State::Answer => return std::mem::take(&mut self.held),
            }
        }
    }

    /// Ends the text. Returns what was held back of the answer.
    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) -> String {
        let held = std::mem::take(&mut self.held);
        if self.is_open() {
            push_thought(&held, pieces);
            return String::new();
        }
        held
    }
}

fn push_thought(text: &str, pieces: &mut Vec<Piece>) {
    if !text.is_empty() {
        pieces.push(Piece::Reasoning(text.to_owned()));
    }
}
