//! Divides what a model writes into thoughts, calls of tools and the answer.

use crate::{
    generate::event::{Event, FinishReason, FunctionCall, ToolCallDelta},
    host,
    text::output::{OutputForm, OutputParser, piece::Piece},
};

/// Reads the output of an answer.
pub(super) struct Output {
    /// Holds the parser until the answer ends.
    parser: Option<OutputParser>,
    calls: usize,
    /// Counts the tokens of thoughts that are left, if they are bounded.
    left_thoughts: Option<usize>,
}

impl Output {
    /// Makes a reader of an answer that may have so many tokens of thoughts.
    pub(super) fn new(form: OutputForm, reasoning_budget: Option<usize>) -> Self {
        Self {
            parser: Some(OutputParser::new(form)),
            calls: 0,
            left_thoughts: reasoning_budget,
        }
    }

    /// Returns whether the thoughts must end now.
    pub(super) fn is_spent(&self) -> bool {
        self.left_thoughts == Some(0) && self.parser.as_ref().is_some_and(OutputParser::is_thinking)
    }

    /// Says that the thoughts were ended.
    pub(super) fn end_thoughts(&mut self) {
        self.left_thoughts = None;
    }

    /// Divides the text of an event.
    pub(super) fn read(&mut self, mut event: Event) -> Event {
        let Some(parser) = &mut self.parser else {
            return event;
        };
        if let (Some(left), true, None) =
            (&mut self.left_thoughts, parser.is_thinking(), event.prefill)
        {
            *left = left.saturating_sub(1);
        }
        let mut pieces = parser.push(&std::mem::take(&mut event.text));
        if event.finish_reason.is_some() {
            pieces.extend(
                self.parser
                    .take()
                    .into_iter()
                    .flat_map(OutputParser::finish),
            );
        }
        for piece in pieces {
            match piece {
                Piece::Content(text) => event.text.push_str(&text),
                Piece::Reasoning(text) => event.reasoning_content.push_str(&text),
                Piece::Call(call) => {
                    let index = self.calls;
                    self.calls += 1;
                    event.tool_calls.push(ToolCallDelta {
                        index,
                        id: format!("call_{:016x}{index:02x}", host::entropy()),
                        kind: "function",
                        function: FunctionCall {
                            name: call.name,
                            arguments: call.arguments,
                        },
                    });
                }
            }
        }
        if event.finish_reason == Some(FinishReason::Stop) && self.calls > 0 {
            event.finish_reason = Some(FinishReason::ToolCalls);
        }
        event
    }
}
