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
    /// Returns the delimiters that may come of `texts` from outside when a template trims the
    /// texts, cuts them, or writes something before or behind them.
    ///
    /// A delimiter may come of a text that holds its first two characters, ends with its first one,
    /// or begins as it goes on.
    pub(super) fn that_may_come_of(
        texts: &[&str],
        tokenizer: &'a Tokenizer,
        template: &ChatTemplate,
    ) -> Self {
        let is_name = |id| !tokenizer.is_delimiter(id) && is_name(tokenizer.token_bytes(id));
        let named: HashSet<u32> = template
            .sources()
            .flat_map(|source| tokenizer.added_in(source, is_name))
            .map(|(_, id)| id)
            .collect();
        let pairs: HashSet<(char, char)> = texts
            .iter()
            .flat_map(|text| text.chars().zip(text.chars().skip(1)))
            .collect();
        let lasts: HashSet<char> = texts
            .iter()
            .filter_map(|text| text.trim_end().chars().next_back())
            .collect();
        let may_come = |name: &str| {
            let mut characters = name.chars();
            let Some(first) = characters.next() else {
                return false;
            };
            let begins = match characters.next() {
                Some(second) => pairs.contains(&(first, second)),
                None => texts.iter().any(|text| text.contains(first)),
            };
            begins
                || lasts.contains(&first)
                || texts.iter().any(|text| goes_on(name, text.trim_start()))
        };
        let mut delimiters = Self {
            tokenizer,
            ids: Vec::new(),
        };
        let ids = tokenizer.added_ids().iter().copied();
        delimiters.ids = ids
            .filter(|&id| tokenizer.is_delimiter(id) || named.contains(&id))
            .filter(|&id| may_come(delimiters.name(id)))
            .collect();
        delimiters.ids.sort_unstable();
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
