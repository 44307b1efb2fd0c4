//! Reads the arguments of the command line.

use siskin::{Code, Error, Result};
use std::str::FromStr;

/// Holds the words of the command line, and its options `--name value`.
pub struct Arguments {
    words: Vec<String>,
    options: Vec<(String, String)>,
}

impl Arguments {
    /// Returns the name of the command, if there is one.
    pub fn command(&self) -> Option<&str> {
        self.words.first().map(String::as_str)
    }

    /// Reads the command line.
    pub fn parse() -> std::result::Result<Self, lexopt::Error> {
        use lexopt::prelude::*;
        let mut parser = lexopt::Parser::from_env();
        let (mut words, mut options) = (Vec::new(), Vec::new());
        while let Some(argument) = parser.next()? {
            match argument {
                Value(word) => words.push(word.string()?),
                Long("help") | Short('h') => words.insert(0, "help".into()),
                Long(name @ ("tensors" | "kernels" | "gpu" | "profile" | "json")) => {
                    options.push((name.into(), String::new()))
                }
                Long(
                    name @ ("system" | "max-tokens" | "temperature" | "seed" | "context" | "tokens"
                    | "prompt" | "generate" | "rounds" | "threads" | "type" | "cache-type"
                    | "max" | "out" | "shaders" | "shape" | "chat-template-file"
                    | "draft-max" | "adapter" | "scale"),
                ) => {
                    let name = name.to_owned();
                    options.push((name, parser.value()?.string()?));
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(Self { words, options })
    }

    /// Returns the word at `index`, which the usage text calls `what`.
    ///
    /// # Errors
    ///
    /// `invalid_argument`.
    pub fn word(&self, index: usize, what: &str) -> Result<&str> {
        let missing = || {
            Error::new(
                Code::InvalidArgument,
                format!("{what} is missing. See siskin help."),
            )
        };
        self.words
            .get(index)
            .map(String::as_str)
            .ok_or_else(missing)
    }

    /// Returns the last value given for `--name`, and an empty one for a switch.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the same arguments with one more switch.
    pub fn with_switch(&self, name: &str) -> Self {
        let switch = (name.to_owned(), String::new());
        Self {
            words: self.words.clone(),
            options: self.options.iter().cloned().chain([switch]).collect(),
        }
    }

    /// Returns the value of `--name` as a number.
    ///
    /// # Errors
    ///
    /// `invalid_argument`.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let bad = |text| {
            Error::new(
                Code::InvalidArgument,
                format!("\"{text}\" is no number that --{name} takes. See siskin help."),
            )
        };
        self.option(name)
            .map(|text| text.parse().map_err(|_| bad(text)))
            .transpose()
    }
}
