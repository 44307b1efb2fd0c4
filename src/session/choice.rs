//! Answers with the likeliest of a request's labels.

use super::Session;
use crate::{
    Result,
    generate::{
        Decoder,
        choice::{Choice, Label},
        event::{Event, FinishReason},
    },
    text::tokenizer::Special,
};

impl<D: Decoder> Session<D> {
    /// Begins to compute how likely each label is.
    pub(super) fn start_choice(&mut self, prompt: Vec<u32>, labels: Vec<String>) -> Result<()> {
        // As in a prompt, a text begins anew behind a control token.
        let begins = prompt
            .last()
            .is_none_or(|&token| self.tokenizer.is_control(token));
        let labels = labels.into_iter().map(|text| {
            let tokens = match begins {
                true => self.tokenizer.encode(&text, Special::Plain),
                false => self.tokenizer.encode_continued(&text),
            };
            Label { text, tokens }
        });
        let labels = labels.collect();
        let decoder = self.generator.decoder_mut();
        if prompt.len() < decoder.context_tokens() {
            self.prefixes.recall(decoder, &prompt)?;
        }
        self.choice = Some(Choice::new(decoder, prompt, labels)?);
        self.generator.stop_handle().reset();
        Ok(())
    }

    /// Takes a step of the choice.
    pub(super) async fn next_of_choice(&mut self, mut choice: Choice) -> Result<Event> {
        if self.generator.stop_handle().reset() {
            return Ok(choice.finish(FinishReason::Abort));
        }
        let event = choice.next(self.generator.decoder_mut()).await;
        let goes_on = match &event {
            Ok(event) => event.finish_reason.is_none(),
            Err(error) => error.code.is_device(),
        };
        if goes_on {
            self.choice = Some(choice);
        }
        event
    }
}
