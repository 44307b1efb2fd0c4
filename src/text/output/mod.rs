//! Reads what a model writes beside its answer: its thoughts, and the tools that it calls.

mod hold;
mod json_calls;
pub mod piece;
mod python_calls;
mod tagged_calls;
mod thoughts;
pub mod tool_format;

use json_calls::JsonCalls;
use piece::{Piece, ThoughtsBegin, push_content};
use python_calls::PythonCalls;
use tagged_calls::TaggedCalls;
use thoughts::Thoughts;
pub use thoughts::{THOUGHT_TOKENS, ThoughtStyle};
use tool_format::ToolFormat;

/// Says what there is to read beside the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputForm {
    /// Says whether the model may think before its answer, and whether the prompt has begun that.
    pub thoughts: Option<ThoughtsBegin>,
    /// Says what stands around them.
    pub style: ThoughtStyle,
    /// Says how the model calls tools, where it was shown some.
    pub tools: Option<ToolFormat>,
}

/// Takes a model's text in pieces of any length, and says what they are. However the text is cut,
/// the pieces together are the same.
///
/// ```
/// use siskin::text::output::{OutputForm, OutputParser, piece::Piece, tool_format::ToolFormat};
///
/// let tools = Some(ToolFormat::Hermes);
/// let mut parser = OutputParser::new(OutputForm { tools, ..OutputForm::default() });
/// assert!(parser.push("<tool_call>{\"name\": \"f\", \"arguments\"").is_empty());
/// let pieces = parser.push(": {\"a\": 1}}</tool_call>");
/// let Piece::Call(call) = &pieces[0] else { panic!() };
/// assert_eq!((call.name.as_str(), call.arguments.as_str()), ("f", r#"{"a":1}"#));
/// ```
pub struct OutputParser {
    thoughts: Option<Thoughts>,
    calls: Calls,
}

enum Calls {
    None,
    Tagged(TaggedCalls),
    Json(JsonCalls),
    Python(PythonCalls),
}

impl OutputParser {
    /// Makes a parser of a text that has not begun.
    pub fn new(form: OutputForm) -> Self {
        Self {
            thoughts: form.thoughts.map(|begin| Thoughts::new(begin, form.style)),
            calls: match form.tools {
                None => Calls::None,
                Some(ToolFormat::Hermes) => Calls::Tagged(TaggedCalls::default()),
                Some(ToolFormat::Llama3) => Calls::Json(JsonCalls::default()),
                Some(ToolFormat::Pythonic) => Calls::Python(PythonCalls::default()),
            },
        }
    }

    /// Returns whether the model is thinking.
    pub fn is_thinking(&self) -> bool {
        self.thoughts.as_ref().is_some_and(Thoughts::is_open)
    }

    /// Takes text, and returns what is certain with it.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let rest = match &mut self.thoughts {
            None => text.to_owned(),
            Some(thoughts) => thoughts.push(text, &mut pieces),
        };
        self.calls.push(&rest, &mut pieces);
        pieces
    }

    /// Ends the text, and returns what was held back.
    pub fn finish(mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if let Some(thoughts) = &mut self.thoughts {
            let rest = thoughts.finish(&mut pieces);
            self.calls.push(&rest, &mut pieces);
        }
        match &mut self.calls {
            Calls::None => {}
            Calls::Tagged(calls) => calls.finish(&mut pieces),
            Calls::Json(calls) => calls.finish(&mut pieces),
            Calls::Python(calls) => calls.finish(&mut pieces),
        }
        pieces
    }
}

impl Calls {
    fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        match self {
            Self::None => push_content(text.to_owned(), pieces),
            Self::Tagged(calls) => calls.push(text, pieces),
            Self::Json(calls) => calls.push(text, pieces),
            Self::Python(calls) => calls.push(text, pieces),
        }
    }
}
