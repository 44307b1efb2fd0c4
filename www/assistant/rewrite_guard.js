/**
 * This module decides whether a text may be shown as another wording of one. Wordings differ too
 * much to be judged by their words; what is held is what a person would not notice as it goes:
 * numbers, names, addresses, quotes, the language, and that it is the text and no answer to it.
 */
import { distance } from '../lib/writing/correction_types.js';
import { PREAMBLE } from '../lib/writing/guard.js';
import { detectLanguage } from '../lib/writing/language.js';
import { protectedSpans, quotes } from '../lib/writing/spans.js';
import { isWord, tokenize } from '../lib/writing/tokens.js';
import { numbersIn } from './numbers.js';

/** @import { Action, Wish } from './actions.js' */
/** @import { NumberValue, Numbers } from './numbers.js' */

/** What of a text stays as it is written. */
const VERBATIM = new Set(['address', 'code', 'mark']);
/** Capitalised words that name nobody. */
const NO_NAMES = new Set(
  'ok am pm tv dear sir madam mr mrs ms dr regards madame monsieur señor señora'.split(' '),
);
/** After these a point ends no sentence, and a name follows. */
const TITLE = /\b(Mr|Mrs|Ms|Dr|Prof|St|Sr|Sra|Mme|M)\.(?=\s)/g;
/** Questions that want to be answered. Requests ("can you") may be put in other forms. */
const ASKS = new RegExp(
  '^[¿\\s]*(?:what|who|whose|where|when|why|how|which|qué|quién|dónde|cuándo|cómo|cuál|was|wer|' +
    'wo|wann|warum|wie|welche[rs]?|que|qui|où|quand|pourquoi|comment|quel(?:le)?s?)(?![\\p{L}])',
  'iu',
);
/** A model is reminded of at most this many parts of a text. */
const MAX_KEPT = 20;
/** What English writes with capitals and a person may misspell. */
const CALENDAR = new Set(
  (
    'monday tuesday wednesday thursday friday saturday sunday january february march april may ' +
    'june july august september october november december'
  ).split(' '),
);
/** A misspelled day differs by at most this many letters: `wensday` lacks two. */
const MAX_MISSPELLED = 2;
/** Shorter words are too near to others: `may` to `met`, `march` to `much`. */
const MIN_MISSPELLED = 6;
/** What a model says before a text. */
export const LEAD = new RegExp(
  "^(?:sure|certainly|of course|here(?:'s| is| are)|the)\\b[^\\n:]{0,60}" +
    '\\b(?:version|text|wording|translation|summary|re(?:written|phrased|worded|vised))\\b' +
    '[^\\n:]{0,40}:\\s+',
  'i',
);
/** A text that begins so has a colon of its own. */
const COLON = /^[^\n]{0,80}:\s/;
/** What a model says to whom it takes for its reader. */
const TO_READER = new RegExp(
  "\\bi(?:'m| am) sorry, but i (?:can(?:'t|not)|am unable to) (?:help|assist|do|answer|fulfill?|" +
    "comply|provide)\\b|\\bi can(?:'t|not) (?:help|assist)|\\bas an ai\\b|" +
    'how (?:can|may) i (?:help|assist)|wie kann ich (?:ihnen|dir) helfen|' +
    'en qué puedo ayudar|comment puis-je vous aider',
  'i',
);
/** After these words three may be fifteen. */
const AFTERNOON = /\d\s*p\.?\s?m\b/i;
/** A translation has this part of the text's words at least. */
const MIN_PART = 0.25;
/** Where another wording has more words than this, it says more. */
const MAX_WORDS = (/** @type {number} */ words) => 2 * words + 15;
/** In a text of this many words some stay. */
const MIN_WORDS = 8;
/** Words of this length are looked for, by so many of their letters. */
const STEM = 4;
/** A sentence of fewer words may come twice. */
const MIN_REPEATED = 4;

/** Languages of translations that can be told. @type {Record<string, string>} */
const TAGS = { English: 'en', Spanish: 'es', German: 'de', French: 'fr' };
/** These look like none of the four, but may be taken for Spanish or French. */
const LATIN = new Set(['es', 'fr']);

/** Actions whose result says all that the text says, and nothing else. */
const REWORDS = new Set(['improve', 'formal', 'casual', 'shorter', 'longer']);

/**
 * Returns why a result is not shown, or undefined where it may be. A person's own instruction may
 * ask for anything.
 *
 * @param {string} text
 * @param {string} result
 * @param {Wish} wish
 * @returns {string | undefined} a clause such as 'it left out "12"'
 */
export function whyRefused(text, result, { action, language = 'English' }) {
  if (result.trim() === '') return 'it wrote nothing';
  if (action === 'custom') return undefined;
  const [given, found] = [text, result].map(detectLanguage);
  const is_other =
    action === 'translate'
      ? isNotIn(found, TAGS[language])
      : given !== undefined && found !== undefined && given !== found;
  if (is_other) return 'it wrote in another language';
  const is_preamble = PREAMBLE.test(result) && COLON.test(result) && !COLON.test(text);
  const [lead] = LEAD.exec(result) ?? [];
  const has_lead = lead !== undefined && !LEAD.test(text) && !isOwn(lead, text);
  if ((is_preamble && !PREAMBLE.test(text)) || has_lead) return 'it wrote about the text';
  if (TO_READER.test(plain(result)) && !TO_READER.test(plain(text))) return 'it answered';
  if (repeats(result) && !repeats(text)) return 'it repeated itself';
  if (action === 'translate' && wordsOf(result).length < MIN_PART * wordsOf(text).length)
    return 'it left out most of the text';
  const own = numbersIn(text, given ?? found);
  const others = numbersIn(result, action === 'translate' ? TAGS[language] : (given ?? found));
  return (
    (action === 'summarize' ? undefined : whyLost(text, result, action, [own, others])) ??
    whyNew(text, result, action, [own, others]) ??
    (REWORDS.has(action) ? whyNoWording(text, result, action) : undefined)
  );
}

/**
 * Returns what a model is told that lost something of a text: the language, and what stays as it is
 * written.
 *
 * @param {string} text
 * @param {Wish} wish
 * @returns {string} sentences, each after a space
 */
export function reminderOf(text, { action, language = 'English' }) {
  const own = Object.keys(TAGS).find((name) => TAGS[name] === detectLanguage(text));
  const wanted = action === 'translate' ? language : own;
  const kept = keptParts(text).slice(0, MAX_KEPT);
  return (
    (wanted && action !== 'custom' ? ` Write in ${wanted}.` : '') +
    (kept.length > 0 ? ` Keep these as they are: ${kept.map((it) => `"${it}"`).join(', ')}.` : '')
  );
}

/**
 * Returns what of a text stays in other wordings, as it is written there.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function keptParts(text) {
  const { digits, words } = numbersIn(text, detectLanguage(text));
  const numbers = [...digits.values(), ...words.values()];
  return [...new Set([...verbatim(text), ...quoted(text), ...names(text), ...numbers])];
}

/**
 * @param {string | undefined} found
 * @param {string | undefined} wanted
 */
function isNotIn(found, wanted) {
  if (found === undefined) return false;
  return wanted === undefined ? !LATIN.has(found) : found !== wanted;
}

/**
 * @param {string} text
 * @param {string} result
 * @param {Action} action
 * @param {[Numbers, Numbers]} numbers of both
 */
function whyLost(text, result, action, [own, others]) {
  const is_translation = action === 'translate';
  const has = (/** @type {NumberValue} */ value) => hasNumber(others, value);
  const is_afternoon = AFTERNOON.test(text);
  for (const [value, written] of own.digits)
    if (!has(value) && !(is_afternoon && has(Number(value) + 12))) return lost(written);
  // Numbers are composed in each language by its own rules.
  if (!is_translation)
    for (const [value, written] of own.words) if (!has(value)) return lost(written);
  const parts = [...verbatim(text), ...(is_translation ? [] : quoted(text))];
  const missing =
    parts.find((part) => !plain(result).includes(plain(part))) ??
    (is_translation ? undefined : names(text).find((name) => !hasName(result, name)));
  return missing === undefined ? undefined : lost(missing);
}

/**
 * @param {string} text
 * @param {string} result
 * @param {Action} action
 * @param {[Numbers, Numbers]} numbers of both
 */
function whyNew(text, result, action, [own, others]) {
  const has = (/** @type {NumberValue} */ value) => hasNumber(own, value);
  const is_afternoon = AFTERNOON.test(text);
  const counted =
    action === 'translate' ? others.digits : new Map([...others.words, ...others.digits]);
  for (const [value, written] of counted)
    if (!has(value) && !(is_afternoon && has(Number(value) - 12))) return added(written);
  const found =
    verbatim(result).find((part) => !text.includes(part)) ??
    (action === 'translate' ? undefined : names(result).find((name) => !hasName(text, name)));
  return found === undefined ? undefined : added(found);
}

/**
 * @param {string} text
 * @param {string} result
 * @param {Action} action
 */
function whyNoWording(text, result, action) {
  const [words, others] = [text, result].map(wordsOf);
  if (action === 'shorter' && others.length > words.length) return 'it made the text longer';
  if (action !== 'longer' && others.length > MAX_WORDS(words.length)) return 'it added to the text';
  const is_asked = /^[^.!?\n]*\?\s*$/u.test(text.trim()) && ASKS.test(text);
  if (is_asked && !result.includes('?')) return 'it answered';
  const stems = new Set(words.filter(isLong).map(stemOf));
  const is_kept = others.some((word) => stems.has(stemOf(word)));
  if (words.length >= MIN_WORDS && stems.size > 1 && !is_kept) return 'it wrote another text';
  return undefined;
}

/**
 * @param {Numbers} numbers
 * @param {NumberValue} value
 */
const hasNumber = ({ digits, words }, value) => digits.has(value) || words.has(value);

/** Tells whether a sentence of some words comes twice. @param {string} text */
function repeats(text) {
  const found = plain(text)
    .split(/[.!?]+\s+|[.!?]+$/)
    .filter((sentence) => sentence.split(' ').length >= MIN_REPEATED);
  return new Set(found).size < found.length;
}

/** @param {string} part */
const lost = (part) => `it left out or changed "${part}"`;
/** @param {string} part */
const added = (part) => `it put in "${part}"`;

/** @param {string} text */
function verbatim(text) {
  const spans = protectedSpans(text, { names: false });
  return spans.filter(({ kind }) => VERBATIM.has(kind)).map((span) => span.text);
}

/**
 * Returns what stands in quotation marks, without them and the sign at its end.
 *
 * @param {string} text
 */
function quoted(text) {
  return quotes(text).map(({ start, end }) =>
    text
      .slice(start + 1, end - 1)
      .trim()
      .replace(/[.,!?]+$/, ''),
  );
}

/**
 * Returns the capitalised words within sentences. In German nouns are capitalised, and in a title
 * or where somebody shouts all words are: there are none then.
 *
 * @param {string} text
 * @returns {string[]}
 */
function names(text) {
  if (detectLanguage(text) === 'de') return [];
  const found = protectedSpans(text.replace(TITLE, '$1 '))
    .filter(({ kind }) => kind === 'name')
    .map((span) => span.text.replace(/['’]s?$/, ''))
    .filter((name) => !NO_NAMES.has(name.toLowerCase()));
  return found.length > wordsOf(text).length / 2 ? [] : found;
}

/**
 * @param {string} text
 * @param {string} name
 */
function hasName(text, name) {
  const own = plain(name);
  const words = plain(text)
    .split(/[^\p{L}\p{M}\p{N}'-]+/u)
    .map((word) => word.replace(/'s?$/, ''));
  return words.some((word) => word === own || isMisspelledDay(word, own));
}

/**
 * Returns whether one of two words is a day or a month, and the other the same, misspelled.
 *
 * @param {string} one
 * @param {string} other
 */
function isMisspelledDay(one, other) {
  const shorter = Math.min(one.length, other.length);
  return (
    CALENDAR.has(one) !== CALENDAR.has(other) &&
    shorter >= MIN_MISSPELLED &&
    one[0] === other[0] &&
    distance(one, other) <= MAX_MISSPELLED
  );
}

/**
 * Returns whether most long words of a part of an answer are those of a text.
 *
 * @param {string} part
 * @param {string} text
 */
export function isOwn(part, text) {
  const [words, own] = [wordsOf(part).filter(isLong), new Set(wordsOf(text))];
  return words.filter((word) => own.has(word)).length > words.length / 2;
}

/** Returns a text as its parts are compared. @param {string} text */
function plain(text) {
  return text.replace(/\s+/g, ' ').replaceAll('’', "'").toLowerCase();
}

/** @param {string} text */
function wordsOf(text) {
  return tokenize(text)
    .map((token) => token.text.toLowerCase())
    .filter(isWord);
}

/** @param {string} word */
const isLong = (word) => word.length >= STEM;
/** @param {string} word */
const stemOf = (word) => word.slice(0, STEM);
