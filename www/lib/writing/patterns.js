/**
 * This module knows where mistakes are likely, and what may be meant there; a model must agree.
 */
import { diff } from './diff.js';

/** @import { Edit } from './diff.js' */
/** @import { Language } from './language.js' */

/** Participles and their past tenses. @type {Record<string, string>} */
const PASTS = {
  seen: 'saw',
  gone: 'went',
  been: 'was',
  taken: 'took',
  given: 'gave',
  eaten: 'ate',
  done: 'did',
  written: 'wrote',
  come: 'came',
};
/** With these a sentence is of a time that is over. */
const OVER = /\b(?:ago|yesterday|last (?:\p{Lu}\p{Ll}+day|night|week|month|year))\b/u;

/** After these a German noun may follow. */
const ARTICLES =
  'd(?:er|ie|as|en|em|es)|[mdsk]?eine?[nmrs]?|ihren?|unsere?n?|[ia]m|vom|zu[mr]|beim|ins|mit';

/** @param {string} word */
const capital = (word) => word[0].toUpperCase() + word.slice(1);

/**
 * Returns edits where a form of the sentence lets expect a mistake, each by itself.
 *
 * @param {string} sentence
 * @param {Language} language
 * @returns {Edit[]}
 */
export function patternEdits(sentence, language) {
  /** @type {Edit[]} */
  const edits = [];
  const replace = (
    /** @type {RegExp} */ pattern,
    /** @type {(found: string, word: string) => string} */ to,
  ) => {
    for (const { 0: found, 1: word, index } of sentence.matchAll(pattern))
      edits.push(
        ...diff(
          sentence,
          sentence.slice(0, index) + to(found, word) + sentence.slice(index + found.length),
        ),
      );
  };
  if (language === 'en') {
    replace(/\bsince (?=\S+ (?:year|month|week|day|hour|minute)s\b)/g, () => 'for ');
    if (/\bsince\b/.test(sentence))
      replace(/\b(is|am|are)(?= \p{Ll}+ing\b)/gu, (found) =>
        found === 'is' ? 'has been' : 'have been',
      );
    else if (OVER.test(sentence))
      replace(
        /\b(?:have|has) (\p{Ll}+)\b/gu,
        (found, word) => PASTS[word] ?? (/(?:ed|[^o]t|nd)$/.test(word) ? word : found),
      );
  }
  if (language === 'de')
    replace(new RegExp(`(?<=(?<!\\p{L})(?:${ARTICLES}) )\\p{Ll}{3,}`, 'giu'), capital);
  return edits;
}
