/**
 * This module knows where mistakes are likely, and what may be meant there; a model must agree.
 */
import { diff } from './diff.js';

/** @import { Edit } from './diff.js' */
/** @import { Language } from './language.js' */

/** Participles, each with its past tense, where they differ. */
const PASTS = new Map(
  (
    'seen saw gone went been was taken took given gave eaten ate done did written wrote come came ' +
    'begun began drunk drank spoken spoke known knew broken broke chosen chose fallen fell ' +
    'forgotten forgot driven drove'
  )
    .match(/\S+ \S+/g)
    ?.map((pair) => /** @type {[string, string]} */ (pair.split(' '))),
);
/** Participles that are past tenses too. */
const SAME = new RegExp(
  'ed$|^(?:met|bought|lost|found|sent|told|made|left|got|had|read|paid|put|heard|sold|built|kept|' +
    'won)$',
);
/** With these a sentence is of a time that is over. */
const OVER = new RegExp(
  '\\b(?:ago|yesterday|last (?:night|week|month|year|summer|winter|spring|autumn|' +
    '\\p{Lu}\\p{Ll}+day))\\b',
  'u',
);
/** With this it is of a time that goes on. */
const SINCE = /\bsince\b/;

/** After these a German noun follows, with an adjective before it or not. */
const ARTICLES =
  'der|die|das|den|dem|des|ein|eine|einen|einem|einer|eines|kein|keine|keinen|im|am|vom|zum|zur|' +
  'beim|ins|mein|meine|meinen|meinem|dein|deine|deinen|sein|seine|seinen|ihre|ihren|unser|unsere|' +
  'mit|ohne|nach|für|schöne?[rsn]?|neue?[rsn]?|gute?[rsn]?';

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
  if (language === 'en')
    replace(
      /\bsince (?=(?:an?|\d{1,3}|two|three|four|five|six|ten|many|several|some) \p{Ll}+)/gu,
      () => 'for ',
    );
  if (language === 'en' && SINCE.test(sentence)) {
    replace(/\bis (?=\p{Ll}+ing\b)/gu, () => 'has been ');
    replace(/\b(?:am|are) (?=\p{Ll}+ing\b)/gu, () => 'have been ');
  } else if (language === 'en' && OVER.test(sentence))
    replace(
      /\b(?:have|has) (\p{Ll}+)\b/gu,
      (found, word) => PASTS.get(word) ?? (SAME.test(word) ? word : found),
    );
  if (language === 'de') {
    replace(new RegExp(`(?<=(?<!\\p{L})(?:${ARTICLES}) )\\p{Ll}{3,}`, 'giu'), capital);
    replace(/(?<=\p{Ll} )\p{Lu}\p{Ll}+(?=e[nrsm]? \p{Lu})/gu, (found) => found.toLowerCase());
  }
  return edits;
}
