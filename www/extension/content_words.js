/**
 * This module knows when an edit puts another word in a word's place and no form of it. The
 * engine's judge asks whether such an edit is for the better; of a model that gives no scores it is
 * taken back, for "hate" stands as well as "love" does.
 */
import { distance } from '../lib/writing/correction_types.js';
import { areForms, areRelated } from '../lib/writing/confusions.js';
import { isWord } from '../lib/writing/tokens.js';

/** @import { Edit } from '../lib/writing/diff.js' */

/** Forms of one word that do not look alike. */
const IRREGULAR = sets(
  'go goes going went gone|eat ate eaten|buy buys bought|teach taught|catch caught|' +
    'think thought|seek sought|fight fought|see saw seen|say said|make made|do does done did|' +
    'have had|tell told|sell sold|feel felt|leave left|lie lay lain|wear wore worn|' +
    'fly flew flown|draw drew drawn|know knew known|choose chose chosen|break broke broken|' +
    'speak spoke spoken|take took taken|swim swam swum|sing sang sung|run ran|' +
    'begin began begun|steal stole stolen|freeze froze frozen|drink drank drunk|mouse mice|' +
    'tooth teeth|person people persons|good well better best|bad badly worse worst|' +
    'many much more most|few little less fewer least|any some no none|other another|' +
    'ir voy vas va vamos van fui fue fueron iba|ser soy eres es somos son fui fue era sido|' +
    'estar estoy está están estaba estuvo|tener tengo tiene tuve tuvo|' +
    'hacer hago hace hice hizo hecho|decir digo dice dije dijo dicho|' +
    'venir vengo viene vine vino|poder puedo puede pude pudo|poner pongo pone puse puso puesto|' +
    'saber sé sabe supe supo|querer quiero quiere quise quiso|bueno buen bien mejor|' +
    'malo mal peor|gehen gehe geht ging gingen gegangen|lesen liest las gelesen|' +
    'liegen liege liegt lag gelegen|brechen bricht brach gebrochen|' +
    'sprechen spricht sprach gesprochen|sein bin bist ist sind war waren gewesen|' +
    'stehen steht stand gestanden|essen isst aß aßen gegessen|nehmen nimmt nahm genommen|' +
    'bringen bringt brachte gebracht|denken denkt dachte gedacht|wissen weiß wusste gewusst|' +
    'tun tut tat getan|ziehen zieht zog gezogen|gut besser beste|viel mehr meiste|' +
    'aller vais vas va allons allez vont allé allée allés|voir vois voit vu vue|' +
    'boire bois boit bu|faire fais fait font fera|pouvoir peux peut peuvent pu|' +
    'vouloir veux veut veulent voulu|devoir dois doit doivent dû|savoir sais sait su|' +
    'prendre prends prend pris|venir viens vient venu venue|bon bien mieux|mauvais mal pire',
);

/** Words that a model may take for each other, and that say the opposite. */
const OPPOSITES = sets(
  'before after|over under|for against|to from|up down|more less|much little|many few|most least|' +
    'first last|and or|better worse|good bad|best worst|any no|some no|any none|some none|' +
    'antes después|y o|mejor peor|desde hasta|vor nach|und oder|von zu|avant après|et ou|' +
    'mieux pire',
);

/** A word of this length may get these endings. */
const MIN_STEM = 3;
const ENDING = /^(?:s|es|d|ed|n|en|ing|er|est|ly)$/;
/** "Didn't" is mistaken for "hasn't"; what negates stays. */
const CONTRACTED = /n't$/;

/** What is not heard at the beginning of a word, or sounds like something else. */
const SOUNDS = /** @type {[RegExp, string][]} */ ([
  [/^(?:kn|gn)/, 'n'],
  [/^wr/, 'r'],
  [/^ps/, 's'],
  [/^ph/, 'f'],
  [/^wh/, 'w'],
  [/^h/, ''],
  [/^c(?=[ei])/, 's'],
  [/^(?:c|qu)/, 'k'],
  [/^v/, 'b'],
  [/^(?:ge|gi)/, 'j'],
]);

/** @param {string} lists */
function sets(lists) {
  return lists.split('|').map((list) => new Set(list.split(' ')));
}

/**
 * Returns whether an edit puts another word in a word's place, puts in a word that says something,
 * or takes one out.
 *
 * @param {Pick<Edit, 'before' | 'after'>} edit
 */
export function changesWord({ before, after }) {
  const [words, others] = [before, after].map((tokens) => tokens.filter(isWord).map(plain));
  const [one, other] = [words, others].map((list) => list.join('').replace(/[^\p{L}\p{N}]/gu, ''));
  // "Alot" is "a lot".
  if (one === other) return false;
  const isIn = (
    /** @type {Set<string>[]} */ lists,
    /** @type {string} */ a,
    /** @type {string} */ b,
  ) => lists.some((list) => list.has(a) && list.has(b));
  if (words.some((a) => others.some((b) => a !== b && isIn(OPPOSITES, a, b)))) return true;
  const isFormOf = (/** @type {string} */ a, /** @type {string} */ b) =>
    a === b ||
    areRelated(a, b) ||
    (a.length >= MIN_STEM && b.startsWith(a) && ENDING.test(b.slice(a.length))) ||
    (CONTRACTED.test(a) && CONTRACTED.test(b)) ||
    isIn(IRREGULAR, a, b) ||
    // "Goed" is meant to be "went".
    isIn(IRREGULAR, a.replace(/(?:ed|s)$/, ''), b) ||
    soundAlike(a, b);
  return !(
    words.every((a) => areForms(a) || others.some((b) => isFormOf(a, b))) &&
    others.every((b) => areForms(b) || words.some((a) => isFormOf(a, b)))
  );
}

/** @param {string} word */
function plain(word) {
  return word.toLowerCase().replaceAll('’', "'");
}

/**
 * @param {string} a
 * @param {string} b
 */
function soundAlike(a, b) {
  const [one, other] = [a, b].map((word) =>
    SOUNDS.reduce((text, [pattern, to]) => text.replace(pattern, to), withoutAccents(word)),
  );
  const length = Math.max(one.length, other.length);
  return one[0] === other[0] && distance(one, other) <= Math.floor(length / 3);
}

/** @param {string} word */
function withoutAccents(word) {
  return word.normalize('NFD').replace(/\p{M}/gu, '');
}
