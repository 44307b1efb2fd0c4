/**
 * This module answers requests of OpenAI's HTTP API in the page. An OpenAI client takes it for
 * `fetch`: `new OpenAI({fetch: siskin.fetch, baseURL: 'https://siskin.local/v1', ...})`. Nothing
 * touches the network.
 */
import { SiskinError, codeOf, messageOf, throwIfAborted } from '../errors.js';
import { createEmbeddings } from './embeddings.js';
import { listModels, retrieveModel } from './model_list.js';
import { createCompletion } from './text_completions.js';

/** @import { Host } from './index.js' */

const ORIGIN = 'https://siskin.local';
const BASE = '/v1/';

/**
 * A `Route` answers one kind of request: with a value, or with the chunks of a stream.
 *
 * @typedef {(host: Host, body: any, signal: AbortSignal) => Promise<any>} Route
 */

/** @type {Record<string, Route>} */
const POST = {
  'chat/completions': (host, body, signal) => host.chat.completions.create(body, { signal }),
  completions: (host, body, signal) => createCompletion(host, body, { signal }),
  embeddings: (host, body, signal) => createEmbeddings(host, body, { signal }),
};

/** The statuses of the codes of errors; that of others is 500. @type {Record<string, number>} */
const STATUS = {
  aborted: 499,
  busy: 409,
  context_full: 400,
  invalid_argument: 400,
  not_loaded: 503,
  template: 400,
  unsupported: 400,
};

/**
 * @param {Host} host
 * @param {string | URL | Request} input
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 * @throws {SiskinError} `invalid_argument` for any other address
 * @throws {DOMException} the signal's reason
 */
export async function fetchHere(host, input, init) {
  const { origin, pathname } = new URL(input instanceof Request ? input.url : input);
  if (origin !== ORIGIN || !pathname.startsWith(BASE))
    throw new SiskinError(
      'invalid_argument',
      `siskin.fetch answers requests to ${ORIGIN}${BASE} alone, and sends nothing anywhere, to ` +
        `${origin}${pathname} neither.`,
    );
  const request = new Request(input, init);
  // A browser sends no body of a request without a clone of its own.
  const { method, signal } = request;
  signal.throwIfAborted();
  const path = decodeURIComponent(pathname.slice(BASE.length)).replace(/\/$/, '');
  try {
    const answer = await answerTo(host, method, path, request);
    signal.throwIfAborted();
    return Symbol.asyncIterator in answer ? streamed(answer, signal) : json(answer, 200);
  } catch (error) {
    signal.throwIfAborted();
    return failed(error);
  }
}

/**
 * @param {Host} host
 * @param {string} method
 * @param {string} path below `/v1/`
 * @param {Request} request
 */
async function answerTo(host, method, path, request) {
  if (method === 'GET' && path === 'models') return listModels(host);
  if (method === 'GET' && path.startsWith('models/')) {
    try {
      return await retrieveModel(host, path.slice('models/'.length));
    } catch (error) {
      throw codeOf(error) === 'invalid_argument'
        ? new HttpError(404, 'model_not_found', messageOf(error), 'model')
        : error;
    }
  }
  const is_known = path === 'models' || Object.hasOwn(POST, path);
  if (!is_known)
    throw new HttpError(
      404,
      'unknown_url',
      `There is no ${method} ${BASE}${path}. A model in the tab has chat/completions, ` +
        'completions, embeddings and models.',
    );
  if (path === 'models' || method !== 'POST')
    throw new HttpError(405, 'method_not_allowed', `${BASE}${path} takes no ${method}.`);
  throwIfAborted(request.signal);
  return POST[path](host, await bodyOf(request), request.signal);
}

/** @param {Request} request */
async function bodyOf(request) {
  try {
    return await request.json();
  } catch (cause) {
    throw new SiskinError('invalid_argument', 'The body of the request is no JSON.', { cause });
  }
}

/** An `HttpError` is an error that only this API has. */
class HttpError extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {string} [param]
   */
  constructor(status, code, message, param) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

/**
 * Returns an error in the form of OpenAI's API.
 *
 * @param {unknown} error
 */
function describe(error) {
  const { code, param, status } = /** @type {any} */ (error) ?? {};
  const http_status = status ?? STATUS[code] ?? 500;
  const type = http_status < 500 ? 'invalid_request_error' : 'server_error';
  // OpenAI's clients know this one by its name.
  const known = code === 'context_full' ? 'context_length_exceeded' : code;
  return {
    http_status,
    body: {
      error: { message: messageOf(error), type, param: param ?? null, code: known ?? null },
    },
  };
}

/** @param {unknown} error */
function failed(error) {
  const { http_status, body } = describe(error);
  return json(body, http_status);
}

/**
 * @param {unknown} value
 * @param {number} status
 */
function json(value, status) {
  return new Response(JSON.stringify(value), {
    status,
    headers: {
      'content-type': 'application/json',
      'x-request-id': requestId(),
      // The same request would fail in the same way.
      ...(status >= 400 && { 'x-should-retry': 'false' }),
    },
  });
}

/**
 * Returns chunks as server-sent events.
 *
 * @param {AsyncIterableIterator<unknown> & {controller: AbortController}} chunks
 * @param {AbortSignal} signal
 */
function streamed(chunks, signal) {
  const encoder = new TextEncoder();
  const line = (/** @type {unknown} */ data) => encoder.encode(`data: ${data}\n\n`);
  /** @type {() => void} */
  let abort = () => {};
  const stop = () => signal.removeEventListener('abort', abort);
  const body = new ReadableStream({
    start(events) {
      abort = () => {
        chunks.controller.abort();
        events.error(signal.reason);
      };
      signal.addEventListener('abort', abort, { once: true });
    },
    async pull(events) {
      try {
        const { done, value } = await chunks.next();
        if (signal.aborted) return;
        events.enqueue(line(done ? '[DONE]' : JSON.stringify(value)));
        if (!done) return;
      } catch (error) {
        if (signal.aborted) return;
        events.enqueue(line(JSON.stringify(describe(error).body)));
      }
      stop();
      events.close();
    },
    cancel() {
      stop();
      chunks.controller.abort();
    },
  });
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream', 'x-request-id': requestId() },
  });
}

/** Returns a name for a request, as servers give one for their logs. */
function requestId() {
  return `req-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;
}
