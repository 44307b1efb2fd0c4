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

const VOWELS = { a: 'á', e: 'é', i: 'í', o: 'ó', u: 'ú' };
const UMLAUTS = { a: 'ä', o: 'ö', u: 'ü' };

/**
 * What is written for another letter by those who write as they hear.
 *
 * @type {Partial<Record<Language, [RegExp, string | Record<string, string>][]>>}
 */
const SPELLINGS = {
  es: [
    [/[aeiou]/g, VOWELS],
    [/b/g, 'v'],
    [/v/g, 'b'],
    [/^(?=[aeiou])/g, 'h'],
    [/^h/g, ''],
    [/s(?=[ei])/g, 'c'],
    [/c(?=[ei])/g, 's'],
    [/s(?=[aou])/g, 'z'],
    [/ll/g, 'y'],
    [/y/g, 'll'],
    [/n(?=[bp])/g, 'm'],
    [/n(?=[aeiou])/g, 'ñ'],
    [/j(?=[ei])/g, 'g'],
    [/g(?=[ei])/g, 'j'],
  ],
  de: [
    [/[aou]/g, UMLAUTS],
    [/e(?![iu])/g, 'ä'],
    [/ss/g, 'ß'],
    [/ß/g, 'ss'],
    [/(?<=[aeiouäöü])([fklmnprst])(?!\1)/g, '$1$1'],
    [/([fklmnprst])\1/g, '$1'],
    [/(?<=[aeouäöü])(?=[lmnrt])/g, 'h'],
    [/(?<=[aeiouäöü])h/g, ''],
    [/i(?!e)/g, 'ie'],
    [/ie/g, 'i'],
    [/d$/g, 't'],
    [/t$/g, 'd'],
    [/f/g, 'v'],
    [/v/g, 'f'],
  ],
  fr: [
    [/e/g, 'é'],
    [/e/g, 'è'],
    [/e(?=[lmtr])/g, 'ê'],
    [/c(?=[ao])/g, 'ç'],
    [/(?<=[aeiou])([fklmnprst])(?!\1)(?=[aeiouyé])/g, '$1$1'],
    [/([fklmnprst])\1/g, '$1'],
    [/an/g, 'en'],
    [/en/g, 'an'],
    [/(?<=[aeioustd])$/g, 'e'],
    [/$/g, 't'],
    [/$/g, 's'],
    [/i/g, 'y'],
    [/z/g, 's'],
    [/é$/g, 'er'],
  ],
};

/**
 * Returns how a word may be meant that is written as it is heard, without a word that has a capital
 * within.
 *
 * @param {string} word
 * @param {Language} language
 * @returns {string[]}
 */
export function spellings(word, language) {
  const own = word.toLowerCase();
  if (own.length < 4 || !/^\p{L}+$/u.test(own)) return [];
  const found = new Set();
  for (const [pattern, to] of SPELLINGS[language] ?? [])
    for (const { 0: letters, 1: letter = '', index } of own.matchAll(pattern)) {
      const other = typeof to === 'string' ? to.replaceAll('$1', letter) : to[letters];
      found.add(own.slice(0, index) + other + own.slice(index + letters.length));
    }
  found.delete(own);
  return [...found].map((other) => (word[0] === own[0] ? other : capital(other)));
}
