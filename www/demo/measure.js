/** Measures a loaded model through the public API. The bench page and `./build.sh bench` share it, so that their figures mean the same. */

/** @import { ChatMessage, Siskin } from '../lib/index.js' */

/**
 * How long the prompts and answers are. A prompt's length counts the chat template's tokens, a question's does not.
 *
 * @typedef {object} Sizes
 * @property {number} prompt_tokens of the prompt whose reading is timed
 * @property {number} generate_tokens of the answer whose writing is timed
 * @property {number} long_tokens of the long prompt
 * @property {number} long_generate_tokens of the answer to it
 */

/** @type {Sizes} */
export const SIZES = { prompt_tokens: 128, generate_tokens: 48, long_tokens: 1200, long_generate_tokens: 24 };
/** The middle of the answer to the short prompt stands about here. */
export const SHORT_CONTEXT_TOKENS = 64;
export const QUESTION_TOKENS = 20;

/** What is asked, in this order: `first` is the first request after loading, `question` comes when the code is warm. */
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

/** Short common words: one token each in most vocabularies. */
const WORDS = (
  'time year people way day man thing woman life child world school state family student group country problem hand part place case week company system program ' +
  'question work government number night point home water room mother area money story fact month lot right study book eye job word business issue side kind head ' +
  'house service friend father power hour game line end member law car city community name president team minute idea kid body information back parent face others ' +
  'level office door health person art war history party result change morning reason research girl guy moment air teacher force education'
).split(' ');

/** Ends of turns and texts in the vocabularies that Siskin knows: made unlikely, so that every answer has its full length. */
const ENDS = ['<|im_end|>', '<|endoftext|>', '<|eot_id|>', '<|end_of_text|>', '<|eom_id|>', '<end_of_turn>', '<eos>', '<|end|>', '</s>'];
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
 * Text of exactly so many tokens.
 *
 * @param {Siskin} siskin
 * @param {number} seed
 * @param {number} tokens
 */
async function textOf(siskin, seed, tokens) {
  for (let count = tokens; ; ) {
    const text = words(seed, count);
    const excess = (await siskin.tokenize(text)).length - tokens;
    if (excess <= 0) return text + ' a'.repeat(-excess);
    count -= excess;
  }
}

/**
 * Prompts of the wanted lengths for this model's vocabulary and template. No two begin alike, so that nothing of one is left in the
 * KV cache for the next but the template's first tokens.
 *
 * @param {Siskin} siskin
 * @param {Sizes} sizes
 * @param {AbortSignal} [signal]
 * @returns {Promise<{prompts: Prompt[], logit_bias: Record<string, number>}>}
 */
export async function preparePrompts(siskin, sizes, signal) {
  const template_tokens = await templateTokens(siskin, signal);
  const short_tokens = Math.max(8, SHORT_CONTEXT_TOKENS - Math.round(sizes.generate_tokens / 2));
  /** @type {Record<StepName, [number, number]>} */
  const lengths = {
    first: [QUESTION_TOKENS, 2],
    prefill: [sizes.prompt_tokens - template_tokens, 1],
    decode: [short_tokens - template_tokens, sizes.generate_tokens],
    question: [QUESTION_TOKENS, 2],
    long: [sizes.long_tokens - template_tokens, sizes.long_generate_tokens],
  };
  const prompts = [];
  for (const [seed, name] of STEPS.entries()) {
    const [tokens, generate_tokens] = lengths[name];
    prompts.push({ name, messages: messages(seed, await textOf(siskin, seed + 1, Math.max(1, tokens))), generate_tokens });
  }
  /** @type {Record<string, number>} */
  const logit_bias = {};
  for (const end of ENDS) {
    const ids = await siskin.tokenize(end, { special: true });
    if (ids.length === 1) logit_bias[ids[0]] = UNLIKELY;
  }
  return { prompts, logit_bias };
}

/**
 * What the chat template adds to a question.
 *
 * @param {Siskin} siskin
 * @param {AbortSignal} [signal]
 */
async function templateTokens(siskin, signal) {
  const text = words(STEPS.length + 1, 2);
  const { usage } = await siskin.chat.completions.create({ messages: messages(STEPS.length, text), max_tokens: 1, temperature: 0, signal });
  return usage.prompt_tokens - (await siskin.tokenize(text)).length;
}

/**
 * @param {number} seed
 * @param {string} content
 * @returns {ChatMessage[]}
 */
function messages(seed, content) {
  return [{ role: 'system', content: String(seed) }, { role: 'user', content }];
}

/**
 * @param {Siskin} siskin
 * @param {Prompt} prompt
 * @param {Record<string, number>} logit_bias
 * @param {AbortSignal} [signal]
 * @returns {Promise<Step>}
 */
export async function ask(siskin, { name, messages, generate_tokens }, logit_bias, signal) {
  const start_ms = performance.now();
  let first_ms = 0;
  let text = '';
  const chunks = await siskin.chat.completions.create({ messages, stream: true, temperature: 0, max_tokens: generate_tokens, logit_bias, signal });
  for await (const { choices, usage, timings } of chunks) {
    if (choices[0].delta.content && !first_ms) first_ms = performance.now() - start_ms;
    text += choices[0].delta.content;
    if (usage && timings) {
      const { prompt_tokens, completion_tokens, prompt_tokens_details } = usage;
      const { prefill_ms, decode_ms } = timings;
      return { name, prompt_tokens, cached_tokens: prompt_tokens_details.cached_tokens, completion_tokens, first_ms: first_ms || prefill_ms, prefill_ms, decode_ms, text };
    }
  }
  throw new Error('The answer ended without its figures.');
}

/**
 * What the steps say; a figure is absent where its step is, or was too short to time.
 *
 * @param {Step[]} steps
 * @returns {{first_ms?: number, prefill_tokens_per_second?: number, decode_tokens_per_second?: number, question_ms?: number, long_decode_tokens_per_second?: number}}
 */
export function figures(steps) {
  const step = (/** @type {StepName} */ name) => steps.find((step) => step.name === name);
  const [prefill, decode, long] = [step('prefill'), step('decode'), step('long')];
  return {
    first_ms: step('first')?.first_ms,
    prefill_tokens_per_second: prefill && perSecond(prefill.prompt_tokens - prefill.cached_tokens, prefill.prefill_ms),
    // The first token comes out of the prefill.
    decode_tokens_per_second: decode && perSecond(decode.completion_tokens - 1, decode.decode_ms),
    question_ms: step('question')?.first_ms,
    long_decode_tokens_per_second: long && perSecond(long.completion_tokens - 1, long.decode_ms),
  };
}

/**
 * @param {number} count
 * @param {number} ms
 */
function perSecond(count, ms) {
  return count > 0 && ms > 0 ? (count * 1000) / ms : undefined;
}
