//! Finds calls between tags: `<tool_call>{"name": "f", "arguments": {}}</tool_call>`.

use super::{
    hold::certain_len,
    json_calls::call_of,
    piece::{Piece, ToolCall, push_content},
    tool_format::HERMES_MARKERS,
};

const OPEN: &str = HERMES_MARKERS[0];
const CLOSE: &str = HERMES_MARKERS[1];

/// Divides a text into calls and what stands around them.
#[derive(Default)]
pub(super) struct TaggedCalls {
    /// Holds the text that is not certain, from `<tool_call>` on within a call.
    held: String,
    in_call: bool,
    /// Counts the bytes up to the body of the call.
    body: usize,
    /// Counts the bytes of the call that hold no closing tag which ends it.
    searched: usize,
}

impl TaggedCalls {
    pub(super) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        self.held.push_str(text);
        while self.step(pieces) {}
    }

    pub(super) fn finish(&mut self, pieces: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        // The end of the answer ends a call too.
        let body = held.trim_start().strip_prefix(OPEN);
        match body.filter(|_| self.in_call).and_then(call_in) {
            Some(call) => pieces.push(Piece::Call(call)),
            None if held.trim().is_empty() => {}
            None => push_content(held, pieces),
        }
    }

    /// Reads a piece. Returns whether there may be another.
    fn step(&mut self, pieces: &mut Vec<Piece>) -> bool {
        if self.in_call {
            let Some(at) = self.held[self.searched..].find(CLOSE) else {
                // The tag may have begun.
                let mut from = self
                    .held
                    .len()
                    .saturating_sub(CLOSE.len())
                    .max(self.searched);
                while !self.held.is_char_boundary(from) {
                    from += 1;
                }
                self.searched = from;
                return false;
            };
            let (body_end, end) = (self.searched + at, self.searched + at + CLOSE.len());
            // A tag within a string of the arguments does not end the call.
            self.searched = end;
            if let Some(call) = call_in(&self.held[self.body..body_end]) {
                pieces.push(Piece::Call(call));
                self.held.drain(..end);
                self.in_call = false;
            }
            return true;
        }
        let begin = self.held.find(OPEN);
        let certain = match begin {
            Some(at) => self.held[..at].trim_end().len(),
            None => certain_len(&self.held, OPEN),
        };
        push_content(self.held[..certain].to_owned(), pieces);
        // White space before a call stays, for this may be none.
        self.held.drain(..certain);
        self.in_call = begin.is_some();
        self.body = begin.map_or(0, |at| at - certain + OPEN.len());
        self.searched = self.body;
        self.in_call
    }
}

fn call_in(body: &str) -> Option<ToolCall> {
    call_of(&serde_json::from_str(body.trim()).ok()?)
}
