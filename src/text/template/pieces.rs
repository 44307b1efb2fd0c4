//! A template's text is cut into the pieces that it may write: what stands outside of its tags, and
//! the string literals within.

use super::tags::{Kind, Token, next_tag, tokens};
use std::ops::Range;

/// Methods whose first argument is looked for, and not written.
const SEARCHES: [&str; 15] = [
    "split",
    "rsplit",
    "partition",
    "rpartition",
    "startswith",
    "endswith",
    "removeprefix",
    "removesuffix",
    "strip",
    "lstrip",
    "rstrip",
    "find",
    "index",
    "count",
    "replace",
];

/// Describes a piece of a template.
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    /// Tells that the template compares the piece with other texts, or looks for it in them.
    pub(super) is_sought: bool,
}

/// Returns the pieces of a template in order.
pub(super) fn pieces(source: &str) -> Vec<Piece> {
    let (mut pieces, mut at) = (Vec::new(), 0);
    let written = |range| Piece {
        range,
        is_sought: false,
    };
    while let Some(tag) = next_tag(source, at) {
        pieces.push(written(at..tag.start));
        at = tag.end;
        let inner = &source[tag.inner.clone()];
        let tokens = tokens(inner);
        for (index, token) in tokens.iter().enumerate() {
            if token.kind == Kind::String {
                let start = tag.inner.start + token.range.start + 1;
                pieces.push(Piece {
                    range: start..start + token.range.len().saturating_sub(2),
                    is_sought: is_sought(inner, &tokens, index),
                });
            }
        }
    }
    pieces.push(written(at..source.len()));
    pieces
}

/// Tells whether a literal is an operand of a comparison, or the first argument of a search.
fn is_sought(inner: &str, tokens: &[Token], index: usize) -> bool {
    let word = |at: Option<usize>| {
        let token = tokens.get(at?)?;
        Some(&inner[token.range.clone()])
    };
    let before = |count| word(index.checked_sub(count));
    let is_comparison = |word: Option<&str>| matches!(word, Some("==" | "!=" | "in"));
    let is_argument = before(1) == Some("(") && before(3) == Some(".");
    is_comparison(before(1))
        || is_comparison(word(Some(index + 1)))
        || (word(Some(index + 1)) == Some("not") && is_comparison(word(Some(index + 2))))
        || (is_argument && before(2).is_some_and(|name| SEARCHES.contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_written_or_sought() {
        let source = "<a>{% if '<b>' in x and y != \"<c>\" %}<d>{{ '<e>' + x.split('<f>')[0] }}\
                      {# <g> #}{% elif '<h>' not in x or '<i>' == y %}{{ f('<j>', '<k>') }}\
                      {% endif %}{% raw %}{{ '<l>' }}{% endraw %}";
        let of = |sought| -> String {
            let pieces = pieces(source).into_iter();
            let pieces = pieces.filter(|piece| piece.is_sought == sought);
            pieces.map(|piece| &source[piece.range]).collect()
        };
        assert_eq!(of(true), "<b><c><f><h><i>");
        assert_eq!(
            of(false),
            "<a><d><e>{# <g> #}<j><k>{% raw %}{{ '<l>' }}{% endraw %}"
        );
    }
}
