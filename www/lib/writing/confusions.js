/** This module knows which words are mistaken for which. */
import { PREPOSITIONS, distance } from './correction_types.js';

/** @import { Language } from './language.js' */

/** Words that are put in, left out and mistaken for each other. @type {Set<string>[]} */
const CLASSES = [
  'a an the some any my your his her its our their this that these those',
  'is are was were be been being am has have had do does did will would can could should may might',
  'it there they them he she we us i me him her you one which who that what whose where when why ' +
    'how whether if',
  'and or but so because nor not',
  'y o als wie wenn wann ob que qui dont où ou',
  'el la los las lo un una unos unas al del mi tu su sus mis nuestro nuestra este esta esto',
  'es son era eran fue fueron ser está están estaba estaban ha han había hay he hemos soy eres ' +
    'somos',
  'der die das den dem des ein eine einen einem einer eines mein meine meinen meinem meiner kein ' +
    'keine keinen keinem keiner ihr ihre ihren ihrem ihrer sein seine seinen seinem seiner dass',
  'ist sind war waren bin bist seid hat haben habe hast hatte hatten wird werden wurde wurden',
  "le la les l' un une des du de au aux mon ma mes ton ta tes son sa ses leur leurs ce cet cette " +
    'ces tout toute tous toutes',
  'est sont était étaient a ont ai as avons avez es et être suis sommes êtes sera',
]
  .map((list) => new Set(list.split(' ')))
  .concat(PREPOSITIONS);

/** Words that sound alike. @type {Record<Language, Set<string>[]>} */
const HOMOPHONES = {
  en: sets(
    "their there they're|your you're|its it's|then than|to too two|affect effect|whose who's|" +
      'lose loose|weather whether|accept except|here hear|new knew|no know|by buy|passed past|' +
      'of have|were where|wear where|quiet quite|advice advise|brake break|peace piece|' +
      'whole hole|right write|wait weight',
  ),
  es: sets(
    'si sí|tu tú|el él|mi mí|mas más|te té|que qué|como cómo|donde dónde|cuando cuándo|' +
      'cual cuál|quien quién|aun aún|esta está|este esté|hay ahí|echo hecho|valla vaya|tubo tuvo|' +
      'halla haya|a ha|hola ola|porque porqué',
  ),
  de: sets('das dass|seit seid|wider wieder|den denn|man mann|ihm im|ihn in|war wahr|fiel viel'),
  fr: sets(
    "a à|ou où|la là|ça sa|ce se|c'est s'est ses ces|et est|son sont|on ont|ma m'a|ta t'a|" +
      "l'a la|peu peut|quand qu'en|mes mais|leur leurs|or hors|dans d'en",
  ),
};

/** Forms of one word, of which one is right at a place. @type {Record<Language, Set<string>[]>} */
const PARADIGMS = {
  en: sets(
    "a an|is are am|was were|has have had|does do did|doesn't don't didn't|isn't aren't|" +
      "wasn't weren't|hasn't haven't|this these|that those|" +
      'much many|less fewer|good well',
  ),
  es: sets(
    'el la los las|un una unos unas|es son|está están|fue fueron|era eran|ha han|tiene tienen|' +
      'este esta estos estas|mi mis|su sus|muy mucho|bueno buena buenos buenas|hay ay ahí|' +
      'había habían|gusta gustan|voy fui iba|va fue iba',
  ),
  de: sets(
    'der die das den dem des|ein eine einen einem einer eines|' +
      'mein meine meinen meinem meiner|dein deine deinen deinem deiner|' +
      'sein seine seinen seinem seiner|ihr ihre ihren ihrem ihrer|' +
      'unser unsere unseren unserem unserer|kein keine keinen keinem keiner|' +
      'dieser diese dieses diesen diesem|ist sind|hat haben habe|war waren|wird werden|kann ' +
      'können|' +
      'mich mir|dich dir|ihn ihm|als wie|wenn wann ob|bin habe|ist hat',
  ),
  fr: sets(
    'le la les|un une des|du des|au aux|mon ma mes|ton ta tes|son sa ses|ce cet cette ces|' +
      'est sont|a ont|tout toute tous toutes|était étaient|fait font|va vont|quel quelle quels ' +
      'quelles|' +
      'à en au aux|de du|que qui dont où|beau belle beaux|nouveau nouvelle',
  ),
};

/** @param {string} lists */
function sets(lists) {
  return lists.split('|').map((list) => new Set(list.split(' ')));
}

/**
 * Returns what may be meant by a word, the most usual first: words that sound alike and, in
 * English, forms of it. In the other languages the model judges forms worse than it writes them.
 *
 * @param {string} word
 * @param {Language} language
 * @returns {string[]}
 */
export function alternatives(word, language) {
  const own = plain(word);
  const lists = language === 'en' ? listsOf(own, language) : HOMOPHONES[language];
  const found = new Set(lists.filter((it) => it.has(own)).flatMap((words) => [...words]));
  found.delete(own);
  const is_capital = word[0] !== word[0].toLowerCase();
  return [...found].map((other) => (is_capital ? other[0].toUpperCase() + other.slice(1) : other));
}

/**
 * @param {string} word
 * @param {Language} language
 */
const listsOf = (word, language) =>
  [...PARADIGMS[language], ...HOMOPHONES[language]].filter((words) => words.has(word));

/** @param {string} word */
const plain = (word) => word.toLowerCase().replace('’', "'");

/**
 * Returns whether a word is one that is often missing: an article, a preposition, a short verb.
 *
 * @param {string} word
 */
export function areForms(word) {
  return CLASSES.some((words) => words.has(plain(word)));
}

/**
 * Returns whether one word may be meant by another: both are of one class, sound alike or look
 * alike.
 *
 * @param {string} one
 * @param {string} other
 */
export function areRelated(one, other) {
  const [a, b] = [plain(one), plain(other)];
  const lists = [...CLASSES, ...Object.values(HOMOPHONES).flat()];
  if (lists.some((words) => words.has(a) && words.has(b))) return true;
  const length = Math.max(a.length, b.length);
  return a[0] === b[0] && distance(a, b) <= Math.ceil(length / 3);
}

/**
 * Returns whether an edit puts another word in the place of one, and no form of it: such edits say
 * something else. Prepositions, which have no forms, may be mistaken for each other. In English
 * only short words count, and those that may stand or not.
 *
 * @param {Pick<import('./diff.js').Edit, 'before' | 'after'>} edit
 * @param {Language} language
 */
export function isOther({ before, after }, language) {
  const is_english = language === 'en';
  if (before.length !== 1 || after.length !== 1)
    return is_english && /^(?:and|that|then|so)$/.test([...before, ...after].join(' '));
  const [a, b] = [plain(before[0]), plain(after[0])];
  if (PREPOSITIONS.has(a) && PREPOSITIONS.has(b)) return false;
  const [lists, others] = [a, b].map((word) => listsOf(word, language));
  if (lists.some((words) => others.includes(words))) return false;
  if (is_english) return areForms(a) && areForms(b);
  return lists.length * others.length > 0 || distance(a, b) > Math.ceil(a.length / 3);
}

/** British and American spelling are both right. @type {[RegExp, string][]} */
const VARIANTS = [
  [/our(?=$|[a-z])/g, 'or'],
  [/([a-z])is(e|es|ed|ing|ation|ations|er|ers)$/, '$1iz$2'],
  [/yse/g, 'yze'],
  [/(?<=[bt])re(?=$|s$|d$)/, 'er'],
  [/ogue(?=$|s$)/, 'og'],
  [/(?<=[a-z])ll(?=ed$|ing$|er$|ers$|ment)/, 'l'],
  [/ence(?=$|s$)/, 'ense'],
  [/^grey/, 'gray'],
  [/amme(?=$|s$)/, 'am'],
  [/^(learn|burn|spell|dream|spoil)t$/, '$1ed'],
  [/^maths$/, 'math'],
  [/^(while|among)st$/, '$1'],
  [/body$/, 'one'],
  [/^cheque/, 'check'],
  [/^tyre/, 'tire'],
];

/**
 * Returns whether two spellings are British and American English of one word.
 *
 * @param {string} one
 * @param {string} other
 */
export function areVariants(one, other) {
  const american = (/** @type {string} */ word) =>
    VARIANTS.reduce((text, [pattern, to]) => text.replace(pattern, to), plain(word));
  return one !== other && american(one) === american(other);
}
