//! The general categories of characters, from a table of 5 kB: that of the crate, from which
//! `build.rs` makes it, takes 40.

use std::sync::OnceLock;
use unicode_properties::GeneralCategory::{self, *};

/// Holds runs of characters of one category, from U+0000 on. The low five bits of a run's first
/// byte are its category; the high three its length, or 0 before a length as LEB128.
const RUNS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/categories"));

/// Holds the categories by their numbers in `RUNS`.
const CATEGORIES: [GeneralCategory; 30] = [
    UppercaseLetter,
    LowercaseLetter,
    TitlecaseLetter,
    ModifierLetter,
    OtherLetter,
    NonspacingMark,
    SpacingMark,
    EnclosingMark,
    DecimalNumber,
    LetterNumber,
    OtherNumber,
    ConnectorPunctuation,
    DashPunctuation,
    OpenPunctuation,
    ClosePunctuation,
    InitialPunctuation,
    FinalPunctuation,
    OtherPunctuation,
    MathSymbol,
    CurrencySymbol,
    ModifierSymbol,
    OtherSymbol,
    SpaceSeparator,
    LineSeparator,
    ParagraphSeparator,
    Control,
    Format,
    Surrogate,
    PrivateUse,
    Unassigned,
];

/// Returns the end of each run, and its category.
fn runs() -> &'static [(u32, GeneralCategory)] {
    static TABLE: OnceLock<Vec<(u32, GeneralCategory)>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let (mut bytes, mut end, mut table) = (RUNS.iter(), 0, Vec::new());
        while let Some(&first) = bytes.next() {
            let mut length = u32::from(first >> 5);
            if length == 0 {
                for (i, &byte) in bytes.by_ref().enumerate() {
                    length |= u32::from(byte & 0x7f) << (7 * i);
                    if byte < 0x80 {
                        break;
                    }
                }
            }
            end += length;
            table.push((end, CATEGORIES[usize::from(first & 31)]));
        }
        table
    })
}

/// Returns the category of a character.
pub(super) fn category(c: char) -> GeneralCategory {
    let runs = runs();
    let at = runs.partition_point(|&(end, _)| end <= u32::from(c));
    runs.get(at).map_or(Unassigned, |&(_, category)| category)
}

/// Returns whether a character's category is one of L.
pub(super) fn is_letter(c: char) -> bool {
    (UppercaseLetter..=OtherLetter).contains(&category(c))
}

/// Returns whether a character's category is one of M.
pub(super) fn is_mark(c: char) -> bool {
    (NonspacingMark..=EnclosingMark).contains(&category(c))
}

/// Returns whether a character's category is one of N.
pub(super) fn is_number(c: char) -> bool {
    (DecimalNumber..=OtherNumber).contains(&category(c))
}

/// Returns whether a character's category is one of P.
pub(super) fn is_punctuation(c: char) -> bool {
    (ConnectorPunctuation..=OtherPunctuation).contains(&category(c))
}

/// Returns whether a character's category is one of Z or C.
pub(super) fn is_separator_or_other(c: char) -> bool {
    category(c) >= SpaceSeparator
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_properties::{GeneralCategoryGroup as Group, UnicodeGeneralCategory};

    #[test]
    fn every_character_has_the_category_of_the_crate() {
        for c in '\0'..=char::MAX {
            assert_eq!(category(c), c.general_category(), "{c:?}");
            let group = c.general_category_group();
            assert_eq!(is_letter(c), group == Group::Letter, "{c:?}");
            assert_eq!(is_mark(c), group == Group::Mark, "{c:?}");
            assert_eq!(is_number(c), group == Group::Number, "{c:?}");
            assert_eq!(is_punctuation(c), group == Group::Punctuation, "{c:?}");
            let is_last = matches!(group, Group::Separator | Group::Other);
            assert_eq!(is_separator_or_other(c), is_last, "{c:?}");
        }
    }
}
