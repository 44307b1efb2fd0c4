//! Holds an answer to a form, from its first token or from a text on that the model writes.

use super::matcher::Matcher;
use crate::Result;

/// Says from where on an answer is held to its form.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// The form begins behind this text, wherever the model writes it.
    After(String),
    /// The form begins with the answer if the answer begins with this text, which is a part of it,
    /// but for white space before it. Else the answer is free.
    AtStart(String),
}

/// Holds an answer to a form.
#[derive(Clone, Debug)]
pub struct Constraint {
    matcher: Matcher,
    waiting: Option<Waiting>,
}

/// Looks for a trigger in what the model writes.
#[derive(Clone, Debug)]
struct Waiting {
    trigger: Trigger,
    /// Holds the end of the text so far that may begin the trigger.
    text: Vec<u8>,
}

impl From<Matcher> for Constraint {
    fn from(matcher: Matcher) -> Self {
        Self {
            matcher,
            waiting: None,
        }
    }
}

impl Constraint {
    /// Makes a constraint that begins where `trigger` says.
    pub fn after(trigger: Trigger, matcher: Matcher) -> Self {
        let text = Vec::new();
        Self {
            matcher,
            waiting: Some(Waiting { trigger, text }),
        }
    }

    /// Makes the constraint begin behind the thoughts of the model, if it begins with the answer.
    pub fn behind_thoughts(self) -> Self {
        match self.waiting {
            Some(_) => self,
            None => Self::after(Trigger::After("</think>".to_owned()), self.matcher),
        }
    }

    /// Takes the text that the answer goes on with, if it begins with the form.
    ///
    /// # Errors
    ///
    /// `invalid_argument` when the form does not allow it.
    pub fn begin(&mut self, text: &str) -> Result<()> {
        match self.is_active() {
            true => self.matcher.begin(text),
            false => Ok(()),
        }
    }

    /// Returns whether the next token is held to the form.
    pub fn is_active(&self) -> bool {
        self.waiting.is_none()
    }

    /// Writes the tokens that may come next, as [`Matcher::mask`].
    ///
    /// # Errors
    ///
    /// As [`Matcher::mask`].
    pub fn mask(&mut self, mask: &mut [u32]) -> Result<()> {
        self.matcher.mask(mask)
    }

    /// Takes the token that came next. An error shows with the next mask.
    pub fn accept(&mut self, token: u32) {
        if self.is_active() {
            self.matcher.accept(&[token]);
            return;
        }
        let bytes = self.matcher.token_bytes(token);
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        waiting.text.extend_from_slice(&bytes);
        let is_behind_thoughts = waiting.trigger == Trigger::After("</think>".to_owned());
        match waiting.look() {
            Look::Waits => {}
            Look::Begins(rest) => {
                self.waiting = None;
                // White space behind thoughts is no part of the form.
                let rest = match is_behind_thoughts {
                    true => rest.trim_ascii_start(),
                    false => &rest[..],
                };
                let tokens = self.matcher.tokenize(rest);
                self.matcher.accept(&tokens);
            }
        }
    }

    /// Returns the tokens that must come next, which may be none.
    pub fn forced(&mut self) -> Vec<u32> {
        match self.is_active() {
            true => self.matcher.forced(),
            false => Vec::new(),
        }
    }

    /// Returns whether the answer is complete, so that nothing may follow.
    pub fn is_complete(&self) -> bool {
        self.is_active() && self.matcher.is_complete()
    }
}

/// Says what came of looking for a trigger.
enum Look {
    Waits,
    /// The form begins, with these bytes.
    Begins(Vec<u8>),
}

impl Waiting {
    fn look(&mut self) -> Look {
        match &self.trigger {
            Trigger::After(text) => {
                let (text, seen) = (text.as_bytes(), &mut self.text);
                match seen.windows(text.len()).position(|window| window == text) {
                    Some(at) => Look::Begins(seen.split_off(at + text.len())),
                    None => {
                        seen.drain(..seen.len().saturating_sub(text.len()));
                        Look::Waits
                    }
                }
            }
            Trigger::AtStart(text) => {
                let seen = self.text.trim_ascii_start();
                match seen.starts_with(text.as_bytes()) {
                    true => Look::Begins(seen.to_vec()),
                    // Text that began otherwise stays as it began.
                    false => {
                        let keep = self.text.len().min(text.len() + 1);
                        let from = self.text.len() - seen.len();
                        if from < self.text.len() {
                            self.text = seen[..seen.len().min(keep)].to_vec();
                        }
                        Look::Waits
                    }
                }
            }
        }
    }
}
