/** This module bounds what is read of a field, and applies edits to a text. */

/**
 * An `Edit` replaces the characters from `start` to `end` of a passage, in UTF-16 code units.
 *
 * @typedef {object} Edit
 * @property {number} start
 * @property {number} end
 * @property {string} text
 * @property {string[]} [types] what it mends
 */

/** Longer passages are not read: they would take minutes. */
export const MAX_CHARS = 4000;
/** A field of at most so many characters is read whole where nothing is selected in it. */
export const WHOLE_CHARS = 2000;

/**
 * Returns the range of the paragraph at a place, or of the sentences around the place where the
 * paragraph is too long.
 *
 * @param {string} text
 * @param {number} at
 * @returns {[number, number]}
 */
export function paragraphAt(text, at) {
  // A line that has no end nearby need not be searched through.
  const low = Math.max(0, at - MAX_CHARS / 2);
  const high = Math.min(text.length, at + MAX_CHARS / 2);
  const near = text.slice(low, high);
  const own = at - low;
  let from = near.lastIndexOf('\n', own - 1) + 1;
  if (own === 0) from = 0;
  let to = near.indexOf('\n', own);
  if (to < 0) to = near.length;
  if (from === 0 && low > 0) {
    const sentence = /[.!?]\s+/.exec(near.slice(0, own));
    from = sentence ? sentence.index + sentence[0].length : own;
  }
  if (to === near.length && high < text.length) {
    const last = [...near.slice(own).matchAll(/[.!?](?=\s)/g)].at(-1);
    to = last ? own + last.index + 1 : own;
  }
  return [low + from, low + to];
}

/**
 * Returns the text with edits, which are in order.
 *
 * @param {string} text
 * @param {readonly Edit[]} edits
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
 * Returns one edit that does what several in order do.
 *
 * @param {string} text
 * @param {readonly Edit[]} edits at least one
 * @returns {Edit}
 */
export function mergeEdits(text, edits) {
  const start = edits[0].start;
  const end = edits[edits.length - 1].end;
  const moved = edits.map((edit) => ({
    ...edit,
    start: edit.start - start,
    end: edit.end - start,
  }));
  return { start, end, text: applyEdits(text.slice(start, end), moved) };
}

/**
 * Returns where a place of the text is after edits, which are in order.
 *
 * @param {number} at
 * @param {readonly Edit[]} edits
 */
export function moveThrough(at, edits) {
  let shift = 0;
  for (const { start, end, text } of edits) {
    if (start > at) break;
    // A place within an edit goes behind it.
    shift += end <= at ? text.length - (end - start) : start + text.length - at;
    if (end > at) break;
  }
  return at + shift;
}
