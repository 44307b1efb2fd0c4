/**
 * This module knows numbers that are written as words. The engine's judge finds "three" for "two"
 * unlikely; of a model that gives no scores, such an edit is taken back.
 */
import { areRelated } from '../lib/writing/confusions.js';
import { isWord } from '../lib/writing/tokens.js';

/** @import { Edit } from '../lib/writing/diff.js' */

/** "One", "un" and "ein" are articles and pronouns as well, and are left out. */
const NUMBERS = new Set(
  (
    'two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen ' +
    'sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety ' +
    'hundred thousand million billion half twice double second third fourth fifth ' +
    'dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince veinte ' +
    'treinta cuarenta cincuenta sesenta setenta ochenta noventa cien ciento mil millón millones ' +
    'doble segundo segunda tercero tercera ' +
    'zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig vierzig fünfzig ' +
    'sechzig siebzig achtzig neunzig hundert tausend halb halbe doppelt zweite zweiten dritte ' +
    'dritten ' +
    'deux trois quatre cinq sept huit neuf dix onze douze treize quatorze quinze seize vingt ' +
    'trente quarante cinquante soixante cent mille demi demie deuxième troisième'
  ).split(' '),
);

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
