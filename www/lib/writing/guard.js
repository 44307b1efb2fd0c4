/**
 * This module decides which versions of a sentence are corrections at all. A small model answers,
 * obeys, translates and shortens where it should correct; such a version is thrown away whole, and
 * an edit that changes what the sentence says is taken back.
 */
import { distance } from './correction_types.js';
import { detectLanguage } from './language.js';
import { isWord, tokenize } from './tokens.js';

/** @import { Edit } from './diff.js' */
/** @import { ProtectedSpan } from './spans.js' */

/** Words that are changed, of all, above which a version is another sentence. */
const MAX_CHANGED = 0.5;
/** In a short sentence this number of words may change, whatever the share. */
const MIN_CHANGED_WORDS = 2;
/** How many words more or fewer a version may have, as a share of all, and at least. */
const MAX_WORDS_SHARE = 0.2;
const MIN_WORDS = 2;
/** One edit takes out at most this number of words more than it puts in. */
const MAX_DROPPED = 2;

/** What a model begins with that speaks about the text. */
export const PREAMBLE = new RegExp(
  '^\\W*(?:' +
    "sure\\b|certainly|of course|here(?:'s| is| are)|(?:the )?correct(?:ed|ion)|note:|output|" +
    'answer|' +
    'text:|korrig|hier ist|korrektur|aquí (?:est|tien)|corregid|corrección|voici|corrig|' +
    'correction)',
  'iu',
);
/** What quotes begin and end with. A plain apostrophe is none. */
const QUOTE_MARKS = /["“”„«»‹›]/gu;
const QUESTION = /\?["'”’»)]*$/u;

const NEGATIONS = new Set(
  (
    'not no never none nobody nothing nowhere neither nor cannot without ' +
    'nunca jamás nada nadie ninguno ninguna ningún tampoco ni sin ' +
    'nicht nie niemals nichts niemand kein keine keinen keinem keiner keines ohne ' +
    'pas jamais rien personne aucun aucune sans'
  ).split(' '),
);

/** Which person a pronoun is of: 1 and 2 singular, 4 and 5 plural; `he`, `she` and `it` differ. */
const PERSONS = new Map(
  Object.entries({
    i: 'I me my mine myself ich mich mir mein meine meinen meinem meiner yo mi mí je moi mon',
    you:
      'you your yours yourself du dich dir dein deine deinen deinem deiner tú usted toi ton vous ' +
      'votre vos',
    he: 'he him his himself él il',
    she: 'she her hers herself ella elle',
    it: 'it its itself',
    we:
      'we us our ours ourselves wir uns unser unsere unseren unserem nosotros nuestro nuestra ' +
      'nous ' +
      'notre nos',
    they: 'they them their theirs themselves ellos ellas ils elles leur leurs',
  }).flatMap(([person, list]) => list.split(' ').map((word) => [word.toLowerCase(), person])),
);

/** After these a verb may have either number. */
const COLLECTIVES =
  /\b(?:team|committee|staff|jury|family|government|crew|band|board|council|data) $/;
const LAST_OF_LIST = /^ (?:and|or) /;

/**
 * A `Version` is what a model made of a sentence.
 *
 * @typedef {object} Version
 * @property {string} original
 * @property {string} changed
 * @property {readonly Edit[]} edits of `diff`
 */

/**
 * Returns why a version is no correction of the sentence, or undefined where it may be one.
 *
 * @param {Version} version
 * @param {readonly ProtectedSpan[]} spans of the original
 * @param {readonly ProtectedSpan[]} changed_spans
 * @returns {string | undefined}
 */
export function whyNot({ original, changed, edits }, spans, changed_spans) {
  if (changed.trim() === '') return 'nothing is left';
  if (changed.includes('\n') && !original.includes('\n')) return 'more lines';
  if (PREAMBLE.test(changed) && !PREAMBLE.test(original)) return 'a preamble';
  if (QUESTION.test(original) && !QUESTION.test(changed)) return 'an answer';
  const [words, changed_words] = [wordCount(original), wordCount(changed)];
  if (Math.abs(words - changed_words) > Math.max(MIN_WORDS, words * MAX_WORDS_SHARE))
    return 'another length';
  const touched = edits.reduce((sum, edit) => sum + weight(edit), 0);
  if (touched > Math.max(MIN_CHANGED_WORDS, words * MAX_CHANGED)) return 'another sentence';
  const ends = [original, changed].map(sentenceCount);
  if (ends[1] < ends[0] || ends[1] > ends[0] + 1) return 'another number of sentences';
  if (edits.some(({ before, after }) => wordsOf(before) - wordsOf(after) > MAX_DROPPED))
    return 'words are dropped';
  const languages = [original, changed].map(detectLanguage);
  if (languages[0] && languages[1] && languages[0] !== languages[1]) return 'another language';
  return whySpans(changed, spans, changed_spans);
}

/**
 * Returns whether an edit, by itself, changes what a sentence says: a negation, whom a pronoun
 * means, a mark of a quote, or something protected.
 *
 * @param {Edit} edit
 * @param {readonly ProtectedSpan[]} spans of the original
 */
export function changesMeaning(edit, spans) {
  const { before, after, start, end } = edit;
  if (spans.some((span) => span.start < end && start < span.end)) return true;
  if (negations(before) !== negations(after)) return true;
  if (quoteMarks(before) !== quoteMarks(after)) return true;
  const [persons, changed_persons] = [personsOf(before), personsOf(after)];
  if (persons === changed_persons || persons === '') return false;
  if (changed_persons !== '') return true;
  // "their" may be meant to be "there", "its" to be "it's".
  return distance(before.join('').toLowerCase(), after.join('').toLowerCase()) > 2;
}

/**
 * Returns whether a sentence is as right without an edit as with it.
 *
 * @param {Edit} edit
 * @param {string} sentence
 */
export function isTaste({ before, after, start, end }, sentence) {
  const [from, to] = [before.join(''), after.join('')];
  if (COLLECTIVES.test(sentence.slice(0, start)) && /^(?:have|are|were|do)$/.test(from))
    return true;
  // How many marks a cry has, the point of an abbreviation, and a comma before the last of a list.
  if (from + to === ',') return LAST_OF_LIST.test(sentence.slice(end));
  return to === '' ? /^[!?]+$/.test(from) : from + to === '.' && end < sentence.length;
}

/**
 * @param {string} changed
 * @param {readonly ProtectedSpan[]} spans
 * @param {readonly ProtectedSpan[]} changed_spans
 */
function whySpans(changed, spans, changed_spans) {
  let at = 0;
  for (const { kind, text } of spans) {
    // An edit of a name is taken back by itself.
    if (kind === 'name') continue;
    const found = changed.indexOf(text, at);
    if (found < 0) return `a ${kind} is lost`;
    at = found + text.length;
  }
  for (const kind of ['number', 'address', 'emoji', 'mark', 'code', 'markup']) {
    const [count, changed_count] = [spans, changed_spans].map(
      (list) => list.filter((span) => span.kind === kind).length,
    );
    if (changed_count > count) return `a ${kind} is new`;
  }
  return undefined;
}

/**
 * Returns how many words an edit changes. Capitals and signs count little, and a word that is
 * written otherwise counts half.
 *
 * @param {Edit} edit
 */
function weight({ before, after }) {
  const [one, other] = [before, after].map((tokens) => tokens.filter(isWord).join(' '));
  if (one.toLowerCase() === other.toLowerCase()) return 0.25;
  const count = Math.max(wordsOf(before), wordsOf(after));
  return distance(one, other) <= Math.ceil(one.length / 3) ? count / 2 : count;
}

/** @param {string} text */
function sentenceCount(text) {
  // The last sentence may lack its sign.
  return text.replace(/[^\p{L}\p{N}]+$/u, '').split(/[.!?…]+\s/u).length;
}

/** @param {string} text */
function wordCount(text) {
  return wordsOf(tokenize(text).map((token) => token.text));
}

/** @param {readonly string[]} tokens */
function wordsOf(tokens) {
  return tokens.filter(isWord).length;
}

/** @param {readonly string[]} tokens */
function negations(tokens) {
  return tokens.filter((token) => {
    const word = token.toLowerCase().replace('’', "'");
    return (
      NEGATIONS.has(word) ||
      /n't$|^(?:does|do|did|have|has|had|was|is|are|were|would|should|could|wo|ca)nt$/.test(word)
    );
  }).length;
}

/** @param {readonly string[]} tokens */
function quoteMarks(tokens) {
  return tokens.flatMap((token) => token.match(QUOTE_MARKS) ?? []).join('');
}

/** @param {readonly string[]} tokens */
function personsOf(tokens) {
  return tokens
    .flatMap((token) => PERSONS.get(token.toLowerCase().split(/['’]/)[0]) ?? [])
    .sort()
    .join(' ');
}
