//! Ends an answer before the model does: at a stop string, or when the caller asks for it.

use crate::{Code, Error, Result};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Limits the number of stop strings: four times what the OpenAI API allows. Every piece of text
/// is searched for each of them.
const MAX_STRINGS: usize = 16;
/// Limits the length of a stop string in bytes: as much text may be held back.
const MAX_STRING_BYTES: usize = 1000;

/// Finds stop strings in streamed text, wherever the tokens cut them. Text is held back only while
/// it may be the beginning of a stop string.
///
/// ```
/// use siskin::generate::stop::StopStrings;
///
/// # fn main() -> siskin::Result<()> {
/// let mut stop = StopStrings::new(vec!["END".to_owned()])?;
/// assert_eq!(stop.push("the E").text, "the ");
/// let released = stop.push("ND, really");
/// assert!(released.stopped);
/// assert_eq!(released.text, "");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct StopStrings {
    strings: Vec<String>,
    held: String,
}

/// Holds a piece of text that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Holds the text, up to a stop string if there is one.
    pub text: String,
    /// Tells whether a stop string follows the text.
    pub stopped: bool,
}

impl StopStrings {
    /// Watches for `strings`.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for an empty string, a string of more than 1000 bytes, or more than 16
    /// strings.
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
                "`stop` has a string of {} bytes; it must have 1 to {MAX_STRING_BYTES}.",
                bad.len()
            );
            return Err(Error::new(Code::InvalidArgument, message));
        }
        Ok(Self {
            strings,
            held: String::new(),
        })
    }

    /// Takes the next piece of text and returns what can be shown. A stop string and the text after
    /// it are dropped.
    pub fn push(&mut self, text: &str) -> Released {
        self.held.push_str(text);
        // The stop string that ends first wins, as if the text came character by character.
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

    /// Returns the text that is held back. At the answer's end it is no stop string after all.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Returns the byte at which a stop string may begin in `held`, the earliest one; the length of
    /// `held` where there is none.
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

/// Stops the answer of one generator from anywhere. The generator's next step ends the answer.
#[derive(Clone, Debug, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    /// Asks for the answer's end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Withdraws the request, and returns whether there was one.
    pub fn reset(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}
