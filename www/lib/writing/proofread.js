/** This module is the body of `siskin.proofread`. */
import { throwIfAborted } from '../errors.js';
import { correctSentence } from './correct.js';
import { correctionTypes } from './correction_types.js';
import { applyEdits, diff } from './diff.js';
import { Judge } from './judge.js';
import { detectLanguage } from './language.js';
import { readProofreadOptions, readText } from './options.js';
import { correctionExamples } from './prompt.js';
import { sentences } from './segments.js';
import { quotes } from './spans.js';

/** @import { Model, Task } from './correct.js' */
/** @import { CorrectionType } from './correction_types.js' */
/** @import { Edit } from './diff.js' */
/** @import { Language } from './language.js' */
/** @import { Span } from './tokens.js' */
/** @import { ProofreadOptions } from './options.js' */

/**
 * A `Correction` replaces the characters from `startIndex` to `endIndex` of the text, in UTF-16
 * code units, by `correction`. Both are equal where something is put in.
 *
 * @typedef {object} Correction
 * @property {number} startIndex
 * @property {number} endIndex
 * @property {string} correction
 * @property {CorrectionType[]} types what it mends, a guess by rules
 */

/**
 * A `ProofreadResult` has the text with all corrections, and the corrections in order.
 *
 * @typedef {object} ProofreadResult
 * @property {string} correctedInput
 * @property {Correction[]} corrections
 */

/**
 * A `ProofreadSentence` is a sentence that is decided: where it is in the text, in UTF-16 code
 * units, and its corrections, whose offsets are in the text too.
 *
 * @typedef {object} ProofreadSentence
 * @property {number} startIndex
 * @property {number} endIndex
 * @property {Correction[]} corrections none where it stays as it is
 */

/**
 * The languages whose examples a model has read. @type {WeakMap<Model, Set<Language>>}
 */
const prepared = new WeakMap();

/**
 * Corrects a text, a sentence after the other.
 *
 * @param {Model} model
 * @param {string} text
 * @param {ProofreadOptions} [options]
 * @returns {Promise<ProofreadResult>}
 */
export function proofread(model, text, options) {
  return proofreadBy(text, options, async (task) => {
    const { language, signal } = task;
    await prepare(model, language, signal);
    return correctSentence(model, new Judge(model, language, signal), task);
  });
}

/**
 * Corrects the sentences of a text by a function. What no sentence is, is in no language that was
 * named, or is a part of a longer quote, stays as it is.
 *
 * @param {string} text
 * @param {ProofreadOptions | undefined} options
 * @param {(task: Task) => Promise<string>} correct returns the corrected sentence
 * @returns {Promise<ProofreadResult>}
 */
export async function proofreadBy(text, options, correct) {
  readText('proofread', text);
  const { languages, onSentence, signal } = readProofreadOptions(options);
  /** @type {Edit[]} */
  const edits = [];
  throwIfAborted(signal);
  // A sentence of a quote that goes on beyond it shows one mark of it at most.
  const quoted = quotes(text);
  const isQuoted = (/** @type {Span} */ { start, end }) =>
    quoted.some((it) => it.start < end && start < it.end && (it.start < start || end < it.end));
  const usual = languages[0] ?? detectLanguage(text);
  for (const { start, end, closed } of sentences(text, usual)) {
    throwIfAborted(signal);
    const given = text.slice(start, end);
    const language = detectLanguage(given) ?? usual;
    /** @type {Edit[]} */
    let found = [];
    const is_named = language && (languages.length === 0 || languages.includes(language));
    if (is_named && !isQuoted({ start, end })) {
      const sentence = given.replace(/\s+/g, ' ');
      const corrected = await correct({ sentence, language, closed, signal });
      found = diff(given, corrected).map((edit) => ({
        ...edit,
        start: edit.start + start,
        end: edit.end + start,
      }));
    }
    edits.push(...found);
    onSentence({ startIndex: start, endIndex: end, corrections: found.map(correctionOf) });
  }
  return { correctedInput: applyEdits(text, edits), corrections: edits.map(correctionOf) };
}

/**
 * Lets the model read the examples of a language, which each request begins with. They are stored
 * on the device, so that the next visit starts at once.
 *
 * @param {Model} model
 * @param {Language} language
 * @param {AbortSignal} [signal]
 */
export async function prepare(model, language, signal) {
  const languages = prepared.get(model) ?? new Set();
  prepared.set(model, languages);
  if (languages.has(language)) return;
  await model.prefix(correctionExamples(language), { key: `siskin.proofread.${language}`, signal });
  languages.add(language);
}

/**
 * @param {Edit} edit of the text
 * @returns {Correction}
 */
function correctionOf(edit) {
  return {
    startIndex: edit.start,
    endIndex: edit.end,
    correction: edit.text,
    types: correctionTypes(edit),
  };
}
