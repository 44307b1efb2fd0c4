/** This module is the body of `siskin.proofread`. */
import { throwIfAborted } from '../errors.js';
import { correctSentence } from './correct.js';
import { correctionTypes } from './correction_types.js';
import { applyEdits, diff } from './diff.js';
import { Judge } from './judge.js';
import { detectLanguage } from './language.js';
import { readProofreadOptions, readText } from './options.js';
import { sentences } from './segments.js';

/** @import { Model } from './correct.js' */
/** @import { CorrectionType } from './correction_types.js' */
/** @import { Edit } from './diff.js' */
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
 * Corrects a text, a sentence after the other.
 *
 * @param {Model} model
 * @param {string} text
 * @param {ProofreadOptions} [options]
 * @returns {Promise<ProofreadResult>}
 */
export async function proofread(model, text, options) {
  readText('proofread', text);
  const { languages, signal } = readProofreadOptions(options);
  throwIfAborted(signal);
  /** @type {Edit[]} */
  const edits = [];
  const usual = languages[0] ?? detectLanguage(text);
  for (const { start, end, closed } of sentences(text, usual)) {
    const given = text.slice(start, end);
    const language = detectLanguage(given) ?? usual;
    if (!language || (languages.length > 0 && !languages.includes(language))) continue;
    const sentence = given.replace(/\s+/g, ' ');
    const judge = new Judge(model, language, signal);
    const corrected = await correctSentence(model, judge, { sentence, language, closed, signal });
    for (const edit of diff(given, corrected))
      edits.push({ ...edit, start: edit.start + start, end: edit.end + start });
  }
  return {
    correctedInput: applyEdits(text, edits),
    corrections: edits.map((edit) => ({
      startIndex: edit.start,
      endIndex: edit.end,
      correction: edit.text,
      types: correctionTypes(edit),
    })),
  };
}
