//! Defines the options of sampling, and checks their ranges.

use crate::{Code, Error, Result};
use std::collections::BTreeMap;

/// Sets how tokens are sampled.
///
/// The steps run in the order of the fields, which is llama.cpp's: penalties and bias change the
/// logits, `top_k`, `top_p` and `min_p` each drop candidates by the probabilities of these logits,
/// and `temperature` scales the logits of those that are left. The defaults are llama.cpp's too.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingOptions {
    /// Divides the positive and multiplies the negative logits of the tokens in prompt and answer
    /// (Keskar et al. 2019, "CTRL"). Above 0, at most 10; 1 is off.
    pub repetition_penalty: f32,
    /// Is subtracted from a token's logit once for each time that the token is in the answer. From
    /// -2 to 2; 0 is off.
    pub frequency_penalty: f32,
    /// Is subtracted once from the logit of every token that is in the answer. From -2 to 2; 0 is
    /// off.
    pub presence_penalty: f32,
    /// Maps token ids to numbers from -100 to 100, which are added to the tokens' logits.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Holds the only tokens that may be sampled; `None` allows all of them.
    pub allowed_tokens: Option<Vec<u32>>,
    /// Keeps this number of most likely tokens; 0 is off.
    pub top_k: u32,
    /// Keeps the fewest most likely tokens, at least one, whose probabilities sum to this. From 0
    /// to 1; 1 is off.
    pub top_p: f32,
    /// Keeps the tokens with at least this fraction of the most likely one's probability. From 0 to
    /// 1; 0 is off.
    pub min_p: f32,
    /// Divides the logits of the tokens that are kept. From 0 to 2; at 0 the most likely token is
    /// taken.
    pub temperature: f32,
    /// Seeds the random numbers: the same seed gives the same tokens. `None` draws a seed from the
    /// host.
    pub seed: Option<u64>,
    /// Asks for the log-probability of each token, and of this number of most likely tokens in its
    /// place. At most 20.
    pub top_logprobs: Option<u32>,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: BTreeMap::new(),
            allowed_tokens: None,
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            seed: None,
            top_logprobs: None,
        }
    }
}

impl SamplingOptions {
    /// Returns the options that always take the most likely token.
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            ..Self::default()
        }
    }

    /// Checks every option for a vocabulary of `vocab_size` tokens.
    ///
    /// # Errors
    ///
    /// `invalid_argument`, with a message that names the option and its range.
    pub fn validate(&self, vocab_size: usize) -> Result<()> {
        in_range("temperature", self.temperature, 0.0, 2.0)?;
        in_range("top_p", self.top_p, 0.0, 1.0)?;
        in_range("min_p", self.min_p, 0.0, 1.0)?;
        in_range("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        in_range("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty <= 10.0) {
            return Err(invalid(format!(
                "`repetition_penalty` is {}; it must be above 0 and at most 10.",
                self.repetition_penalty
            )));
        }
        if let Some(top) = self.top_logprobs.filter(|&top| top > MAX_TOP_LOGPROBS) {
            return Err(invalid(format!(
                "`top_logprobs` is {top}; it must be from 0 to {MAX_TOP_LOGPROBS}."
            )));
        }
        for (&token, &bias) in &self.logit_bias {
            if token as usize >= vocab_size {
                return Err(invalid(format!(
                    "`logit_bias` names token {token}; the vocabulary has the tokens 0 to {}.",
                    vocab_size.saturating_sub(1)
                )));
            }
            in_range(&format!("logit_bias[{token}]"), bias, -100.0, 100.0)?;
        }
        if let Some(tokens) = &self.allowed_tokens {
            if tokens.is_empty() {
                return Err(invalid(
                    "`allowed_token_ids` is empty; name the tokens that may be chosen, or leave \
                     it out."
                        .to_owned(),
                ));
            }
            if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocab_size) {
                let last = vocab_size.saturating_sub(1);
                return Err(invalid(format!(
                    "`allowed_token_ids` names token {token}; the vocabulary has the tokens 0 to \
                     {last}."
                )));
            }
        }
        Ok(())
    }
}

/// Limits `top_logprobs`, as in the OpenAI API.
const MAX_TOP_LOGPROBS: u32 = 20;

fn in_range(name: &str, value: f32, low: f32, high: f32) -> Result<()> {
    // NaN fails this comparison, as it must.
    if value >= low && value <= high {
        Ok(())
    } else {
        Err(invalid(format!(
            "`{name}` is {value}; it must be from {low} to {high}."
        )))
    }
}

fn invalid(message: String) -> Error {
    Error::new(Code::InvalidArgument, message)
}
