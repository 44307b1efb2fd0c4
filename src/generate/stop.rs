//! Strings that end an answer.

use crate::{Code, Error, Result};

const MAX_STRINGS: usize = 16;
const MAX_STRING_BYTES: usize = 1000;

/// Watches streamed text for stop strings, however the tokens cut them. Text is held back only while it may begin one.
#[derive(Clone, Debug, Default)]
pub struct StopStrings {
    strings: Vec<String>,
    held: String,
}

/// Text that may be shown, and whether a stop string followed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    pub text: String,
    pub stopped: bool,
}

impl StopStrings {
    /// Errors: `invalid_argument` for an empty string, one over 1000 bytes, or more than 16 of them.
    pub fn new(strings: Vec<String>) -> Result<Self> {
        if strings.len() > MAX_STRINGS {
            return Err(Error::new(
                Code::InvalidArgument,
                format!(
                    "`stop` has {} strings; at most {MAX_STRINGS} are allowed.",
                    strings.len()
                ),
            ));
        }
        if let Some(bad) = strings
            .iter()
            .find(|string| string.is_empty() || string.len() > MAX_STRING_BYTES)
        {
            let message = format!(
                "A stop string has {} bytes; it must have 1 to {MAX_STRING_BYTES}.",
                bad.len()
            );
            return Err(Error::new(Code::InvalidArgument, message));
        }
        Ok(Self {
            strings,
            held: String::new(),
        })
    }

    /// Takes the next piece of text. What follows a stop string is dropped, and so is the stop string.
    pub fn push(&mut self, text: &str) -> Released {
        self.held.push_str(text);
        // Of several, the one that ends first, as if the text came character by character.
        let found = self
            .strings
            .iter()
            .filter_map(|string| {
                self.held
                    .find(string)
                    .map(|start| (start + string.len(), start))
            })
            .min();
        if let Some((_, start)) = found {
            let mut text = std::mem::take(&mut self.held);
            text.truncate(start);
            return Released {
                text,
                stopped: true,
            };
        }
        let rest = self.held.split_off(self.first_possible_start());
        Released {
            text: std::mem::replace(&mut self.held, rest),
            stopped: false,
        }
    }

    /// The answer ended: what was held back was no stop string after all.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the longest end of `held` that begins a stop string starts; its length when there is none.
    fn first_possible_start(&self) -> usize {
        let longest = self.strings.iter().map(String::len).max().unwrap_or(0);
        let earliest = self.held.len().saturating_sub(longest);
        let begins = |start: &usize| {
            self.held
                .get(*start..)
                .is_some_and(|tail| self.strings.iter().any(|string| string.starts_with(tail)))
        };
        (earliest..self.held.len())
            .find(begins)
            .unwrap_or(self.held.len())
    }
}
