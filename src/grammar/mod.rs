//! Holds answers to a form: a JSON schema, a regular expression, a Lark grammar, or a list of
//! texts, by the crate llguidance.
//!
//! A [`Matcher`] knows which tokens may come next, and which must. Its tables of a vocabulary are
//! made once a model, when a form is first asked for.

mod constraint;
mod form;
mod matcher;
mod token_table;
mod tools;

pub use constraint::{Constraint, Trigger};
pub use form::Form;
pub use matcher::Matcher;
pub use token_table::Grammars;
pub use tools::{Tool, tool_grammar, tool_markers, tool_trigger};
