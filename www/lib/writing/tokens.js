/**
 * This module cuts a sentence into words and signs. All offsets are UTF-16 code units, as in
 * `String.prototype.slice`.
 */

/**
 * A `Token` is a word, a sign, or a protected span. `glued` says that no white space stands before
 * it.
 *
 * @typedef {object} Token
 * @property {string} text
 * @property {number} start
 * @property {number} end
 * @property {boolean} glued
 */

/** @typedef {{start: number, end: number}} Span */

/** A word holds apostrophes, hyphens and points between letters: "don't", "well-known", "e.g". */
const WORD = /[\p{L}\p{M}\p{N}]+(?:['’.-][\p{L}\p{M}\p{N}]+)*/uy;
/** What is no word: an ellipsis, or one character with what belongs to it. */
const SIGN = /\.{3}|\P{M}\p{M}*/uy;
const SPACE = /\s+/uy;

/**
 * Returns the tokens of a text. Each of `spans`, which are in order, is one token.
 *
 * @param {string} text
 * @param {readonly Span[]} [spans]
 * @returns {Token[]}
 */
export function tokenize(text, spans = []) {
  /** @type {Token[]} */
  const tokens = [];
  let at = 0;
  let next_span = 0;
  let glued = false;
  while (at < text.length) {
    const space = matchAt(SPACE, text, at);
    if (space > 0) {
      at += space;
      glued = false;
      continue;
    }
    while (next_span < spans.length && spans[next_span].start < at) next_span += 1;
    const span = spans[next_span];
    let length = span?.start === at ? span.end - at : matchAt(WORD, text, at);
    if (span && span.start > at) length = Math.min(length, span.start - at);
    length ||= matchAt(SIGN, text, at) || 1;
    tokens.push({ text: text.slice(at, at + length), start: at, end: at + length, glued });
    at += length;
    glued = true;
  }
  return tokens;
}

/**
 * Returns whether a token is a word or a number.
 *
 * @param {string} text
 */
export function isWord(text) {
  return /^[\p{L}\p{N}]/u.test(text);
}

/**
 * @param {RegExp} pattern sticky
 * @param {string} text
 * @param {number} at
 * @returns {number} the length of the match at this place, or 0
 */
function matchAt(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}
