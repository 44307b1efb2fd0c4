/**
 * This module measures a loaded model through the public API. The bench page and `./build.sh bench`
 * share it, so that their figures mean the same.
 */

/** @import { ChatMessage, Siskin } from '../lib/index.js' */

/**
 * `Sizes` are the lengths of prompts and answers. A prompt's length includes the chat template's
 * tokens, a question's does not.
 *
 * @typedef {object} Sizes
 * @property {number} prompt_tokens of the prompt whose reading is timed
 * @property {number} generate_tokens of the answer whose writing is timed
 * @property {number} long_tokens of the long prompt
 * @property {number} long_generate_tokens of the answer to it
 */

/** @type {Sizes} */
export const SIZES = {
  prompt_tokens: 128,
  generate_tokens: 48,
  long_tokens: 1200,
  long_generate_tokens: 24,
};
/** The middle of the answer to the short prompt is at this context length. */
export const SHORT_CONTEXT_TOKENS = 64;
/** A longer answer would leave no context for the short prompt. */
export const MAX_GENERATE_TOKENS = 80;
export const QUESTION_TOKENS = 20;

/**
 * The steps run in this order: `first` is the first request after loading, and `question` is the
 * same when the code is warm.
 */
export const STEPS = /** @type {const} */ (['first', 'prefill', 'decode', 'question', 'long']);

/** @typedef {typeof STEPS[number]} StepName */

/**
 * @typedef {object} Prompt
 * @property {StepName} name
 * @property {ChatMessage[]} messages
 * @property {number} generate_tokens
 */

/**
 * @typedef {object} Step
 * @property {StepName} name
 * @property {number} prompt_tokens
 * @property {number} cached_tokens prompt tokens that were not computed again
 * @property {number} completion_tokens
 * @property {number} first_ms from the call to the first text
 * @property {number} prefill_ms until the first token
 * @property {number} decode_ms from the first token to the last
 * @property {string} text
 */

/** These short common words are one token each in most vocabularies. */
const WORDS = (
  'time year people way day man thing woman life child world school state family student ' +
  'group country problem hand part place case week company system program ' +
  'question work government number night point home water room mother area money story fact ' +
  'month lot right study book eye job word business issue side kind head ' +
  'house service friend father power hour game line end member law car city community name ' +
  'president team minute idea kid body information back parent face others ' +
  'level office door health person art war history party result change morning reason ' +
  'research girl guy moment air teacher force education'
).split(' ');

/**
 * These tokens end a turn or a text in the vocabularies that Siskin knows. The bias makes them
 * unlikely, so that every answer has its full length.
 */
const ENDS = [
  '<|im_end|>',
  '<|endoftext|>',
  '<|eot_id|>',
  '<|end_of_text|>',
  '<|eom_id|>',
  '<end_of_turn>',
  '<eos>',
  '<|end|>',
  '</s>',
];
const UNLIKELY = -100;

/**
 * @param {number} seed
 * @param {number} count
 */
function words(seed, count) {
  let state = seed;
  return Array.from({ length: Math.max(0, count) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return WORDS[state % WORDS.length];
  }).join(' ');
}

/**
 * Returns a text of exactly `tokens` tokens.
 *
 * @param {Siskin} siskin
 * @param {number} seed
 * @param {number} tokens
 */
async function textOf(siskin, seed, tokens) {
  for (let count = tokens; ;) {
    const text = words(seed, count);
    const excess = (await siskin.tokenize(text)).length - tokens;
    if (excess <= 0) return text + ' a'.repeat(-excess);
    count -= excess;
  }
}

/**
 * Returns the first question, and the bias that keeps answers from ending early.
 *
 * @param {Siskin} siskin
 * @returns {Promise<{first: Prompt, logit_bias: Record<string, number>}>}
 */
export async function prepareFirst(siskin) {
  /** @type {Record<string, number>} */
  const logit_bias = {};
  for (const end of ENDS) {
    const ids = await siskin.tokenize(end, { special: true });
    if (ids.length === 1) logit_bias[ids[0]] = UNLIKELY;
  }
  return { first: await promptOf(siskin, 'first', QUESTION_TOKENS, 2), logit_bias };
}

/**
 * Returns the other prompts, of the wanted lengths for this model's vocabulary and template. No two
 * start alike, so that the KV cache holds only the template's first tokens of the next prompt.
 *
 * @param {Siskin} siskin
 * @param {Sizes} sizes
 * @param {Step} first what the first question came to: it tells what the template adds
 * @returns {Promise<Prompt[]>}
 */
export async function prepareRest(siskin, sizes, first) {
  const template_tokens = first.prompt_tokens - QUESTION_TOKENS;
  const short_tokens = SHORT_CONTEXT_TOKENS - Math.round(sizes.generate_tokens / 2);
  return [
    await promptOf(siskin, 'prefill', sizes.prompt_tokens - template_tokens, 1),
    await promptOf(siskin, 'decode', short_tokens - template_tokens, sizes.generate_tokens),
    await promptOf(siskin, 'question', QUESTION_TOKENS, 2),
    await promptOf(siskin, 'long', sizes.long_tokens - template_tokens, sizes.long_generate_tokens),
  ];
}

/**
 * @param {Siskin} siskin
 * @param {StepName} name
 * @param {number} tokens of the user's message
 * @param {number} generate_tokens
 * @returns {Promise<Prompt>}
 */
async function promptOf(siskin, name, tokens, generate_tokens) {
  const seed = STEPS.indexOf(name);
  const content = await textOf(siskin, seed + 1, Math.max(1, tokens));
  return {
    name,
    messages: [
      { role: 'system', content: String(seed) },
      { role: 'user', content },
    ],
    generate_tokens,
  };
}

/**
 * @param {Siskin} siskin
 * @param {Prompt} prompt
 * @param {Record<string, number>} logit_bias
 * @param {object} [options]
 * @param {AbortSignal} [options.signal]
 * @param {(share: number) => void} [options.onProgress] from 0 to 1, by tokens
 * @returns {Promise<Step>}
 */
export async function ask(
  siskin,
  { name, messages, generate_tokens },
  logit_bias,
  { signal, onProgress } = {},
) {
  const start_ms = performance.now();
  let first_ms = 0;
  let text = '';
  let total_tokens = 0;
  let written_tokens = 0;
  const chunks = await siskin.chat.completions.create({
    messages,
    stream: true,
    temperature: 0,
    max_tokens: generate_tokens,
    logit_bias,
    signal,
  });
  for await (const { choices, prefill, usage, timings } of chunks) {
    if (prefill) total_tokens = prefill.total_tokens;
    else written_tokens += 1;
    onProgress?.(
      Math.min(
        1,
        ((prefill ? prefill.done_tokens : total_tokens) + written_tokens) /
          (total_tokens + generate_tokens),
      ),
    );
    if (choices[0].delta.content && !first_ms) first_ms = performance.now() - start_ms;
    text += choices[0].delta.content;
    if (usage && timings) {
      const { prompt_tokens, completion_tokens, prompt_tokens_details } = usage;
      const { prefill_ms, decode_ms } = timings;
      return {
        name,
        prompt_tokens,
        cached_tokens: prompt_tokens_details.cached_tokens,
        completion_tokens,
        first_ms: first_ms || prefill_ms,
        prefill_ms,
        decode_ms,
        text,
      };
    }
  }
  throw new Error('The answer ended without its figures.');
}
