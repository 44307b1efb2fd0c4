//! Makes room in a full context by dropping the older part of the conversation.

use super::vocabulary::Vocabulary;

/// Drops the older part of `tokens`, which fill a context of `context_tokens`.
///
/// The first `keep_tokens` stay, and so many of the newest as fill half of the rest. The cut is
/// moved to the end of a turn if there is one close to it.
///
/// Returns the number of tokens at the beginning that stayed in place, or `None` when the kept
/// tokens alone fill the context.
pub(super) fn context_shift(
    tokens: &mut Vec<u32>,
    keep_tokens: usize,
    context_tokens: usize,
    vocabulary: &impl Vocabulary,
) -> Option<usize> {
    let newest = context_tokens.checked_sub(keep_tokens)? / 2;
    let cut = tokens
        .len()
        .checked_sub(newest)
        .filter(|&cut| newest > 0 && cut > keep_tokens)?;
    let near_cut = tokens.get(cut - 1..cut + newest / 4)?;
    let to_turn_end = near_cut
        .iter()
        .position(|&token| vocabulary.is_end(token))
        .unwrap_or(0);
    tokens.drain(keep_tokens..cut + to_turn_end);
    Some(keep_tokens)
}
