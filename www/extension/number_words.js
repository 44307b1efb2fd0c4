/**
 * This module knows numbers that are written as words. The engine's judge finds "three" for "two"
 * unlikely; of a model that gives no scores, such an edit is taken back.
 */
import { NUMBER_WORDS } from '../assistant/numbers.js';
import { areRelated } from '../lib/writing/confusions.js';
import { isWord } from '../lib/writing/tokens.js';

/** @import { Edit } from '../lib/writing/diff.js' */

/** What else names an amount or an order. */
const NUMBERS = new Set([
  ...NUMBER_WORDS,
  ...(
    'billion half twice double second third fourth fifth ' +
    'ciento millones doble segundo segunda tercero tercera ' +
    'halb halbe doppelt zweite zweiten dritte dritten ' +
    'demi demie deuxième troisième'
  ).split(' '),
]);

/**
 * Returns whether an edit puts another number in the place of one. A number that is misspelled, or
 * mistaken for what sounds alike ("to", "two"), may be mended.
 *
 * @param {Pick<Edit, 'before' | 'after'>} edit
 */
export function changesNumber({ before, after }) {
  const [numbers, changed] = [before, after].map(numbersOf);
  if (numbers === changed) return false;
  if (numbers !== '' && changed !== '') return true;
  const [words, changed_words] = [before, after].map((tokens) => tokens.filter(isWord));
  return (
    words.length !== 1 || changed_words.length !== 1 || !areRelated(words[0], changed_words[0])
  );
}

/** @param {readonly string[]} tokens */
function numbersOf(tokens) {
  return tokens
    .flatMap((token) => token.toLowerCase().split('-'))
    .filter((word) => NUMBERS.has(word))
    .join(' ');
}
