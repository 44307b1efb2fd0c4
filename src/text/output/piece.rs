//! Defines what a model's text is divided into.

/// Holds a piece of what a model wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A part of the answer.
    Content(String),
    /// A part of the thoughts before it.
    Reasoning(String),
    /// A tool that the model calls.
    Call(ToolCall),
}

/// Holds a tool that the model calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Holds the tool's name.
    pub name: String,
    /// Holds the arguments: an object in JSON.
    pub arguments: String,
}

/// Says where a model's thoughts begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThoughtsBegin {
    /// The model writes what begins them itself, or does not think.
    Written,
    /// The prompt ends with what begins them.
    InPrompt,
}

/// Appends a part of the answer, unless it is empty.
pub(super) fn push_content(text: String, pieces: &mut Vec<Piece>) {
    if !text.is_empty() {
        pieces.push(Piece::Content(text));
    }
}
