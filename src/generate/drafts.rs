//! Checks several guesses in one step of a generator.

use super::{
    answer::Answer, checked::Checked, decoder::Decoder, generator::Generator,
    vocabulary::Vocabulary,
};
use crate::Result;

impl<D: Decoder> Generator<D> {
    /// Drafts the next tokens, evaluates them in one step, and samples as many as the draft has
    /// right and one more. Returns whether there was a draft.
    pub(super) async fn check_draft(
        &mut self,
        answer: &mut Answer,
        vocabulary: &impl Vocabulary,
    ) -> Result<bool> {
        let (start, len) = (self.decoder.cached_tokens(), self.tokens.len());
        if start + 1 != len {
            return Ok(false);
        }
        // A full context is dealt with when the last token is written.
        let free_tokens = self.decoder.context_tokens() - len;
        let max_draft = answer.max_draft(free_tokens, self.decoder.max_draft(&answer.sampler));
        let draft = self.speculation.draft(&self.tokens, max_draft);
        if draft.is_empty() {
            return Ok(false);
        }
        let chunk = [&self.tokens[start..], &self.tokens[draft.clone()]].concat();
        let begin_ms = (self.now_ms)();
        let mut row = 0;
        let mut check = |checked: Checked<'_>| {
            // As without a draft, no token is sampled that must come next by the form: it would
            // take a random number, or be spelled otherwise.
            if row == answer.sampled.len() {
                let token = checked.sample(&mut answer.sampler)?;
                answer.push(token, vocabulary);
                answer.push_forced();
            }
            let token = answer.sampled[row].token;
            row += 1;
            let goes_on = !vocabulary.is_end(token) && !answer.sampler.is_complete();
            Ok(chunk.get(row) == Some(&token) && goes_on)
        };
        self.decoder.check_draft(&chunk, &mut check).await?;
        let found = answer.sampled.iter().map(|sampled| sampled.token);
        let agreeing = found.zip(&chunk[1..]).take_while(|(a, b)| a == *b);
        let accepted = agreeing.count().min(answer.sampled.len() - 1);
        self.decoder.rewind(len + accepted);
        let times_ms = [begin_ms, (self.now_ms)()];
        self.speculation
            .observe_draft(&draft, len, accepted, times_ms);
        answer.drafts.tokens += draft.len();
        answer.drafts.accepted_tokens += accepted;
        Ok(true)
    }
}
