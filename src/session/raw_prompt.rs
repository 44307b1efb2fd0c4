//! Reads a prompt that no chat template writes, as OpenAI's `completions` has it.

use super::fields::Fields;
use crate::{Code, Error, Result};
use serde::Deserialize;

/// Holds a text that the model goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawPrompt {
    /// A text, whose control tokens are read as such: it is the caller's to write them.
    Text(String),
    /// Token ids as they are.
    Tokens(Vec<u32>),
    /// What stands before and behind the text that the model is to write.
    Gap {
        /// Holds the text before the gap.
        prefix: String,
        /// Holds the text behind it.
        suffix: String,
    },
}

/// Holds OpenAI's `prompt`: a text, or its tokens.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a string or an array of token ids")]
enum Prompt {
    Text(String),
    Tokens(Vec<u32>),
}

impl RawPrompt {
    /// Takes `prompt` and `suffix`. Returns `None` where there is no prompt.
    ///
    /// # Errors
    ///
    /// `invalid_argument`.
    pub(super) fn take(fields: &mut Fields) -> Result<Option<Self>> {
        let prompt: Option<Prompt> = fields.take("prompt")?;
        let suffix: Option<String> = fields.take("suffix")?;
        match (prompt, suffix) {
            (None, None) => Ok(None),
            (Some(Prompt::Text(text)), None) => Ok(Some(Self::Text(text))),
            (Some(Prompt::Tokens(tokens)), None) => Ok(Some(Self::Tokens(tokens))),
            (Some(Prompt::Text(prefix)), Some(suffix)) => Ok(Some(Self::Gap { prefix, suffix })),
            _ => Err(Error::new(
                Code::InvalidArgument,
                "`suffix` goes with a `prompt` that is a text.",
            )),
        }
    }
}
