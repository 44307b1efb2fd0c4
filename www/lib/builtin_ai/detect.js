/**
 * This module says in which language a text is. Letters tell their script, and most scripts are
 * those of one language; where a script is shared, frequent words and their trigrams decide (a
 * naive Bayes classifier over the words of language_words.js).
 */
import { SCRIPTS, SHARED_SCRIPTS } from './detected_languages.js';
import { WORDS } from './language_words.js';

/** What a trigram that no listed word has counts. */
const UNSEEN = 0.25;
/** The logarithm of how likely a letter is that is another language's own. */
const FOREIGN = -4;
/** How much of a text the listed words make, and how slowly their frequency falls. */
const LISTED_SHARE = 0.5;
const RANK_OFFSET = 8;
/** Letters of a word are not independent, as the classifier takes them; this evens it out. */
const TEMPER = 0.35;
/** A text is in no known language at least by this, and more where it is short. */
const LEAST_UNKNOWN = 0.002;
const UNKNOWN_LETTERS = 0.4;

/**
 * A `Profile` is what is known of a language.
 *
 * @typedef {object} Profile
 * @property {string} tag
 * @property {Map<string, number>} words the logarithm of how likely each listed word is
 * @property {Map<string, number>} trigrams how often each is in the listed words
 * @property {number} trigram_count
 * @property {Set<string>} foreign letters that other languages of the script have
 */

/** @typedef {Map<string, number>} WordCounts how often each word is in a text */

/** @type {Map<string, Profile[]>} */
const profiles = new Map();

/**
 * Returns how likely a text is in each language, and in none of them. They sum to 1; of a text in
 * several scripts, each takes its share of the letters.
 *
 * @param {string} text
 * @returns {{confidences: Map<string, number>, unknown: number}}
 */
export function detect(text) {
  const words =
    text
      .normalize('NFC')
      .toLowerCase()
      .match(/[\p{L}\p{M}'’\u200c]+/gu) ?? [];
  /** @type {Map<string, WordCounts>} */
  const by_script = new Map();
  let letters = 0;
  for (const word of words) {
    const script = scriptOf(word);
    letters += word.length;
    if (!by_script.has(script)) by_script.set(script, new Map());
    add(by_script.get(script), word.replaceAll('’', "'"), 1);
  }
  // Japanese has words without kana.
  const kana = by_script.get('Kana');
  if (kana) for (const [word, count] of by_script.get('Han') ?? []) add(kana, word, count);
  if (kana) by_script.delete('Han');
  const confidences = new Map();
  let unknown = letters === 0 ? 1 : 0;
  for (const [script, counts] of by_script) {
    let length = 0;
    for (const [word, count] of counts) length += word.length * count;
    const share = length / letters;
    const unsure =
      script === '' ? 1 : Math.min(Math.max(UNKNOWN_LETTERS / length, LEAST_UNKNOWN), 1);
    unknown += share * unsure;
    for (const [tag, likely] of ofScript(script, counts))
      confidences.set(tag, (confidences.get(tag) ?? 0) + share * (1 - unsure) * likely);
  }
  return { confidences, unknown };
}

/**
 * @param {WordCounts | undefined} counts
 * @param {string} word
 * @param {number} count
 */
function add(counts, word, count) {
  counts?.set(word, (counts.get(word) ?? 0) + count);
}

/**
 * Returns the script of most of a word's letters, or an empty string for one that is not known.
 *
 * @param {string} word
 */
function scriptOf(word) {
  return TESTS.find(([, test]) => test.test(word))?.[0] ?? '';
}

/** @type {[string, RegExp][]} */
const TESTS = [
  ['Kana', /[\p{Script=Hiragana}\p{Script=Katakana}]/u],
  ...['Han', ...Object.keys(SHARED_SCRIPTS), ...Object.keys(SCRIPTS)].map(
    (name) => /** @type {[string, RegExp]} */ ([name, new RegExp(`\\p{Script=${name}}`, 'u')]),
  ),
];

/**
 * Returns the languages of words in a script, each with its probability.
 *
 * @param {string} script
 * @param {WordCounts} counts
 * @returns {[string, number][]}
 */
function ofScript(script, counts) {
  if (script === '') return [];
  if (script === 'Kana') return [['ja', 1]];
  if (script === 'Han') return [['zh', 1]];
  const single = /** @type {Record<string, string>} */ (SCRIPTS)[script];
  if (single) return [[single, 1]];
  const tags = /** @type {Record<string, readonly string[]>} */ (SHARED_SCRIPTS)[script];
  const known = profiles.get(script) ?? tags.map((tag) => profileOf(tag, tags));
  profiles.set(script, known);
  const scores = known.map((profile) =>
    [...counts].reduce((sum, [word, count]) => sum + count * scoreOf(word, profile), 0),
  );
  const best = Math.max(...scores);
  const weights = scores.map((score) => Math.exp((score - best) * TEMPER));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return known.map(({ tag }, index) => [tag, weights[index] / total]);
}

/**
 * Returns the logarithm of how likely a word is in a language.
 *
 * @param {string} word
 * @param {Profile} profile
 */
function scoreOf(word, { words, trigrams, trigram_count, foreign }) {
  const listed = words.get(word);
  if (listed !== undefined) return listed;
  let score = Math.log(1 - LISTED_SHARE);
  for (const trigram of trigramsOf(word))
    score += Math.log(((trigrams.get(trigram) ?? 0) + UNSEEN) / (trigram_count + UNSEEN * 5000));
  for (const letter of word) if (foreign.has(letter)) score += FOREIGN;
  return score;
}

/**
 * Makes the profile of a language of its words.
 *
 * @param {string} tag
 * @param {readonly string[]} tags of the languages that share its script
 * @returns {Profile}
 */
function profileOf(tag, tags) {
  const [list, own] = WORDS[tag].split('|');
  const others = tags.map((other) => WORDS[other].split('|')[1]).join('');
  const listed = [...new Set(list.trim().split(/\s+/))];
  const weights = listed.map((_, rank) => 1 / (rank + RANK_OFFSET));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const words = new Map(
    listed.map((word, rank) => [word, Math.log((LISTED_SHARE * weights[rank]) / total)]),
  );
  /** @type {Map<string, number>} */
  const trigrams = new Map();
  let trigram_count = 0;
  for (const word of listed)
    for (const trigram of trigramsOf(word)) {
      trigrams.set(trigram, (trigrams.get(trigram) ?? 0) + 1);
      trigram_count += 1;
    }
  return {
    tag,
    words,
    trigrams,
    trigram_count,
    foreign: new Set([...others].filter((letter) => !own.includes(letter))),
  };
}

/**
 * Returns the threes of letters of a word, with a space at both ends.
 *
 * @param {string} word
 */
function trigramsOf(word) {
  const letters = [' ', ...word, ' '];
  return letters.slice(2).map((_, index) => letters.slice(index, index + 3).join(''));
}
