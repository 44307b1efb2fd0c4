/** This module is the body of `siskin.proofread`. */
import { throwIfAborted } from '../errors.js';
import { correctionTypes } from './correction_types.js';
import { applyEdits, diff } from './diff.js';
import { changesMeaning, whyNot } from './guard.js';
import { Judge } from './judge.js';
import { detectLanguage } from './language.js';
import { readProofreadOptions, readText } from './options.js';
import { correctionPrompt } from './prompt.js';
import { sentences } from './segments.js';
import { protectedSpans } from './spans.js';
import { isWord, tokenize } from './tokens.js';

/** @import { ChatCompletion, CompletionRequest } from '../chat/completions.js' */
/** @import { CorrectionType } from './correction_types.js' */
/** @import { Edit } from './diff.js' */
/** @import { Scorer } from './judge.js' */
/** @import { Language } from './language.js' */
/** @import { ProofreadOptions } from './options.js' */

/**
 * A `Correction` replaces the characters from `startIndex` to `endIndex` of the text, in UTF-16 code
 * units, by `correction`. Both are equal where something is put in.
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
 * A `Model` is the part of a `Siskin` that proofreading uses.
 *
 * @typedef {Scorer & {chat: {completions: {
 *   create: (request: CompletionRequest) => Promise<ChatCompletion>,
 * }}}} Model
 */

/** An edit must make the text this many times likelier (natural logarithm). */
const MIN_GAIN = 1;

/**
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
  const fallback = languages[0] ?? detectLanguage(text);
  for (const { start, end } of sentences(text, fallback)) {
    const sentence = text.slice(start, end);
    const language = detectLanguage(sentence) ?? fallback;
    if (!language || (languages.length > 0 && !languages.includes(language))) continue;
    for (const edit of await correctSentence(model, sentence, language, signal))
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

/**
 * @param {Model} model
 * @param {string} sentence
 * @param {Language} language
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<Edit[]>}
 */
async function correctSentence(model, sentence, language, signal) {
  if (tokenize(sentence).filter(({ text }) => isWord(text)).length < 2) return [];
  const names = language !== 'de';
  const spans = protectedSpans(sentence, { names });
  const completion = await model.chat.completions.create({
    messages: correctionPrompt(sentence.replace(/\s+/g, ' '), language),
    temperature: 0,
    max_tokens: 16 + sentence.length,
    logprobs: true,
    top_logprobs: 5,
    signal,
  });
  const changed = completion.choices[0].message.content.trim();
  const changed_spans = protectedSpans(changed, { names });
  const edits = diff(sentence, changed, spans, changed_spans);
  if (edits.length === 0) return [];
  if (whyNot({ original: sentence, changed, edits }, spans, changed_spans)) return [];
  const judge = new Judge(model, signal);
  const before = await judge.score(sentence);
  /** @type {Edit[]} */
  const kept = [];
  for (const edit of edits) {
    if (changesMeaning(edit, spans)) continue;
    const gain = (await judge.score(applyEdits(sentence, [edit]))) - before;
    if (gain >= MIN_GAIN) kept.push(edit);
  }
  return kept;
}
