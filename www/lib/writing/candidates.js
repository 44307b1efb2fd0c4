/**
 * This module reads corrections out of a model's answer: those that it made, and those that it
 * nearly made, which are among the likeliest tokens where it repeated the sentence.
 */
import { areForms, areRelated } from './confusions.js';
import { diff } from './diff.js';
import { isWord, tokenize } from './tokens.js';

/** @import { TokenLogprob } from '../protocol.js' */
/** @import { Edit } from './diff.js' */
/** @import { ProtectedSpan } from './spans.js' */
/** @import { Token } from './tokens.js' */

/**
 * A `Piece` is a token of the answer, and where it is in it.
 *
 * @typedef {{start: number, text: string, chosen: TokenLogprob}} Piece
 */

/** An edit that the model found less likely than this, beside repeating, is not looked at. */
const MIN_MARGIN = -4;

/**
 * Returns the tokens of an answer with their offsets. A token may end within a character.
 *
 * @param {readonly TokenLogprob[]} logprobs
 * @returns {Piece[]}
 */
export function piecesOf(logprobs) {
  const decoder = new TextDecoder();
  let start = 0;
  return logprobs.map((chosen) => {
    const text = decoder.decode(Uint8Array.from(chosen.bytes), { stream: true });
    const piece = { start, text, chosen };
    start += text.length;
    return piece;
  });
}

/**
 * Returns whether an edit has as many words as before, but for short ones that are put in or taken
 * out. A model that does more says something else.
 *
 * @param {Pick<Edit, 'before' | 'after'>} edit
 */
export function isSmall({ before, after }) {
  const [all, all_after] = [before, after].map((tokens) => tokens.filter(isWord));
  const same = (/** @type {string[]} */ words) => words.join('').toLowerCase();
  if (same(all) === same(all_after)) return true;
  const [words, words_after] = [all, all_after].map((list) => list.filter((it) => !areForms(it)));
  if (all.length === all_after.length) return true;
  return (
    words.length === words_after.length &&
    words.every((word, index) => areRelated(word, words_after[index]))
  );
}

/**
 * Returns the edits that the model nearly made, the likeliest first.
 *
 * @param {string} sentence as the model was given it
 * @param {string} answer
 * @param {readonly Piece[]} pieces
 * @param {readonly ProtectedSpan[]} spans of the sentence
 * @returns {Edit[]}
 */
export function nearlyMade(sentence, answer, pieces, spans) {
  const tokens = tokenize(sentence, spans);
  const starts = new Map(tokens.map((token, index) => [token.start, index]));
  const made = diff(sentence, answer, spans);
  /** @type {{edit: Edit, margin: number}[]} */
  const found = [];
  for (const { start, text, chosen } of pieces) {
    // Where the answer differs from the sentence, what else it might have said is unknown.
    const offset = offsetAt(made, start);
    if (offset === undefined) continue;
    const at = start + offset;
    if (text === '' || !sentence.startsWith(text, at)) continue;
    const space = text.length - text.trimStart().length;
    const index = starts.get(at + space);
    if (index === undefined) continue;
    const is_whole = text.trim() === tokens[index].text;
    for (const other of chosen.top_logprobs) {
      const margin = other.logprob - chosen.logprob;
      const word = other.token.trim();
      if (margin < MIN_MARGIN || word === text.trim()) continue;
      // Of a word of several tokens, a shorter token may be the beginning of anything.
      if (!is_whole && word.length < tokens[index].text.length) continue;
      for (const edit of editsOf(sentence, tokens, index, other.token))
        found.push({ edit, margin });
    }
  }
  return found.sort((one, other) => other.margin - one.margin).map(({ edit }) => edit);
}

/**
 * Returns how far the sentence is ahead of the answer at a place of it, undefined within an edit.
 *
 * @param {readonly Edit[]} edits
 * @param {number} at
 */
function offsetAt(edits, at) {
  let offset = 0;
  for (const { end, text, at: begins } of edits) {
    if (at < begins) break;
    if (at < begins + text.length) return undefined;
    offset = end - (begins + text.length);
  }
  return offset;
}

/**
 * Returns what a token may mean where the sentence has another: a word in its place, a word before
 * it, or that it is left out.
 *
 * @param {string} sentence
 * @param {readonly Token[]} tokens
 * @param {number} index
 * @param {string} other
 * @returns {Edit[]}
 */
function editsOf(sentence, tokens, index, other) {
  const [here, next, last] = [tokens[index], tokens[index + 1], tokens[index - 1]];
  const text = other.trim();
  const spaced = other !== other.trimStart() || index === 0;
  if (text === '' || tokenize(text).length !== 1) return [];
  /** @type {Edit[]} */
  const edits = [];
  const make = (/** @type {string} */ changed) => edits.push(...diff(sentence, changed));
  const before = sentence.slice(0, here.start);
  const after = sentence.slice(here.end);
  if (!isWord(text)) {
    if (!isWord(here.text)) make(before + text + after);
    else if (last && isWord(last.text) && !spaced && /^[,;.:?!]$/.test(text))
      make(sentence.slice(0, last.end) + text + sentence.slice(last.end));
    return edits;
  }
  if (!spaced) return [];
  if (next && text === next.text) {
    if (last) make(sentence.slice(0, last.end) + sentence.slice(here.end));
    return edits;
  }
  if (isWord(here.text)) {
    if (areRelated(here.text, text)) make(before + text + after);
    if (areForms(text) && index > 0 && last?.text !== text)
      make(`${before}${text} ${sentence.slice(here.start)}`);
  }
  return edits;
}
