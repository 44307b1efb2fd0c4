//! Finds a model's thoughts, `<think>...</think>` at the beginning of what it writes.

use super::{
    hold::certain_len,
    piece::{Piece, ThoughtsBegin},
};

/// Begins and ends thoughts.
pub const THOUGHT_MARKERS: [&str; 2] = ["<think>", "</think>"];
const OPEN: &str = THOUGHT_MARKERS[0];
const CLOSE: &str = THOUGHT_MARKERS[1];

/// Divides a text into thoughts and answer.
pub(super) struct Thoughts {
    state: State,
    held: String,
}

#[derive(PartialEq)]
enum State {
    /// The text may begin with `<think>`.
    Begin,
    /// The thoughts have begun, and hold nothing but white space.
    Opened,
    Open,
    /// The thoughts have ended, and white space follows.
    Closed,
    Answer,
}

impl Thoughts {
    pub(super) fn new(begin: ThoughtsBegin) -> Self {
        Self {
            state: match begin {
                ThoughtsBegin::Written => State::Begin,
                ThoughtsBegin::InPrompt => State::Opened,
            },
            held: String::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Opened | State::Open)
    }

    /// Takes text. Returns what is certainly the answer's.
    pub(super) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) -> String {
        self.held.push_str(text);
        loop {
            match self.state {
                State::Begin => {
                    let seen = self.held.trim_start();
                    if let Some(rest) = seen.strip_prefix(OPEN) {
                        self.held = rest.to_owned();
                        self.state = State::Opened;
                    } else if OPEN.starts_with(seen) {
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
                    let end = self.held.find(CLOSE);
                    let certain = match end {
                        Some(at) => self.held[..at].trim_end().len(),
                        None => certain_len(&self.held, CLOSE),
                    };
                    push_thought(&self.held[..certain], pieces);
                    let Some(at) = end else {
                        self.held.drain(..certain);
                        return String::new();
                    };
                    self.held.drain(..at + CLOSE.len());
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
