/** This module implements `completions.create`: a prompt that no chat template writes. */
import { SiskinError } from '../errors.js';
import { Completions } from '../chat/completions.js';
import { askLocally } from '../chat/local_answer.js';
import { readSignal } from '../chat/arguments.js';
import { FIELDS, readOptions, readRequest } from '../chat/request.js';
import { askInTurn, readCount, withSeeds } from './several.js';

/** @import { ChatCompletion, ChatCompletionChunk } from '../chat/completions.js' */
/** @import { ChatCompletionStream, CompletionUsage, Logprobs } from '../chat/completions.js' */
/** @import { RequestOptions } from '../chat/completions.js' */
/** @import { LoadedModel } from '../engine/engines.js' */
/** @import { ChatRequest, TokenLogprob, RawRequest, Timings } from '../protocol.js' */
/** @import { Host } from './index.js' */

/**
 * `TextLogprobs` is the older form of OpenAI's log-probabilities.
 *
 * @typedef {object} TextLogprobs
 * @property {string[]} tokens
 * @property {number[]} token_logprobs
 * @property {Record<string, number>[]} top_logprobs
 * @property {number[]} text_offset where each token begins in the text
 */

/**
 * @typedef {object} TextChoice
 * @property {number} index
 * @property {string} text
 * @property {TextLogprobs | null} logprobs
 * @property {'stop' | 'length'} finish_reason
 */

/**
 * @typedef {object} TextCompletion
 * @property {string} id
 * @property {'text_completion'} object
 * @property {number} created seconds since 1970
 * @property {string} model
 * @property {TextChoice[]} choices
 * @property {CompletionUsage} [usage] of a chunk, as in `ChatCompletionChunk`
 * @property {Timings} [timings] not OpenAI's: how long it took
 */

/**
 * A `TextCompletionStream` is an answer in chunks. `controller.abort()` ends it, as leaving the
 * loop does.
 *
 * @typedef {AsyncIterableIterator<TextCompletion> & {
 *   controller: AbortController,
 * }} TextCompletionStream
 */

/**
 * A `TextRequest` has the fields of a chat's request that fit a prompt without messages, and
 * OpenAI's own.
 *
 * @typedef {Omit<ChatRequest, 'messages' | 'tools' | 'tool_choice' | 'chat_template_kwargs'
 *   | 'logprobs' | 'top_logprobs' | 'response_format' | 'parallel_tool_calls'> & {
 *   prompt: string | string[] | number[] | number[][] | null,
 *   suffix?: string | null,
 *   echo?: boolean | null,
 *   logprobs?: number | null,
 *   best_of?: number | null,
 *   model?: string | null,
 *   signal?: AbortSignal | null,
 *   stream_options?: {include_usage?: boolean | null} | null,
 * }} TextRequest `prompt` is read as it is, control tokens included. `suffix` is what follows the
 *   text that is wanted, for models with fill-in-the-middle tokens. `max_tokens` is 16 by default,
 *   as in OpenAI's API
 */

/**
 * `TextCompletions` is the type of `siskin.completions`.
 *
 * @typedef {object} TextCompletions
 * @property {CreateTextCompletion} create
 */

/**
 * @typedef {{
 *   (
 *     request: TextRequest & {stream?: false | null},
 *     options?: RequestOptions,
 *   ): Promise<TextCompletion & {usage: CompletionUsage}>,
 *   (
 *     request: TextRequest & {stream: true},
 *     options?: RequestOptions,
 *   ): Promise<TextCompletionStream>,
 *   (
 *     request: TextRequest & {stream?: boolean | null},
 *     options?: RequestOptions,
 *   ): Promise<TextCompletion | TextCompletionStream>,
 * }} CreateTextCompletion
 */

/** These fields of a chat mean nothing here. */
const OF_CHATS = [
  'messages',
  'tools',
  'tool_choice',
  'chat_template_kwargs',
  'top_logprobs',
  'response_format',
  'parallel_tool_calls',
];
const TEXT_FIELDS = [
  'prompt',
  'suffix',
  'echo',
  'best_of',
  ...FIELDS.filter((name) => !OF_CHATS.includes(name)),
];

/** OpenAI's API writes this number of tokens where a request does not say. */
const DEFAULT_TOKENS = 16;
const MAX_LOGPROBS = 20;

/**
 * @param {Host} host
 * @param {TextRequest & {stream?: boolean | null}} request
 * @param {RequestOptions} [options]
 * @returns {Promise<TextCompletion | TextCompletionStream>}
 * @throws {SiskinError} `invalid_argument`, `context_full`, `aborted`, `not_loaded`,
 *   `unsupported` for `best_of`, and for `echo` with `logprobs`
 */
export async function createCompletion(host, request, options) {
  const fields = /** @type {TextRequest & {stream?: boolean | null}} */ (
    /** @type {unknown} */ (readRequest(request, TEXT_FIELDS))
  );
  const {
    prompt,
    suffix,
    echo,
    best_of,
    logprobs,
    n,
    signal,
    max_tokens,
    model: _,
    ...rest
  } = fields;
  const given = readSignal(signal) ?? readOptions(options);
  const prompts = readPrompts(prompt);
  const count = readCount(n);
  check(suffix, 'suffix', 'string');
  check(echo, 'echo', 'boolean');
  if ((best_of ?? count) !== count) throw unsupported('`best_of` must be as large as `n`.');
  const top_logprobs = readLogprobs(logprobs);
  if (echo && top_logprobs !== undefined)
    throw unsupported('`echo` does not go with `logprobs`: a prompt has none. `score` gives them.');
  if (echo && suffix)
    throw unsupported('`echo` does not go with `suffix`, for the text stands between the two.');
  const { client, info } = await host.model(given);
  const requests = prompts.flatMap((prompt) =>
    withSeeds(
      /** @type {RawRequest} */ ({
        ...without(rest, ['stream', 'stream_options']),
        prompt,
        suffix: suffix ?? undefined,
        max_tokens: max_tokens ?? (rest.max_completion_tokens ? undefined : DEFAULT_TOKENS),
        ...(top_logprobs !== undefined && { logprobs: true, top_logprobs }),
      }),
      count,
    ),
  );
  const echoes = echo ? await textsOf(client, prompts) : [];
  const local = askLocally(client, info);
  const completions = new Completions((_, signal) =>
    askInTurn(
      local,
      /** @type {ChatRequest[]} */ (/** @type {unknown} */ (requests)),
      signal,
      count,
    ),
  );
  const answer = await completions.create(
    { messages: [], stream: rest.stream, stream_options: rest.stream_options },
    { signal: given },
  );
  const shape = new TextShape((index) => echoes[Math.floor(index / count)] ?? '');
  return 'choices' in answer ? shape.whole(answer) : shape.stream(answer);
}

/** A `TextShape` makes text completions of a chat's. */
class TextShape {
  #echoOf;
  /** The answers that have begun, with how long their texts are. @type {Map<number, number>} */
  #lengths = new Map();

  /** @param {(index: number) => string} echoOf what each answer begins with */
  constructor(echoOf) {
    this.#echoOf = echoOf;
  }

  /** @param {ChatCompletion} completion */
  whole(completion) {
    const choices = completion.choices.map(({ index, message, logprobs, finish_reason }) =>
      this.#choice(index, message.content ?? '', logprobs, finish_reason),
    );
    return { ...headOf(completion), choices, usage: completion.usage, timings: completion.timings };
  }

  /**
   * @param {ChatCompletionStream} chunks
   * @returns {TextCompletionStream}
   */
  stream(chunks) {
    /**
     * @param {IteratorResult<ChatCompletionChunk, undefined>} given
     * @returns {IteratorResult<TextCompletion, undefined>}
     */
    const convert = ({ done, value }) =>
      done || !value
        ? { done: true, value: undefined }
        : { done: false, value: this.#chunk(value) };
    const stream = {
      controller: chunks.controller,
      next: async () => convert(await chunks.next()),
      return: async () => convert(await /** @type {any} */ (chunks).return()),
      [Symbol.asyncIterator]: () => stream,
    };
    return stream;
  }

  /** @param {ChatCompletionChunk} chunk @returns {TextCompletion} */
  #chunk(chunk) {
    const choices = chunk.choices.map(({ index, delta, logprobs, finish_reason }) =>
      this.#choice(index, delta.content ?? '', logprobs, /** @type {any} */ (finish_reason)),
    );
    /** @type {TextCompletion} */
    const text = { ...headOf(chunk), choices };
    if (chunk.usage !== undefined) text.usage = /** @type {any} */ (chunk.usage);
    if (chunk.timings) text.timings = chunk.timings;
    return text;
  }

  /**
   * @param {number} index
   * @param {string} content
   * @param {Logprobs | null} logprobs
   * @param {any} finish_reason
   * @returns {TextChoice}
   */
  #choice(index, content, logprobs, finish_reason) {
    const begun = this.#lengths.get(index);
    const text = begun === undefined ? this.#echoOf(index) + content : content;
    const at = begun ?? 0;
    this.#lengths.set(index, at + text.length);
    return { index, text, logprobs: logprobs && olderForm(logprobs.content, at), finish_reason };
  }
}

/** @param {{id: string, created: number, model: string}} completion */
function headOf({ id, created, model }) {
  const object = /** @type {const} */ ('text_completion');
  return { id: id.replace('chatcmpl', 'cmpl'), object, created, model };
}

/**
 * @param {TokenLogprob[]} logprobs
 * @param {number} at where the first of them begins
 * @returns {TextLogprobs}
 */
function olderForm(logprobs, at) {
  /** @type {TextLogprobs} */
  const older = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
  for (const { token, logprob, top_logprobs } of logprobs) {
    older.tokens.push(token);
    older.token_logprobs.push(logprob);
    older.top_logprobs.push(
      Object.fromEntries(top_logprobs.map(({ token, logprob }) => [token, logprob])),
    );
    older.text_offset.push(at);
    at += token.length;
  }
  return older;
}

/**
 * @param {unknown} prompt
 * @returns {(string | number[])[]}
 */
function readPrompts(prompt) {
  const list = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? prompt : [prompt];
  const fits = (/** @type {unknown} */ one) =>
    typeof one === 'string' || (Array.isArray(one) && one.every(Number.isInteger));
  if (list.length > 0 && list.every(fits)) return list;
  throw invalid('`prompt` must be a text, token ids, or an array of these.');
}

/**
 * @param {unknown} logprobs
 * @returns {number | undefined}
 */
function readLogprobs(logprobs) {
  if (logprobs === undefined || logprobs === null) return undefined;
  if (Number.isInteger(logprobs) && Number(logprobs) >= 0 && Number(logprobs) <= MAX_LOGPROBS)
    return Number(logprobs);
  throw invalid(
    `\`logprobs\` is ${logprobs}; it must be a whole number from 0 to ${MAX_LOGPROBS}.`,
  );
}

/**
 * @param {LoadedModel['client']} client
 * @param {(string | number[])[]} prompts
 */
function textsOf(client, prompts) {
  return Promise.all(
    prompts.map((prompt) =>
      typeof prompt === 'string' ? prompt : client.call({ type: 'detokenize', ids: prompt }).result,
    ),
  );
}

/**
 * @param {unknown} value
 * @param {string} name
 * @param {'string' | 'boolean'} type
 */
function check(value, name, type) {
  if (value !== undefined && value !== null && typeof value !== type)
    throw invalid(`\`${name}\` must be ${type === 'string' ? 'a string' : 'true or false'}.`);
}

/**
 * @template {object} T
 * @param {T} object
 * @param {string[]} names
 */
function without(object, names) {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

/** @param {string} message */
function invalid(message) {
  return new SiskinError('invalid_argument', message);
}

/** @param {string} message */
function unsupported(message) {
  return new SiskinError('unsupported', message);
}
