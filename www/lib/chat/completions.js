/** This module implements `chat.completions.create` in the shape of OpenAI's API. */
import { SiskinError, abortedError } from '../errors.js';
import { randomId, reason, usageOf } from './answer_parts.js';
import { readOptions, readRequest, readSignal } from './request.js';

/** @import { AssistantMessage, ChoiceProbability, Delta, ToolCall } from './structured_types.js' */
/** @import { ChatMessage, ChatRequest, EngineEvent, Prefill } from '../protocol.js' */
/** @import { Timings, TokenLogprob } from '../protocol.js' */

/** @import { RunToolsOptions, RunToolsRequest } from './run_tools.js' */

/**
 * @typedef {object} CompletionUsage
 * @property {number} prompt_tokens of the whole conversation, as the chat template writes it
 * @property {number} completion_tokens of the answer
 * @property {number} total_tokens
 * @property {{cached_tokens: number}} prompt_tokens_details `cached_tokens` were in the KV cache
 */

/**
 * @typedef {object} Choice
 * @property {0} index
 * @property {AssistantMessage} message
 * @property {Logprobs | null} logprobs
 * @property {'stop' | 'length' | 'tool_calls'} finish_reason
 * @property {ChoiceProbability[]} [probabilities] with `choice`: those of the labels; not OpenAI's
 */

/**
 * @typedef {object} ChunkChoice
 * @property {0} index
 * @property {Delta} delta
 * @property {Logprobs | null} logprobs
 * @property {'stop' | 'length' | 'tool_calls' | null} finish_reason
 * @property {ChoiceProbability[]} [probabilities] on the last chunk, with `choice`; not OpenAI's
 */

/**
 * @typedef {object} ChatCompletion
 * @property {string} id
 * @property {'chat.completion'} object
 * @property {number} created seconds since 1970
 * @property {string} model
 * @property {Choice[]} choices
 * @property {CompletionUsage} usage
 * @property {Timings} timings not OpenAI's: how long it took
 * @property {ResponseOrigin} siskin not OpenAI's
 */

/**
 * @typedef {object} ChatCompletionChunk
 * @property {string} id
 * @property {'chat.completion.chunk'} object
 * @property {number} created seconds since 1970
 * @property {string} model
 * @property {ChunkChoice[]} choices
 * @property {CompletionUsage | null} [usage] on the last chunk, once. With
 *   `stream_options.include_usage` that is one more chunk without choices, and the others have null
 * @property {Timings} [timings] on the chunk with the `finish_reason`; not OpenAI's
 * @property {Prefill} [prefill] while the prompt is being read; not OpenAI's
 * @property {ResponseOrigin} siskin not OpenAI's
 */

/**
 * `Logprobs` holds the log-probability of each token, with `logprobs: true`.
 *
 * @typedef {{content: TokenLogprob[], refusal: null}} Logprobs
 */

/**
 * A `ResponseOrigin` says where an answer was computed: in the tab, or by the server of `fallback`.
 *
 * @typedef {{computed: 'local' | 'fallback'}} ResponseOrigin
 */

/**
 * A `ResponseHead` holds the fields that an answer and each of its chunks begin with.
 *
 * @typedef {{id: string, created: number, model: string, siskin: ResponseOrigin}} ResponseHead
 */

/**
 * A `StepStream` is an answer in progress.
 *
 * @typedef {object} StepStream
 * @property {() => Promise<Step | undefined>} next undefined at the end
 * @property {() => void} cancel
 */

/**
 * An `Ask` takes a request, and resolves when its answer begins.
 *
 * @typedef {(request: ChatRequest, signal: AbortSignal | undefined) => Promise<{
 *   answer: StepStream,
 *   model: string,
 *   computed: ResponseOrigin['computed'],
 * }>} Ask
 */

/**
 * `CompletionFields` are those of a request that this library reads itself.
 *
 * @typedef {object} CompletionFields
 * @property {string | null} [model] accepted because OpenAI's clients send it; has no effect, for
 *   one model is loaded
 * @property {AbortSignal | null} [signal] stops the answer, whether it waits or is being written,
 *   which fails with `aborted`. It may stand beside the request instead, as in OpenAI's library
 * @property {{include_usage?: boolean | null} | null} [stream_options] with `include_usage: true` a
 *   stream's last chunk has the `usage` and no choices; by default it is on the chunk that ends the
 *   answer
 */

/** @typedef {ChatRequest & CompletionFields} CompletionOptions */

/**
 * `RequestOptions` stand beside a request, where OpenAI's library has them.
 *
 * @typedef {{signal?: AbortSignal | null}} RequestOptions
 */

/** @typedef {CompletionOptions & {stream?: false | null}} CompletionRequest answered whole */
/** @typedef {CompletionOptions & {stream: true}} StreamingRequest answered in chunks */
/** @typedef {CompletionOptions & {stream?: boolean | null}} AnyRequest answered either way */

/** `siskin.chat.completions` is an object of this class. */
export class Completions {
  #ask;

  /** @param {Ask} ask */
  constructor(ask) {
    this.#ask = ask;
  }

  /**
   * Answers a conversation, and resolves when the answer is complete.
   *
   * @overload
   * @param {CompletionRequest} request messages, and how to answer them
   * @param {RequestOptions} [options] a signal, which may be in the request instead
   * @returns {Promise<ChatCompletion>}
   */
  /**
   * Answers a conversation in chunks, and resolves when the answer begins. Leaving the loop early
   * stops the model. A stream that nobody reads for 10 seconds ends with `aborted` if another
   * request waits.
   *
   * @overload
   * @param {StreamingRequest} request messages, and how to answer them
   * @param {RequestOptions} [options] a signal, which may be in the request instead
   * @returns {Promise<AsyncIterableIterator<ChatCompletionChunk>>}
   */
  /**
   * Answers a conversation, whole or in chunks.
   *
   * @overload
   * @param {AnyRequest} request messages, and how to answer them
   * @param {RequestOptions} [options] a signal, which may be in the request instead
   * @returns {Promise<ChatCompletion | AsyncIterableIterator<ChatCompletionChunk>>}
   */
  /**
   * Answers a conversation. Requests are answered one at a time, in order; pages that share an
   * engine take turns. The promise settles when the answer is complete or, with `stream: true`,
   * when it begins; then leaving the loop early stops the model. A stream that nobody reads for 10
   * seconds ends with `aborted` if another request waits.
   *
   * @param {AnyRequest} request
   * @param {RequestOptions} [options]
   * @returns {Promise<ChatCompletion | AsyncIterableIterator<ChatCompletionChunk>>}
   * @throws {SiskinError} `invalid_argument`, `template`, `context_full`, `aborted` (by `signal`),
   *   `not_loaded`, `worker_failed`
   */
  async create(request, options) {
    const { signal, stream, stream_options, model: _, ...engine_request } = readRequest(request);
    const signals = [readSignal(signal), readOptions(options)].filter((given) => given);
    if (signals.length > 1 && signals[0] !== signals[1])
      throw new SiskinError(
        'invalid_argument',
        'Give one signal, in the request or beside it; AbortSignal.any makes one of several.',
      );
    if (stream !== undefined && stream !== null && typeof stream !== 'boolean')
      throw new SiskinError('invalid_argument', 'stream must be true or false.');
    const { answer, model: name, computed } = await this.#ask(engine_request, signals[0]);
    const head = {
      id: `chatcmpl-${randomId()}`,
      created: Math.floor(Date.now() / 1000),
      model: name,
      siskin: { computed },
    };
    if (!stream) return collect(answer, head);
    return new ChunkIterator(answer, head, stream_options?.include_usage === true);
  }

  /**
   * Answers a conversation, runs the functions that the model calls, and asks on with what they
   * return, until the model answers or has been asked `maxChatCompletions` times (10). A function
   * that throws tells the model why.
   *
   * @param {RunToolsRequest} request whose tools have their function: `{type: 'function',
   *   function: {function, parse, name, description, parameters}}`
   * @param {RunToolsOptions} [options]
   * @returns {Promise<ChatCompletion & {messages: ChatMessage[]}>} the last answer, with the whole
   *   conversation
   * @throws {SiskinError} `invalid_argument`, and those of `create`
   */
  async runTools(request, options) {
    return (await import('./run_tools.js')).runTools(this, request, options);
  }
}

/**
 * @typedef {object} Step
 * @property {EngineEvent} event
 * @property {Timings | undefined} timings
 */

/**
 * @param {StepStream} answer
 * @param {ResponseHead} head
 * @returns {Promise<ChatCompletion>}
 */
async function collect(answer, head) {
  let content = '';
  let reasoning_content = '';
  /** @type {ToolCall[]} */
  const tool_calls = [];
  /** @type {TokenLogprob[]} */
  const logprobs = [];
  for (;;) {
    const step = await answer.next();
    if (!step) throw abortedError();
    const { event, timings } = step;
    content += event.text;
    reasoning_content += event.reasoning_content ?? '';
    for (const { index: _, ...call } of event.tool_calls ?? []) tool_calls.push(call);
    if (event.logprob) logprobs.push(event.logprob);
    if (event.finish_reason && event.usage && timings) {
      /** @type {AssistantMessage} */
      const message = { role: 'assistant', content, refusal: null };
      if (reasoning_content) message.reasoning_content = reasoning_content;
      if (tool_calls.length > 0) message.tool_calls = tool_calls;
      const choice = {
        index: /** @type {const} */ (0),
        message,
        logprobs: logprobs.length > 0 ? { content: logprobs, refusal: null } : null,
        finish_reason: reason(event),
        ...(event.choice && { probabilities: event.choice }),
      };
      return {
        ...head,
        object: 'chat.completion',
        choices: [choice],
        usage: usageOf(event.usage),
        timings,
      };
    }
  }
}

/**
 * A stream that was forgotten before its end stops the model when the garbage is collected.
 *
 * @type {FinalizationRegistry<StepStream>}
 */
const abandoned = new FinalizationRegistry((answer) => answer.cancel());

/**
 * A `ChunkIterator` yields the chunks of an answer. It is not a generator, because `return()` must
 * stop the model at once, even before the first `next()` and while a `next()` is waiting.
 *
 * @implements {AsyncIterableIterator<ChatCompletionChunk>}
 */
class ChunkIterator {
  #answer;
  #head;
  #include_usage;
  #first = true;
  #over = false;
  /** The calls of `next` take turns. @type {Promise<unknown>} */
  #turn = Promise.resolve();
  /**
   * `stream_options.include_usage` asks for this extra chunk.
   *
   * @type {ChatCompletionChunk | undefined}
   */
  #usage_chunk;

  /**
   * @param {StepStream} answer
   * @param {ResponseHead} head
   * @param {boolean} include_usage
   */
  constructor(answer, head, include_usage) {
    this.#answer = answer;
    this.#head = head;
    this.#include_usage = include_usage;
    abandoned.register(this, answer, this);
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /**
   * Returns the next chunk. Several calls may wait: each gets a chunk, in their order.
   *
   * @returns {Promise<IteratorResult<ChatCompletionChunk, undefined>>}
   */
  next() {
    const turn = this.#turn.then(() => this.#next());
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** @returns {Promise<IteratorResult<ChatCompletionChunk, undefined>>} */
  async #next() {
    const extra = this.#usage_chunk;
    this.#usage_chunk = undefined;
    if (extra) return { done: false, value: extra };
    while (!this.#over) {
      const step = await this.#take();
      if (!step) break;
      const { event, timings } = step;
      if (
        event.text ||
        event.finish_reason ||
        event.prefill ||
        event.logprob ||
        event.reasoning_content ||
        event.tool_calls
      )
        return { done: false, value: this.#chunk(event, timings) };
    }
    this.#over = true;
    return { done: true, value: undefined };
  }

  /** Stops the model. @returns {Promise<IteratorResult<ChatCompletionChunk, undefined>>} */
  async return() {
    this.#over = true;
    this.#usage_chunk = undefined;
    this.#answer.cancel();
    return { done: true, value: undefined };
  }

  async #take() {
    try {
      return await this.#answer.next();
    } catch (error) {
      // Leaving the loop is no error; an AbortSignal is one.
      if (this.#over) return undefined;
      this.#over = true;
      throw error;
    }
  }

  /**
   * @param {EngineEvent} event
   * @param {Timings | undefined} timings
   * @returns {ChatCompletionChunk}
   */
  #chunk(event, timings) {
    /** @type {Delta} */
    const delta = this.#first
      ? { role: 'assistant', content: event.text }
      : { content: event.text };
    this.#first = false;
    if (event.reasoning_content) delta.reasoning_content = event.reasoning_content;
    if (event.tool_calls) delta.tool_calls = event.tool_calls;
    const finish_reason = event.finish_reason ? reason(event) : null;
    /** @type {ChatCompletionChunk} */
    const chunk = {
      ...this.#head,
      object: 'chat.completion.chunk',
      choices: [
        {
          index: 0,
          delta,
          logprobs: event.logprob ? { content: [event.logprob], refusal: null } : null,
          finish_reason,
          ...(event.choice && { probabilities: event.choice }),
        },
      ],
    };
    if (event.prefill) chunk.prefill = event.prefill;
    if (this.#include_usage) chunk.usage = null;
    if (finish_reason && event.usage) {
      const usage = usageOf(event.usage);
      chunk.timings = timings;
      if (this.#include_usage)
        this.#usage_chunk = {
          ...this.#head,
          object: 'chat.completion.chunk',
          choices: [],
          usage,
        };
      else chunk.usage = usage;
    }
    return chunk;
  }
}
