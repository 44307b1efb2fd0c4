//! Delimiters are the tokens of a vocabulary that only a chat template may write.

use super::template::ChatTemplate;
use super::tokenizer::Tokenizer;
use std::collections::HashSet;

/// Holds delimiters of a model.
///
/// These are its control tokens, and of the tokens that its file calls user-defined those that have
/// the form of control tokens or are named by its template. Other user-defined tokens, such as runs
/// of spaces, are text, and found in any text.
pub(super) struct Delimiters<'a> {
    tokenizer: &'a Tokenizer,
    /// Holds their ids in order.
    ids: Vec<u32>,
}

impl<'a> Delimiters<'a> {
    /// Returns the delimiters that may come of texts from outside.
    ///
    /// What a model's earlier answers hold may be its own: tool calls, thoughts. There only those
    /// user-defined tokens count that the template writes in a plain conversation.
    pub(super) fn that_may_come_of(
        outside: &[&str],
        answers: &[&str],
        tokenizer: &'a Tokenizer,
        template: &ChatTemplate,
    ) -> Self {
        let named = |text: &str| -> HashSet<u32> {
            let is_name = |id| !tokenizer.is_delimiter(id) && is_name(tokenizer.token_bytes(id));
            let found = tokenizer.added_in(text, is_name).into_iter();
            found.map(|(_, id)| id).collect()
        };
        let written: HashSet<u32> = template.sources().flat_map(&named).collect();
        let of_turns = if written.is_empty() || answers.is_empty() {
            HashSet::new()
        } else {
            let conversation = template.plain_conversation();
            conversation.map_or_else(|| written.clone(), |text| named(&text))
        };
        let mut delimiters = Self {
            tokenizer,
            ids: Vec::new(),
        };
        let (outside, answers) = (Traces::of(outside), Traces::of(answers));
        let may_come = |&id: &u32| {
            let is_delimiter = tokenizer.is_delimiter(id);
            let name = delimiters.name(id);
            (is_delimiter || written.contains(&id)) && outside.may_become(name)
                || (is_delimiter || of_turns.contains(&id)) && answers.may_become(name)
        };
        let ids = tokenizer.added_ids().iter().copied();
        let mut ids: Vec<u32> = ids.filter(may_come).collect();
        ids.sort_unstable();
        delimiters.ids = ids;
        delimiters
    }

    pub(super) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Returns the name of a delimiter.
    pub(super) fn name(&self, id: u32) -> &'a str {
        str::from_utf8(self.tokenizer.token_bytes(id)).unwrap_or_default()
    }

    /// Returns the delimiters in a text, each with the byte at which it begins.
    pub(super) fn find(&self, text: &str) -> Vec<(usize, u32)> {
        // Others are found as well, for a delimiter may be a part of a longer one.
        let mut found = self.tokenizer.added_in(text, |_| true);
        found.retain(|&(_, id)| self.contains(id));
        found
    }

    /// Appends the ids of a text in which none of these delimiters is meant, as
    /// [`Tokenizer::encode_found`].
    pub(super) fn encode_without(&self, text: &str, ids: &mut Vec<u32>) {
        self.tokenizer
            .encode_found(text, |id| !self.contains(id), ids);
    }

    fn contains(&self, id: u32) -> bool {
        self.ids.binary_search(&id).is_ok()
    }
}

/// Holds what is needed to know whether a name may come of texts, when a template trims them, cuts
/// them, or writes something before or behind them.
struct Traces<'a> {
    texts: &'a [&'a str],
    /// Holds all pairs of neighbouring characters.
    pairs: HashSet<(char, char)>,
    /// Holds the last character of each text, but for white space.
    lasts: HashSet<char>,
}

impl<'a> Traces<'a> {
    fn of(texts: &'a [&'a str]) -> Self {
        let pairs = |text: &'a &str| text.chars().zip(text.chars().skip(1));
        let last = |text: &&str| text.trim_end().chars().next_back();
        Self {
            texts,
            pairs: texts.iter().flat_map(pairs).collect(),
            lasts: texts.iter().filter_map(last).collect(),
        }
    }

    /// Tells whether a text holds the name's first two characters, ends with its first one, or
    /// begins as the name goes on.
    fn may_become(&self, name: &str) -> bool {
        let mut characters = name.chars();
        let Some(first) = characters.next() else {
            return false;
        };
        let begins = match characters.next() {
            Some(second) => self.pairs.contains(&(first, second)),
            None => self.texts.iter().any(|text| text.contains(first)),
        };
        begins
            || self.lasts.contains(&first)
            || self
                .texts
                .iter()
                .any(|text| goes_on(name, text.trim_start()))
    }
}

/// Tells whether a name goes on behind its first character as a text begins, to the end of one of
/// them.
fn goes_on(name: &str, text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    name.char_indices().skip(1).any(|(at, c)| {
        let rest = &name[at..];
        c == first && (text.starts_with(rest) || rest.starts_with(text.trim_end()))
    })
}

/// Tells a name such as `<start_of_turn>` from what a vocabulary has for text: white space, letters
/// alone or signs alone.
fn is_name(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_ok_and(|name| {
        name.contains(char::is_alphabetic)
            && name.contains(|c: char| !c.is_alphanumeric())
            && !name.contains(char::is_whitespace)
    })
}
