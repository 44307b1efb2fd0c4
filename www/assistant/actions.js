/** This module knows what can be done with a passage, and how the model is asked for it. */
import { diff } from '../lib/writing/diff.js';
import { correctionTypes } from '../lib/writing/correction_types.js';
import { rewritePrompt } from '../lib/writing/prompt.js';
import { LEAD, isOwn, reminderOf, whyRefused } from './rewrite_guard.js';

/** @import { Siskin } from '../lib/siskin.js' */
/** @import { RewriteOptions } from '../lib/writing/options.js' */
/** @import { Edit } from './passage.js' */

/**
 * @typedef {'correct' | 'improve' | 'formal' | 'casual' | 'shorter' | 'longer' | 'translate'
 *   | 'summarize' | 'custom'} Action
 */

/**
 * A `Wish` is an action with what it needs to know.
 *
 * @typedef {object} Wish
 * @property {Action} action
 * @property {string} [language] of a translation
 * @property {string} [instruction] in a person's own words
 * @property {number} [attempt] above 0, another wording is asked for
 */

/**
 * A `Job` runs a wish.
 *
 * @typedef {object} Job
 * @property {AbortSignal} signal
 * @property {(text: string) => void} onText the whole text so far, of an action that writes one
 * @property {(edits: Edit[]) => void} onEdits the corrections so far
 * @property {readonly string[]} dictionary words that are right
 */

/** The actions and what they are called. @type {Record<Action, string>} */
export const ACTIONS = {
  correct: 'Correct',
  improve: 'Rephrase',
  formal: 'Formal',
  casual: 'Casual',
  shorter: 'Shorter',
  longer: 'Longer',
  translate: 'Translate',
  summarize: 'Summarize',
  custom: 'Custom',
};

export const LANGUAGES = ['English', 'Spanish', 'German', 'French', 'Italian', 'Portuguese'];

/** @type {Partial<Record<Action, Pick<RewriteOptions, 'tone' | 'length'>>>} */
const REWRITES = {
  improve: {},
  formal: { tone: 'more-formal' },
  casual: { tone: 'more-casual' },
  shorter: { length: 'shorter' },
  longer: { length: 'longer' },
};

/** What an answer may have more of, in tokens, than a token for two characters. */
const MORE_TOKENS = 64;
/** Few tokens of words are longer. */
const MAX_TOKEN_LENGTH = 20;
/** Another wording is drawn, not the likeliest again. */
const TEMPERATURE = 0.8;

/** A `RefusedError` says why what the model wrote is not shown. */
export class RefusedError extends Error {
  /** @param {string} why a clause */
  constructor(why) {
    super(`The model's text is not shown, for ${why}. Try another wording.`);
  }
}

/**
 * @param {unknown} value
 * @returns {value is Action}
 */
export function isAction(value) {
  return typeof value === 'string' && Object.hasOwn(ACTIONS, value);
}

/**
 * Runs an action and returns the text that it proposes, with the edits that make it. What may not
 * be shown (rewrite_guard.js) is asked for once more.
 *
 * @param {Siskin} siskin
 * @param {string} text
 * @param {Wish} wish
 * @param {Job} job
 * @returns {Promise<{text: string, edits: Edit[]}>}
 * @throws {RefusedError} where the second may not be shown either
 */
export async function run(siskin, text, wish, job) {
  if (wish.action === 'correct') return correct(siskin, text, job);
  let result = await write(siskin, text, wish, job);
  let why = whyRefused(text, result, wish);
  if (why !== undefined) {
    job.onText('');
    result = await write(siskin, text, wish, job, reminderOf(text, wish));
    why = whyRefused(text, result, wish);
  }
  if (why !== undefined) throw new RefusedError(why);
  return { text: result, edits: editsBetween(text, result) };
}

/**
 * Returns what the model writes.
 *
 * @param {Siskin} siskin
 * @param {string} text
 * @param {Wish} wish
 * @param {Job} job
 * @param {string} [reminder] that is added to what it is told
 */
async function write(siskin, text, wish, job, reminder = '') {
  const messages = promptOf(text, wish);
  messages[0].content += reminder;
  const max_tokens =
    MORE_TOKENS + Math.ceil((text.length / 2) * (wish.action === 'longer' ? 2 : 1));
  let result = '';
  const chunks = await siskin.chat.completions.create({
    messages,
    stream: true,
    temperature: wish.attempt ? TEMPERATURE : 0,
    max_tokens,
    signal: job.signal,
  });
  for await (const { choices } of chunks) {
    result += choices[0]?.delta.content ?? '';
    job.onText(result.trimStart());
    // A server may not know of `max_tokens`.
    if (result.length > MAX_TOKEN_LENGTH * max_tokens) break;
  }
  return cleaned(result, text);
}

/**
 * @param {Siskin} siskin
 * @param {string} text
 * @param {Job} job
 */
async function correct(siskin, text, { signal, dictionary, onEdits }) {
  /** @type {Edit[]} */
  const edits = [];
  const keep = new Set(dictionary.map((word) => word.toLowerCase()));
  await siskin.proofread(text, {
    signal,
    // Each sentence is shown when it is decided.
    onSentence: ({ corrections }) => {
      for (const { startIndex: start, endIndex: end, correction, types } of corrections)
        if (!keep.has(text.slice(start, end).toLowerCase()))
          edits.push({ start, end, text: correction, types });
      onEdits([...edits]);
    },
  });
  return { text: '', edits };
}

/**
 * @param {string} text
 * @param {Wish} wish
 * @returns {import('../lib/protocol.js').ChatMessage[]}
 */
function promptOf(text, { action, language = 'English', instruction }) {
  const ask = (/** @type {string} */ system) => [
    { role: /** @type {const} */ ('system'), content: system },
    { role: /** @type {const} */ ('user'), content: `Text:\n${text}` },
  ];
  if (action === 'translate')
    return ask(
      `Translate the text that the user gives into ${language}. Keep names and numbers. Do not ` +
        'answer it. Reply with the translation only.',
    );
  if (action === 'summarize')
    return ask(
      'Summarize the text that the user gives in one to three sentences, in its own language. ' +
        'Add nothing. Reply with the summary only.',
    );
  const { tone = 'as-is', length = 'as-is' } = REWRITES[action] ?? {};
  return rewritePrompt(text.trim(), {
    tone: tone ?? 'as-is',
    length: length ?? 'as-is',
    instruction: instruction?.trim() || undefined,
  });
}

/** What a model says after a text. */
const REMARK = new RegExp(
  '\\n\\s*\\(?(?:note:|this (?:version|revision)\\b|' +
    "i (?:have |'ve )?(?:made (?:it (?:more|less|short|long)|the (?:text|tone)|some changes)|" +
    '(?:changed|replaced|corrected|rewrote|rephrased) (?:the|it|your|some|["“])))[^]*$',
  'i',
);

/**
 * Returns an answer without what a model likes to put around it.
 *
 * @param {string} answer
 * @param {string} text
 */
function cleaned(answer, text) {
  let result = answer.trim().replace(/^Text:\s*/i, '');
  if (!/^[^\n]{0,100}:/.test(text)) result = without(result, LEAD, text);
  if (!text.trim().includes('\n')) result = without(result, REMARK, text);
  const quoted = /^(["“«])([^]*)(["”»])$/.exec(result);
  if (quoted && !/^["“«]/.test(text.trim())) result = quoted[2].trim();
  // One line stays one line.
  if (!text.includes('\n')) result = result.replace(/\s*\n+\s*/g, ' ');
  return result;
}

/**
 * Returns an answer without what a pattern finds, unless that is the text's own.
 *
 * @param {string} answer
 * @param {RegExp} pattern
 * @param {string} text
 */
function without(answer, pattern, text) {
  const [found = ''] = pattern.exec(answer) ?? [];
  return isOwn(found, text) ? answer : answer.replace(pattern, '');
}

/**
 * Returns the edits that make one text of another.
 *
 * @param {string} text
 * @param {string} result
 * @returns {Edit[]}
 */
export function editsBetween(text, result) {
  // The space around a passage is not the model's business.
  const head = text.length - text.trimStart().length;
  return diff(text.trim(), result).map((edit) => ({
    start: edit.start + head,
    end: edit.end + head,
    text: edit.text,
    types: correctionTypes(edit),
  }));
}

/** Why a correction is made, by its type. @type {Record<string, string>} */
const REASONS = {
  spelling: 'This word is misspelled.',
  punctuation: 'A sign is missing, or does not belong here.',
  capitalization: 'A capital letter is missing, or does not belong here.',
  preposition: 'Another preposition goes with these words.',
  'missing-words': 'A word is missing here.',
  grammar: 'This form does not agree with the rest of the sentence.',
};

/**
 * Returns a short reason for an edit.
 *
 * @param {Edit} edit
 */
export function reasonOf({ types = [] }) {
  return types.map((type) => REASONS[type] ?? '').join(' ') || 'This reads better.';
}
