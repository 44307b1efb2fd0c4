/** This module names what a correction mends, in the words of the Proofreader draft. */
import { isWord } from './tokens.js';

/** @import { Edit } from './diff.js' */

/**
 * @typedef {'spelling' | 'punctuation' | 'capitalization' | 'preposition' | 'missing-words'
 *   | 'grammar'} CorrectionType
 */

/** The prepositions of English, Spanish, German and French, with those that hold an article. */
export const PREPOSITIONS = new Set(
  (
    'in on at to for of from by with about into onto over under after before since until during ' +
    'through between among against towards as than then upon ' +
    'a al ante con contra de del desde en entre hacia hasta para por según sin sobre tras ' +
    'an am auf aus bei beim bis durch für gegen hinter im in ins mit nach neben ohne seit über ' +
    'um unter von vom vor während wegen zu zum zur zwischen ' +
    'à au aux avec chez dans des du depuis en par pendant pour sans sur vers'
  ).split(' '),
);

/** Words that differ in these ends only are forms of one word. */
const ENDINGS = new Set(
  (
    'e es s ed d ing n en er em est st t te ten ent o a as os an ai ait ons ez ees ee x nt m i ' +
    'is ' +
    'it r'
  ).split(' '),
);

/** @param {string} text */
const folded = (text) =>
  text
    .normalize('NFD')
    .replace(/\p{M}|['’-]/gu, '')
    .toLowerCase();

/**
 * Returns what an edit mends. Without a dictionary this is a guess by rules: letters that changed
 * are a misspelling where the rest of the word is no other form of it.
 *
 * @param {Pick<Edit, 'before' | 'after'>} edit
 * @returns {CorrectionType[]}
 */
export function correctionTypes({ before, after }) {
  const [old_words, new_words] = [before, after].map((tokens) => tokens.filter(isWord));
  const signs = (/** @type {string[]} */ tokens) => tokens.filter((it) => !isWord(it)).join(' ');
  /** @type {CorrectionType[]} */
  const types = [];
  if (old_words.join(' ') !== new_words.join(' ')) types.push(typeOfWords(old_words, new_words));
  if (signs(before) !== signs(after) || types.length === 0) types.push('punctuation');
  return types;
}

/**
 * @param {string[]} before
 * @param {string[]} after
 * @returns {CorrectionType}
 */
function typeOfWords(before, after) {
  if (before.join('').toLowerCase() === after.join('').toLowerCase())
    return before.join('') === after.join('') ? 'spelling' : 'capitalization';
  const isPreposition = (/** @type {string} */ word) =>
    PREPOSITIONS.has(word.toLowerCase()) && !/^th[ae]n$/i.test(word);
  if (before.length === 0) return 'missing-words';
  if ([...before, ...after].every(isPreposition)) return 'preposition';
  if (after.length > before.length && before.every((word) => after.includes(word)))
    return 'missing-words';
  if (after.length === 0) return 'grammar';
  const [one, other] = [folded(before.join('')), folded(after.join(''))];
  if (one === other) return 'spelling';
  const stem = commonStart(one, other);
  const [end, other_end] = [one.slice(stem), other.slice(stem)];
  const is_form = stem >= 2 && isEnding(end) && isEnding(other_end);
  const is_close = distance(one, other) <= Math.max(1, Math.floor(one.length / 3));
  return !is_form && is_close && one.length > 3 ? 'spelling' : 'grammar';
}

/** @param {string} text */
function isEnding(text) {
  return text === '' || ENDINGS.has(text);
}

/**
 * @param {string} a
 * @param {string} b
 */
function commonStart(a, b) {
  let length = 0;
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length += 1;
  return length;
}

/**
 * Returns the number of letters to put in, take out, replace or swap with the next to make `b` of
 * `a` (optimal string alignment).
 *
 * @param {string} a
 * @param {string} b
 * @returns {number}
 */
export function distance(a, b) {
  /** @type {number[][]} */
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    rows.push([i]);
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, rows[i - 2][j - 2] + 1);
      rows[i].push(cost);
    }
  }
  return rows[a.length][b.length];
}
