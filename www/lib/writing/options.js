/** This module reads what a caller passes to `proofread` and `rewrite`. */
import { readSignal } from '../chat/arguments.js';
import { SiskinError } from '../errors.js';

/** @import { Language } from './language.js' */
/** @import { ProofreadSentence } from './proofread.js' */

/**
 * @typedef {object} ProofreadOptions
 * @property {readonly string[] | null} [languages] which languages the text may be in, as BCP 47
 *   tags; sentences in others stay as they are. English, Spanish, German and French can be
 *   proofread; by default all of them
 * @property {((sentence: ProofreadSentence) => void) | null} [onSentence] is called for each
 *   sentence as soon as it is decided, from first to last
 * @property {AbortSignal | null} [signal] ends the call, also within a sentence
 */

/**
 * @typedef {object} RewriteOptions
 * @property {'as-is' | 'more-formal' | 'more-casual' | null} [tone] by default `as-is`
 * @property {'as-is' | 'shorter' | 'longer' | null} [length] by default `as-is`
 * @property {string | null} [instruction] what else to heed, in plain words
 * @property {boolean | null} [stream] by default false
 * @property {AbortSignal | null} [signal] ends the call
 */

export const TONES = /** @type {const} */ (['as-is', 'more-formal', 'more-casual']);
export const LENGTHS = /** @type {const} */ (['as-is', 'shorter', 'longer']);

/** What can be proofread. @type {readonly Language[]} */
export const LANGUAGES = ['en', 'es', 'de', 'fr'];

/**
 * @param {string} method
 * @param {unknown} text
 * @throws {SiskinError} `invalid_argument`
 */
export function readText(method, text) {
  if (typeof text !== 'string') throw invalid(`${method} takes a string.`);
}

/**
 * @param {unknown} options
 * @returns {{
 *   languages: Language[],
 *   onSentence: (sentence: ProofreadSentence) => void,
 *   signal: AbortSignal | undefined,
 * }} no languages where none were named
 * @throws {SiskinError} `invalid_argument`
 */
export function readProofreadOptions(options) {
  const names = ['languages', 'onSentence', 'signal'];
  const { languages, onSentence, signal } = known('proofread', options, names);
  if (onSentence !== undefined && onSentence !== null && typeof onSentence !== 'function')
    throw invalid('onSentence must be a function.');
  const given = {
    onSentence: /** @type {(sentence: ProofreadSentence) => void} */ (onSentence ?? (() => {})),
    signal: readSignal(signal),
  };
  if (languages === undefined || languages === null) return { languages: [], ...given };
  if (!Array.isArray(languages) || !languages.every((it) => typeof it === 'string'))
    throw invalid('languages must be an array of language tags, such as ["en"].');
  const tags = languages.map((tag) => tag.toLowerCase().split(/[-_]/)[0]);
  const named = LANGUAGES.filter((language) => tags.includes(language)).sort(
    (one, other) => tags.indexOf(one) - tags.indexOf(other),
  );
  if (named.length === 0)
    throw invalid(
      `proofread knows English, Spanish, German and French, and not ${JSON.stringify(languages)}.`,
    );
  return { languages: named, ...given };
}

/**
 * @param {unknown} options
 * @returns {{
 *   tone: typeof TONES[number],
 *   length: typeof LENGTHS[number],
 *   instruction: string | undefined,
 *   stream: boolean,
 *   signal: AbortSignal | undefined,
 * }}
 * @throws {SiskinError} `invalid_argument`
 */
export function readRewriteOptions(options) {
  const given = known('rewrite', options, ['tone', 'length', 'instruction', 'stream', 'signal']);
  const { instruction, stream } = given;
  const tone = choice('tone', given.tone, TONES);
  const length = choice('length', given.length, LENGTHS);
  if (instruction !== undefined && instruction !== null && typeof instruction !== 'string')
    throw invalid('instruction must be a string.');
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean')
    throw invalid('stream must be true or false.');
  return {
    tone,
    length,
    instruction: instruction?.trim() || undefined,
    stream: stream ?? false,
    signal: readSignal(given.signal),
  };
}

/**
 * @template {string} T
 * @param {string} name
 * @param {unknown} value
 * @param {readonly [T, ...T[]]} choices the first is the default
 * @returns {T}
 */
function choice(name, value, choices) {
  if (value === undefined || value === null) return choices[0];
  const found = choices.find((it) => it === value);
  if (found) return found;
  throw invalid(`${name} must be ${choices.map((it) => `"${it}"`).join(' or ')}.`);
}

/**
 * @param {string} method
 * @param {unknown} options
 * @param {string[]} names
 * @returns {Record<string, unknown>}
 */
function known(method, options, names) {
  if (options === undefined || options === null) return {};
  if (typeof options !== 'object')
    throw invalid(`Give the options of ${method} as an object such as {signal}.`);
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw invalid(`${method} has no option "${unknown}". It takes ${names.join(', ')}.`);
  return /** @type {Record<string, unknown>} */ (options);
}

/** @param {string} message */
function invalid(message) {
  return new SiskinError('invalid_argument', message);
}
