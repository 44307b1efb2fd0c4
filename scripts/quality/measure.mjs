// This module measures corrections of texts. Words and single signs are the tokens, and an edit is
// one token that is put in, taken out or replaced, as ERRANT compares them.

/**
 * @typedef {object} Entry a text of a quality set
 * @property {string} id
 * @property {string} language
 * @property {string} kind what is wrong with the text, or "right"
 * @property {string} text
 * @property {string[]} accepted every correction that is good; the text itself if it is right
 *
 * @typedef {'fixed' | 'improved' | 'sideways' | 'unchanged' | 'damaged'} Outcome
 *   `sideways` is a text that was changed and is as far from a good one as before
 *
 * @typedef {object} Judgement
 * @property {string} id
 * @property {string} language
 * @property {boolean} right whether the text was right before
 * @property {Outcome} outcome
 * @property {number} hits edits that the nearest accepted text has as well
 * @property {number} made edits of the result
 * @property {number} wanted edits of the nearest accepted text
 */

/**
 * Returns a text in one form: composed letters, one space between words, none around lines.
 *
 * @param {string} text
 */
export function normalize(text) {
  return text
    .normalize('NFC')
    .replace(/\r\n?/g, '\n')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .trim();
}

/**
 * Returns a text's words, signs and line ends. An apostrophe inside a word belongs to it.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function tokens(text) {
  const pattern = /[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}\p{N}]+)*|\n|[^\s]/gu;
  return normalize(text).match(pattern) ?? [];
}

/**
 * Returns the edits that make one text of another, as strings that are equal for equal edits. Where
 * several shortest ways exist, words are replaced by words that resemble them.
 *
 * @param {string} from
 * @param {string} to
 * @returns {string[]}
 */
export function edits(from, to) {
  const [a, b] = [tokens(from), tokens(to)];
  const replaced = (i, j) => (a[i] === b[j] ? 0 : 1 + (1 - likeness(a[i], b[j])) / 1000);
  const costs = costTable(a.length, b.length, replaced);
  const found = [];
  let [i, j] = [a.length, b.length];
  const isCost = (cost) => Math.abs(costs[i][j] - cost) < 1e-9;
  while (i > 0 || j > 0) {
    if (i > 0 && j > 0 && isCost(costs[i - 1][j - 1] + replaced(i - 1, j - 1))) {
      i--;
      j--;
      if (a[i] !== b[j]) found.push(`${i} ${a[i]} > ${b[j]}`);
    } else if (i > 0 && isCost(costs[i - 1][j] + 1)) {
      i--;
      found.push(`${i} ${a[i]} >`);
    } else {
      j--;
      found.push(`${i} > ${b[j]}`);
    }
  }
  return found.reverse();
}

/**
 * Returns the least number of tokens to put in, take out or replace.
 *
 * @param {string} from
 * @param {string} to
 */
export function distance(from, to) {
  return edits(from, to).length;
}

/**
 * Judges what a corrector made of a text. The result is compared with the accepted text that is
 * nearest to it, the first of several.
 *
 * @param {Entry} entry
 * @param {string} result
 * @returns {Judgement}
 */
export function judge({ id, language, kind, text, accepted }, result) {
  const nearestTo = (given) =>
    accepted
      .map((to) => ({ to, left: distance(given, to) }))
      .reduce((best, next) => (next.left < best.left ? next : best));
  const right = kind === 'right';
  const changed = normalize(result) !== normalize(text);
  const { to: target, left } = nearestTo(result);
  const before = nearestTo(text).left;
  const [made, wanted] = [edits(text, result), edits(text, target)];
  return {
    id,
    language,
    right,
    outcome: outcome(),
    hits: common(made, wanted),
    made: made.length,
    wanted: wanted.length,
  };

  /** @returns {Outcome} */
  function outcome() {
    if (!changed) return 'unchanged';
    if (accepted.some((to) => normalize(to) === normalize(result))) return 'fixed';
    if (right || left > before) return 'damaged';
    return left < before ? 'improved' : 'sideways';
  }
}

/**
 * Sums judgements up. Shares are of 1; those of no texts are NaN.
 *
 * @param {Judgement[]} judgements
 */
export function summarize(judgements) {
  const count = (/** @type {(judgement: Judgement) => boolean} */ test) =>
    judgements.filter(test).length;
  const sum = (/** @type {'hits' | 'made' | 'wanted'} */ key) =>
    judgements.reduce((total, judgement) => total + judgement[key], 0);
  const [hits, made, wanted] = [sum('hits'), sum('made'), sum('wanted')];
  const right = count((judgement) => judgement.right);
  const wrong = judgements.length - right;
  const wrongOnes = (/** @type {Outcome} */ name) =>
    count(({ right, outcome }) => !right && outcome === name);
  const [fixed, improved, damaged] = ['fixed', 'improved', 'damaged'].map(wrongOnes);
  const right_unchanged = count(({ right, outcome }) => right && outcome !== 'damaged');
  return {
    texts: judgements.length,
    wrong,
    right,
    fixed,
    improved,
    sideways: wrongOnes('sideways'),
    unchanged: wrongOnes('unchanged'),
    damaged,
    right_unchanged,
    damaged_share: (damaged + right - right_unchanged) / judgements.length,
    right_unchanged_share: right_unchanged / right,
    improved_share: (fixed + improved) / wrong,
    ...f(hits, made, wanted),
  };
}

/**
 * Returns precision, recall and F0.5, which weighs precision twice. Where no edit is made, none is
 * wrong.
 *
 * @param {number} hits
 * @param {number} made
 * @param {number} wanted
 */
export function f(hits, made, wanted) {
  const precision = made ? hits / made : 1;
  const recall = wanted ? hits / wanted : 1;
  const weighted = 0.25 * precision + recall;
  return { precision, recall, f05: weighted ? (1.25 * precision * recall) / weighted : 0 };
}

/** Counts what two lists have in common, each as often as it is in both. */
function common(a, b) {
  const rest = [...b];
  return a.filter((item) => {
    const at = rest.indexOf(item);
    if (at >= 0) rest.splice(at, 1);
    return at >= 0;
  }).length;
}

/** Returns the costs of making the first j tokens of the first i, of Levenshtein's recurrence. */
function costTable(rows, columns, replaced) {
  const costs = Array.from({ length: rows + 1 }, (_, i) => [i]);
  for (let j = 1; j <= columns; j++) costs[0][j] = j;
  for (let i = 1; i <= rows; i++) {
    for (let j = 1; j <= columns; j++)
      costs[i][j] = Math.min(
        costs[i - 1][j - 1] + replaced(i - 1, j - 1),
        costs[i - 1][j] + 1,
        costs[i][j - 1] + 1,
      );
  }
  return costs;
}

/** Returns the share of letters that two words have in common at their ends, from 0 to 1. */
function likeness(a, b) {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  const shorter = Math.min(x.length, y.length);
  let start = 0;
  while (start < shorter && x[start] === y[start]) start++;
  let end = 0;
  while (end < shorter - start && x.at(-1 - end) === y.at(-1 - end)) end++;
  return (start + end) / Math.max(x.length, y.length);
}
