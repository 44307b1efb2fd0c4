/** This module implements `chat.completions.create` in the shape of OpenAI's API. */
import { SiskinError } from '../errors.js';
import { randomId, reason, usageOf } from './answer_parts.js';
import { readSignal } from './arguments.js';
import { joinChunks } from './join_chunks.js';
import { readOptions, readRequest } from './request.js';

/** @import { AssistantMessage, ChoiceProbability, Delta } from './structured_types.js' */
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
 * @property {number} index from 0, below `n`
 * @property {AssistantMessage} message
 * @property {Logprobs | null} logprobs
 * @property {'stop' | 'length' | 'tool_calls'} finish_reason
 * @property {ChoiceProbability[]} [probabilities] with `choice`: those of the labels; not OpenAI's
 */

/**
 * @typedef {object} ChunkChoice
 * @property {number} index from 0, below `n`
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
 * An `Ask` takes a request, and resolves when its answer begins: that, or the first of `n`.
 *
 * @typedef {(request: ChatRequest, signal: AbortSignal | undefined, n?: number | null) => Promise<{
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

/**
 * A `ChatCompletionStream` is an answer in chunks, for one loop. It has what most use of the stream
 * of OpenAI's library.
 *
 * @typedef {AsyncIterableIterator<ChatCompletionChunk> & {
 *   controller: AbortController,
 *   toReadableStream: () => ReadableStream<Uint8Array<ArrayBuffer>>,
 *   finalChatCompletion: () => Promise<ChatCompletion>,
 *   finalMessage: () => Promise<Choice['message']>,
 *   finalContent: () => Promise<string | null>,
 * }} ChatCompletionStream `controller.abort()` ends the answer, as leaving the loop does.
 *   `toReadableStream()` gives the chunks as lines of JSON. `finalMessage()` and the others resolve
 *   at the end of the answer, whether somebody loops over the chunks or nobody does
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
   * @returns {Promise<ChatCompletionStream>}
   */
  /**
   * Answers a conversation, whole or in chunks.
   *
   * @overload
   * @param {AnyRequest} request messages, and how to answer them
   * @param {RequestOptions} [options] a signal, which may be in the request instead
   * @returns {Promise<ChatCompletion | ChatCompletionStream>}
   */
  /**
   * Answers a conversation. Requests are answered one at a time, in order; pages that share an
   * engine take turns. The promise settles when the answer is complete or, with `stream: true`,
   * when it begins; then leaving the loop early stops the model. A stream that nobody reads for 10
   * seconds ends with `aborted` if another request waits.
   *
   * @param {AnyRequest} request
   * @param {RequestOptions} [options]
   * @returns {Promise<ChatCompletion | ChatCompletionStream>}
   * @throws {SiskinError} `invalid_argument`, `template`, `context_full`, `aborted` (by `signal`),
   *   `not_loaded`, `worker_failed`
   */
  async create(request, options) {
    const { signal, stream, stream_options, model: _, n, ...engine_request } = readRequest(request);
    const signals = [readSignal(signal), readOptions(options)].filter((given) => given);
    if (signals.length > 1 && signals[0] !== signals[1])
      throw new SiskinError(
        'invalid_argument',
        'Give one signal, in the request or beside it; AbortSignal.any makes one of several.',
      );
    const { answer, model: name, computed } = await this.#ask(engine_request, signals[0], n);
    const head = {
      id: `chatcmpl-${randomId()}`,
      created: Math.floor(Date.now() / 1000),
      model: name,
      siskin: { computed },
    };
    const chunks = new ChunkIterator(answer, head, stream_options?.include_usage === true);
    return stream ? chunks : chunks.finalChatCompletion();
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
 * @property {number} [index] of the answer, where a request has several
 */

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
  /** The answer that the last chunk was of. */
  #index = -1;
  #over = false;
  /**
   * What has come so far, of which a loop has read the first `#read`.
   *
   * @type {ChatCompletionChunk[]}
   */
  #chunks = [];
  #read = 0;
  /** The calls of `next` take turns. @type {Promise<unknown>} */
  #turn = Promise.resolve();
  /** Whether the loop was left. */
  #left = false;
  /** @type {{error: unknown} | undefined} */
  #failure;

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
    this.controller = new AbortController();
    this.controller.signal.addEventListener('abort', () => void this.return());
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
    while (!this.#over && this.#read === this.#chunks.length && (await this.#pull()));
    const value = this.#left ? undefined : this.#chunks[this.#read++];
    if (value) return { done: false, value };
    if (this.#failure && !this.#left) {
      this.#left = true;
      throw this.#failure.error;
    }
    return { done: true, value: undefined };
  }

  /** Waits for one more step. @returns {Promise<boolean>} false at the end */
  async #pull() {
    const step = await this.#take();
    this.#over ||= !step;
    if (!step || this.#over) return false;
    const { event } = step;
    const { text, finish_reason, prefill, logprob, reasoning_content, tool_calls } = event;
    if (text || finish_reason || prefill || logprob || reasoning_content || tool_calls)
      this.#push(step);
    return true;
  }

  /** Resolves with the whole answer. @returns {Promise<ChatCompletion>} */
  async finalChatCompletion() {
    const turn = this.#turn.then(async () => {
      while (!this.#over && (await this.#pull()));
    });
    this.#turn = turn.catch(() => {});
    await turn;
    if (this.#failure) throw this.#failure.error;
    return joinChunks(this.#head, this.#chunks);
  }

  /** Resolves with the message of the first answer; `finalContent` with its text. */
  finalMessage = async () => (await this.finalChatCompletion()).choices[0].message;
  finalContent = async () => (await this.finalMessage()).content;

  /** Returns the chunks as lines of JSON. @returns {ReadableStream<Uint8Array<ArrayBuffer>>} */
  toReadableStream() {
    const encoder = new TextEncoder();
    return new ReadableStream({
      pull: async (lines) => {
        const { done, value } = await this.next();
        if (done) lines.close();
        else lines.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      },
      cancel: async () => void (await this.return()),
    });
  }

  /** Stops the model. @returns {Promise<IteratorResult<ChatCompletionChunk, undefined>>} */
  async return() {
    this.#over = this.#left = true;
    this.#answer.cancel();
    return { done: true, value: undefined };
  }

  async #take() {
    try {
      return await this.#answer.next();
    } catch (error) {
      // Leaving the loop is no error; an AbortSignal is one.
      if (!this.#over) this.#failure = { error };
      return undefined;
    }
  }

  /** @param {Step} step */
  #push({ event, timings, index = 0 }) {
    /** @type {Delta} */
    const delta =
      index === this.#index ? { content: event.text } : { role: 'assistant', content: event.text };
    this.#index = index;
    if (event.reasoning_content) delta.reasoning_content = event.reasoning_content;
    if (event.tool_calls) delta.tool_calls = event.tool_calls;
    const finish_reason = event.finish_reason ? reason(event) : null;
    const logprobs = event.logprob ? { content: [event.logprob], refusal: null } : null;
    /** @type {ChatCompletionChunk} */
    const chunk = {
      ...this.#head,
      object: 'chat.completion.chunk',
      choices: [
        {
          index,
          delta,
          logprobs,
          finish_reason,
          ...(event.choice && { probabilities: event.choice }),
        },
      ],
    };
    if (event.prefill) chunk.prefill = event.prefill;
    if (this.#include_usage) chunk.usage = null;
    this.#chunks.push(chunk);
    if (!finish_reason || !event.usage) return;
    const usage = usageOf(event.usage);
    chunk.timings = timings;
    if (this.#include_usage)
      this.#chunks.push({ ...this.#head, object: 'chat.completion.chunk', choices: [], usage });
    else chunk.usage = usage;
  }
}
