/** This module compares two versions of a sentence, token by token. */
import { isWord, tokenize } from './tokens.js';

/** @import { Span, Token } from './tokens.js' */

/**
 * An `Edit` replaces the characters from `start` to `end` of the original by `text`. `before` and
 * `after` are the tokens that it takes out and puts in; both are empty where only white space
 * differs. `at` is where its text begins in the other version.
 *
 * @typedef {object} Edit
 * @property {number} start
 * @property {number} end
 * @property {string} text
 * @property {string[]} before
 * @property {string[]} after
 * @property {number} at
 */

/**
 * Returns the smallest edits, in order, that make `changed` of `original`. What differs only in how
 * long white space is counts as equal.
 *
 * @param {string} original
 * @param {string} changed
 * @param {readonly Span[]} [spans] of the original that are one token each
 * @param {readonly Span[]} [changed_spans] the same of the other version
 * @returns {Edit[]}
 */
export function diff(original, changed, spans, changed_spans) {
  const a = tokenize(original, spans);
  const b = tokenize(changed, changed_spans);
  /** @type {Edit[]} */
  const edits = [];
  let [i, j] = [0, 0];
  let is_open = true;
  const cut = (/** @type {number} */ to_i, /** @type {number} */ to_j, is_equal = false) => {
    const edit = editOf({ original, changed, a, b }, [i, to_i, j, to_j], [is_open, is_equal]);
    if (edit) edits.push(edit);
    [i, j, is_open] = is_equal ? [to_i + 1, to_j + 1, true] : [to_i, to_j, false];
  };
  let [last_i, last_j] = [-1, -1];
  for (const [to_i, to_j] of alignment(a, b)) {
    const is_equal = a[to_i].text === b[to_j].text;
    // Two words beside each other that are each replaced by one are two edits.
    const is_next = to_i === last_i + 1 && to_j === last_j + 1 && to_i > i;
    if (is_equal) cut(to_i, to_j, true);
    else if (is_next && a[to_i].glued === b[to_j].glued) cut(to_i, to_j);
    [last_i, last_j] = [to_i, to_j];
  }
  cut(a.length, b.length, true);
  return edits;
}

/**
 * Returns `text` with some of its edits, which are in order.
 *
 * @param {string} text
 * @param {readonly {start: number, end: number, text: string}[]} edits
 */
export function applyEdits(text, edits) {
  let result = '';
  let at = 0;
  for (const edit of edits) {
    result += text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return result + text.slice(at);
}

/**
 * Returns the edit of `a[from_i..to_i]` into `b[from_j..to_j]`, with the white space before and
 * after, where that is not another edit's. White space that both versions have at an end is no part
 * of it.
 *
 * @param {{original: string, changed: string, a: Token[], b: Token[]}} versions
 * @param {[number, number, number, number]} range from_i, to_i, from_j, to_j
 * @param {[boolean, boolean]} with_space before, after
 * @returns {Edit | undefined} undefined where nothing differs
 */
function editOf({ original, changed, a, b }, [from_i, to_i, from_j, to_j], [before_it, after_it]) {
  let start = before_it ? (a[from_i - 1]?.end ?? 0) : a[from_i].start;
  let at = before_it ? (b[from_j - 1]?.end ?? 0) : b[from_j].start;
  let end = after_it ? (a[to_i]?.start ?? original.length) : a[to_i - 1].end;
  let stop = after_it ? (b[to_j]?.start ?? changed.length) : b[to_j - 1].end;
  const head = spaceLength(original.slice(start, end), 'start');
  const other_head = spaceLength(changed.slice(at, stop), 'start');
  if (head > 0 && other_head > 0) {
    start += head;
    at += other_head;
  }
  const tail = spaceLength(original.slice(start, end), 'end');
  const other_tail = spaceLength(changed.slice(at, stop), 'end');
  if (tail > 0 && other_tail > 0) {
    end -= tail;
    stop -= other_tail;
  }
  if (start === end && at === stop) return undefined;
  const before = a.slice(from_i, to_i).map(({ text }) => text);
  const after = b.slice(from_j, to_j).map(({ text }) => text);
  return { start, end, text: changed.slice(at, stop), before, after, at };
}

/**
 * @param {string} text
 * @param {'start' | 'end'} side
 */
function spaceLength(text, side) {
  return text.length - (side === 'start' ? text.trimStart() : text.trimEnd()).length;
}

/**
 * Returns the pairs of tokens, equal or not, on a cheapest way from `a` to `b`.
 *
 * @param {Token[]} a
 * @param {Token[]} b
 * @returns {[number, number][]}
 */
function alignment(a, b) {
  const length = Math.min(a.length, b.length);
  let head = 0;
  while (head < length && a[head].text === b[head].text) head += 1;
  let tail = 0;
  while (tail < length - head && a.at(-1 - tail)?.text === b.at(-1 - tail)?.text) tail += 1;
  const [middle_a, middle_b] = [a, b].map((tokens) =>
    tokens.slice(head, tokens.length - tail).map(({ text }) => text),
  );
  const middle = cheapest(middle_a, middle_b);
  return [
    ...Array.from({ length: head }, (_, k) => pair(k, k)),
    ...middle.map(([i, j]) => pair(i + head, j + head)),
    ...Array.from({ length: tail }, (_, k) => pair(a.length - tail + k, b.length - tail + k)),
  ];
}

/**
 * @param {number} i
 * @param {number} j
 * @returns {[number, number]}
 */
function pair(i, j) {
  return [i, j];
}

/**
 * @param {string[]} a
 * @param {string[]} b
 * @returns {[number, number][]}
 */
function cheapest(a, b) {
  const width = b.length + 1;
  // costs[i * width + j]: of making b[j..] of a[i..].
  const costs = new Float64Array((a.length + 1) * width);
  for (let i = a.length; i >= 0; i--)
    for (let j = b.length; j >= 0; j--) {
      if (i === a.length && j === b.length) continue;
      let best = Infinity;
      if (i < a.length) best = costs[(i + 1) * width + j] + 1;
      if (j < b.length) best = Math.min(best, costs[i * width + j + 1] + 1);
      if (i < a.length && j < b.length)
        best = Math.min(best, costs[(i + 1) * width + j + 1] + change(a[i], b[j]));
      costs[i * width + j] = best;
    }
  /** @type {[number, number][]} */
  const result = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const cost = costs[i * width + j];
    if (cost === costs[(i + 1) * width + j + 1] + change(a[i], b[j])) {
      result.push([i, j]);
      i += 1;
      j += 1;
    } else if (cost === costs[(i + 1) * width + j] + 1) i += 1;
    else j += 1;
  }
  return result;
}

/**
 * Returns what it costs to turn a token into another: less where they look alike, more than taking
 * one out and putting the other in where one is a word and the other is a sign.
 *
 * @param {string} a
 * @param {string} b
 */
function change(a, b) {
  if (a === b) return 0;
  if (isWord(a) !== isWord(b)) return 2.5;
  if (a.toLowerCase() === b.toLowerCase()) return 0.5;
  return a[0].toLowerCase() === b[0].toLowerCase() ? 1 : 1.25;
}
