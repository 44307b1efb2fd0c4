/** This module knows numbers, in digits and in words. */
/** @import { Language } from '../lib/writing/language.js' */

const VALUES = [
  2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 30, 40, 50, 60, 70, 80, 90,
  100, 1000, 1_000_000,
];

/**
 * The words for these values, in order. "One", "un" and "ein" are articles and pronouns as well,
 * and are left out.
 *
 * @type {Record<Language, string>}
 */
const WORDS = {
  en:
    'two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen ' +
    'sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ' +
    'ninety hundred thousand million',
  es:
    'dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince ' +
    'dieciséis diecisiete dieciocho diecinueve veinte treinta cuarenta cincuenta sesenta ' +
    'setenta ochenta noventa cien mil millón',
  de:
    'zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn ' +
    'sechzehn siebzehn achtzehn neunzehn zwanzig dreißig vierzig fünfzig sechzig siebzig ' +
    'achtzig neunzig hundert tausend million',
  fr:
    'deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze ' +
    'seize dix-sept dix-huit dix-neuf vingt trente quarante cinquante soixante ' +
    'soixante-dix quatre-vingts quatre-vingt-dix cent mille million',
};

const NUMBERS = new Map(
  Object.entries(WORDS).map(([language, words]) => [
    language,
    new Map(words.split(' ').map((word, index) => [word, VALUES[index]])),
  ]),
);

// "Neuf" is new as well.
NUMBERS.get('fr')?.delete('neuf');

/** Words that name a number, in any language that is known. */
export const NUMBER_WORDS = new Set(
  Object.values(WORDS).flatMap((words) => words.split(' ').flatMap((word) => word.split('-'))),
);

const SEPARATOR = "[.,’'\\u00A0\\u202F]";
/** What parts the thousands of a number, whose first group begins with no zero. */
const THOUSANDS = new RegExp(
  `(?<=(?<![\\p{N}.,])[1-9]\\p{N}{0,2}(?:${SEPARATOR}\\p{N}{3})*)${SEPARATOR}` +
    '(?=\\p{N}{3}(?!\\p{N}))',
  'gu',
);

/**
 * A `NumberValue` is what a number is, or how it is written where its digits are not ASCII's.
 *
 * @typedef {number | string} NumberValue
 */

/**
 * `Numbers` are those of a text, each with how it is written there: in digits, and in words.
 *
 * @typedef {{digits: Map<NumberValue, string>, words: Map<NumberValue, string>}} Numbers
 */

/**
 * Returns the numbers of a text. A date or a time is several: its parts may stand in another order.
 * Zeros are none, for 10 is 10:00.
 *
 * @param {string} text
 * @param {string | undefined} language of its words, as BCP 47; of others none is known
 * @returns {Numbers}
 */
export function numbersIn(text, language) {
  const digits = new Map();
  for (const [run] of text.replace(THOUSANDS, '').matchAll(/\p{Nd}+(?:[.,]\p{Nd}+)*/gu)) {
    const parts = run.split(/[.,]/);
    for (const written of parts.length === 2 ? [run] : parts) {
      const value = Number(written.replace(',', '.'));
      if (value !== 0) digits.set(isNaN(value) ? written : value, written);
    }
  }
  const words = new Map();
  const known = NUMBERS.get(language ?? '');
  for (const [word] of known ? text.matchAll(/\p{L}+(?:-\p{L}+)*/gu) : []) {
    const value = valueOf(word.toLowerCase(), /** @type {Map<string, number>} */ (known));
    if (value !== undefined) words.set(value, word);
  }
  return { digits, words };
}

/**
 * @param {string} word such as "two" or "twenty-two"
 * @param {Map<string, number>} known
 */
function valueOf(word, known) {
  if (known.has(word)) return known.get(word);
  const parts = word.split('-').map((part) => known.get(part));
  return parts.reduce((sum, part) =>
    sum !== undefined && part !== undefined ? sum + part : undefined,
  );
}
