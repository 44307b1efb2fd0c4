/**
 * This module answers from a server that speaks OpenAI's API, while the model in the tab is not
 * loaded. It is used only if `Siskin.load` is given `fallback`.
 */
import { SiskinError, throwIfAborted } from '../errors.js';
import { models } from '../model/models.js';
import { StreamedAnswer, parseJson, shorten } from './openai_stream.js';

/** @import { ChatRequest, LoadProgress, WeightSource } from '../protocol.js' */

/**
 * @typedef {object} FallbackOptions
 * @property {string | URL} baseURL the API's address, such as `https://example.org/v1`:
 *   conversations are sent there
 * @property {string} [apiKey] visitors can read it: give one that may do no more than they may
 * @property {string} model what the server calls the model
 * @property {'cached' | 'loaded' | 'never'} [until] how long the server answers. `loaded` (the
 *   default): until the model in the tab is ready. `cached`: only until its weights are on the
 *   visitor's disk; from then on requests wait for it, and nothing is sent any more. `never`: for
 *   good; no model is fetched
 */

/**
 * These fields of a request are sent to the server: OpenAI's API has them, and they mean the same
 * for any model. Token ids, for instance, mean something to one model only.
 */
const SERVER_FIELDS = /** @type {const} */ ([
  'messages',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'seed',
  'stop',
]);

/** The body of an error response is read up to this length, which is more than servers send. */
const ERROR_BYTES = 1 << 16;

/** A `Fallback` sends requests to the server of `fallback`. */
export class Fallback {
  #url;
  #headers;
  #model;
  /** `#cached` resolves to whether the weights are on the device. */
  #cached = Promise.resolve(false);

  /**
   * @param {FallbackOptions} options
   * @throws {SiskinError} `invalid_argument`
   */
  constructor(options) {
    if (typeof options !== 'object' || options === null)
      throw new SiskinError(
        'invalid_argument',
        'fallback must be an object such as {baseURL, model}.',
      );
    const { baseURL, apiKey, model, until = 'loaded', ...unknown } = options;
    const [name] = Object.keys(unknown);
    if (name !== undefined)
      throw new SiskinError(
        'invalid_argument',
        `fallback has no option "${name}". It takes baseURL, apiKey, model and until.`,
      );
    if (typeof model !== 'string' || model === '')
      throw new SiskinError('invalid_argument', 'fallback.model must be the name of a model.');
    if (apiKey !== undefined && (typeof apiKey !== 'string' || !/^[\x21-\x7e]+$/.test(apiKey)))
      throw new SiskinError('invalid_argument', 'fallback.apiKey must be a key without spaces.');
    if (!['cached', 'loaded', 'never'].includes(until))
      throw new SiskinError(
        'invalid_argument',
        'fallback.until must be "cached", "loaded" or "never".',
      );
    this.until = until;
    this.#url = completionsUrl(baseURL);
    this.#headers = {
      'Content-Type': 'application/json',
      ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }),
    };
    this.#model = model;
  }

  /**
   * Starts to track whether the weights are on the device.
   *
   * @param {WeightSource} source
   */
  watch(source) {
    if (source.kind === 'blob') this.#cached = Promise.resolve(true);
    else if (source.kind === 'url')
      this.#cached = models
        .has(source.url, { cacheKey: source.key, sha256: source.sha256 })
        .catch(() => false);
  }

  /** @param {LoadProgress} progress of the loading */
  progress({ loaded_bytes, total_bytes, from_cache }) {
    if (from_cache || loaded_bytes === total_bytes) this.#cached = Promise.resolve(true);
  }

  /**
   * @param {ChatRequest} request
   * @returns {Promise<boolean>} whether the server answers it, if the model is not loaded
   * @throws {SiskinError} `invalid_argument`
   */
  async handles(request) {
    // Tools and forms differ from server to server.
    const { tools, tool_choice, response_format, regex, grammar, choice } = request;
    const shows_tools = tools?.length && tool_choice !== 'none';
    const has_form = (response_format?.type ?? 'text') !== 'text' || regex || grammar || choice;
    if (!shows_tools && !has_form) return this.until !== 'cached' || !(await this.#cached);
    if (this.until === 'never')
      throw new SiskinError(
        'invalid_argument',
        'tools and forms are not sent to the fallback server.',
      );
    return false;
  }

  /**
   * @param {ChatRequest} request
   * @param {AbortSignal | undefined} signal
   * @returns {Promise<{answer: StreamedAnswer, model: string, computed: 'fallback'}>} when the
   *   server has begun to answer
   * @throws {SiskinError} `network`, `http_status`, `invalid_argument`, `context_full`, `aborted`
   */
  async ask(request, signal) {
    throwIfAborted(signal);
    const body = {
      ...fieldsFor(request),
      model: this.#model,
      stream: true,
      stream_options: { include_usage: true },
    };
    const stop = new AbortController();
    const abort = () => stop.abort();
    signal?.addEventListener('abort', abort, { once: true });
    const start_ms = performance.now();
    try {
      const response = await this.#send(body, stop.signal);
      const answer = new StreamedAnswer(response, this.#url.host, stop, start_ms, () =>
        signal?.removeEventListener('abort', abort),
      );
      return { answer, model: this.#model, computed: 'fallback' };
    } catch (error) {
      signal?.removeEventListener('abort', abort);
      throw error;
    }
  }

  /**
   * @param {object} body
   * @param {AbortSignal} signal
   */
  async #send(body, signal) {
    const { host } = this.#url;
    let response;
    try {
      // The conversation is sent to this address and no other, without cookies and referrer.
      response = await fetch(this.#url, {
        method: 'POST',
        headers: this.#headers,
        body: JSON.stringify(body),
        signal,
        redirect: 'error',
        credentials: 'omit',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
      });
    } catch (cause) {
      throwIfAborted(signal);
      throw new SiskinError(
        'network',
        `The fallback server at ${host} could not be reached. Check fallback.baseURL, and ` +
          'that the server lets this page read from it (CORS).',
        { cause },
      );
    }
    if (!response.ok) throw await responseError(response, host, signal);
    if (!response.body || !response.headers.get('Content-Type')?.startsWith('text/event-stream')) {
      response.body?.cancel().catch(() => {});
      throw new SiskinError(
        'network',
        `What answers at ${this.#url.href} does not stream as OpenAI's API does. Check ` +
          'fallback.baseURL.',
      );
    }
    return response;
  }

  /** Returns what calls fail with that need a model, where `until` is `never`. */
  neverLoadedError() {
    return new SiskinError(
      'not_loaded',
      "There is no model in this tab: fallback.until is 'never'.",
    );
  }
}

/** @param {string | URL} base */
function completionsUrl(base) {
  let url;
  try {
    url = new URL(base, globalThis.document?.baseURI);
  } catch {
    throw new SiskinError(
      'invalid_argument',
      'fallback.baseURL must be an address such as https://example.org/v1.',
    );
  }
  if (!['http:', 'https:'].includes(url.protocol) || url.username || url.password)
    throw new SiskinError(
      'invalid_argument',
      'fallback.baseURL must be an http or https address without a name and password in it.',
    );
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/chat/completions`;
  return url;
}

/** @param {ChatRequest} request */
function fieldsFor(request) {
  refuseUnhonoured(request);
  if (!Array.isArray(request.messages) || request.messages.length === 0)
    throw new SiskinError('invalid_argument', 'messages must be an array of at least one message.');
  return Object.fromEntries(
    SERVER_FIELDS.filter((name) => request[name] !== undefined).map((name) => [
      name,
      request[name],
    ]),
  );
}

/**
 * Refuses the values of OpenAI's fields that the engine refuses (session/request.rs), so that a
 * request does not work until the model is there, and fail from then on.
 *
 * @param {ChatRequest} request
 * @throws {SiskinError} `invalid_argument`
 */
function refuseUnhonoured(request) {
  const { n, max_tokens, max_completion_tokens } = request;
  const refuse = (/** @type {string} */ message) => {
    throw new SiskinError('invalid_argument', message);
  };
  if ((n ?? 1) !== 1) refuse('`n` must be 1: a request has one answer.');
  const limit = max_tokens ?? max_completion_tokens;
  if ((max_completion_tokens ?? limit) !== limit)
    refuse('`max_tokens` and `max_completion_tokens` mean the same: give one of them.');
}

/**
 * Returns the error of a response whose status is not success.
 *
 * @param {Response} response
 * @param {string} host
 * @param {AbortSignal} signal
 * @returns {Promise<SiskinError>}
 */
async function responseError(response, host, signal) {
  const error = parseJson(await readStart(response))?.error;
  throwIfAborted(signal);
  const { status } = response;
  const said = typeof error?.message === 'string' ? ` It says: "${shorten(error.message)}".` : '';
  if (
    status === 400 &&
    /context_length|context_size|exceed/i.test(`${error?.type} ${error?.code}`)
  ) {
    return new SiskinError(
      'context_full',
      `The conversation does not fit the context of the model on the fallback server.${said} ` +
        'Start a new chat, or shorten it.',
    );
  }
  if (status === 400 || status === 422)
    return new SiskinError(
      'invalid_argument',
      `The fallback server at ${host} did not accept the request.${said}`,
    );
  const advice =
    status === 401 || status === 403
      ? 'Check fallback.apiKey.'
      : status === 404
        ? 'Check fallback.baseURL and fallback.model.'
        : status === 429
          ? 'Wait a little and try again.'
          : status >= 500
            ? 'The trouble is on the server: try again later.'
            : 'Check fallback.baseURL.';
  return new SiskinError(
    'http_status',
    `The fallback server at ${host} answered ${status}. ${advice}${said}`,
  );
}

/**
 * Returns the first bytes of a body, as text.
 *
 * @param {Response} response
 */
async function readStart(response) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (let read = 0; reader && read < ERROR_BYTES;) {
      const { done, value } = await reader.read();
      if (done) break;
      read += value.length;
      text += decoder.decode(value, { stream: true });
    }
  } catch {
    // The text that has arrived is enough for a message.
  }
  reader?.cancel().catch(() => {});
  return text;
}
