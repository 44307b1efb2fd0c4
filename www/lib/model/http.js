/**
 * This module sends single HTTP requests: it checks the response, and retries errors that may pass.
 */
import { publicAddress } from './address.js';
import { SiskinError, abortedError, codeOf, throwIfAborted } from '../errors.js';

/** A connection that delivers nothing for this long counts as dead. */
const STALL_MS = 30_000;
/** The network's bytes are read into a buffer of this size. */
const PIECE_BYTES = 256 << 10;
/** A request fails if the server's Retry-After is longer than this. */
const MAX_RETRY_AFTER_MS = 60_000;
/** These statuses are sent by servers that are busy or restarting. */
const RETRYABLE_STATUSES = [408, 429, 500, 502, 503, 504];
/**
 * A `RetryPlan` says how long errors that may pass are put up with: through `delays_ms`, and after
 * them with the last delay again and again until `patience_ms` have gone since the first error.
 *
 * @typedef {{delays_ms: number[], patience_ms: number}} RetryPlan
 */

/** A lost connection is waited for this long, as in a tunnel or a lift. */
const PATIENCE_MS = 5 * 60_000;
/** Without a network an attempt is made this often, because the browser may be wrong about it. */
const OFFLINE_POLL_MS = 15_000;
/**
 * A first request is retried only briefly, because the person who waits for it may have mistyped
 * the address.
 *
 * @type {RetryPlan}
 */
export const FIRST_REQUEST = { delays_ms: [300, 900], patience_ms: 0 };
/**
 * Once bytes have arrived the address is right, and the connection may come back.
 *
 * @type {RetryPlan}
 */
export const LATER_REQUEST = {
  delays_ms: [500, 1000, 2000, 4000, 8000, 15_000],
  patience_ms: PATIENCE_MS,
};
/**
 * There is one retry without ranges, because each fetches the whole file again.
 *
 * @type {RetryPlan}
 */
export const WHOLE_FILE = { delays_ms: [500], patience_ms: 0 };
/**
 * The browser's HTTP cache is bypassed, because it would keep a second copy of the model.
 *
 * @type {RequestInit}
 */
export const NO_STORE = { cache: 'no-store' };

export const CONNECTION_BROKEN =
  'The connection broke before the model had arrived. Check it and try again.';

/** An `HttpError` is a response whose status is not success. */
export class HttpError extends SiskinError {
  /**
   * @param {Response} response
   * @param {string} [url] that was asked for
   */
  constructor(response, url = response.url) {
    const { status, statusText } = response;
    const advice =
      status === 404
        ? `There is no such file${url ? ` at ${publicAddress(url)}` : ''}: check the address.`
        : status === 401 || status === 403
          ? 'The file may need a login or an accepted licence: download it by hand and open ' +
            'the file.'
          : status === 429
            ? 'Wait a little and try again.'
            : status >= 500
              ? 'The trouble is on the server: try again later.'
              : 'Check the address.';
    super(
      'http_status',
      `The server answered ${status}${statusText ? ` ${statusText}` : ''}. ${advice}`,
    );
    this.status = status;
    this.retry_after_ms = retryAfterMs(response);
  }
}

/**
 * @param {Response} response
 * @returns {number} 0 where the server does not say
 */
function retryAfterMs(response) {
  const text = response.headers.get('Retry-After');
  if (!text) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return ms > 0 ? ms : 0;
}

/**
 * @param {Response} response
 * @param {string} [url] that was asked for
 * @throws {HttpError}
 */
export function checkStatus(response, url) {
  if (!response.ok) throw new HttpError(response, url);
}

/**
 * @typedef {object} RequestOptions
 * @property {[number, number]} [range] first and last byte
 * @property {AbortSignal} signal
 */

/**
 * Sends a request and returns the response, whose status is success.
 *
 * @param {string} url
 * @param {RequestInit} init
 * @param {RequestOptions} options
 * @returns {Promise<Response>}
 * @throws {SiskinError} `network`, `http_status`, `aborted`
 */
export async function request(url, init, { range, signal }) {
  const headers = new Headers(init.headers);
  if (range) headers.set('Range', `bytes=${range[0]}-${range[1]}`);
  const stalled = new AbortController();
  const timer = setTimeout(() => stalled.abort(), STALL_MS);
  const abort = () => stalled.abort();
  signal.addEventListener('abort', abort, { once: true });
  let response;
  try {
    throwIfAborted(signal);
    response = await fetch(url, { ...init, headers, signal: stalled.signal });
  } catch (cause) {
    throwIfAborted(signal);
    const host = new URL(url).host || 'the address';
    throw new SiskinError(
      'network',
      `Could not reach ${host}. Check the connection and the address, and that the server ` +
        'allows this page to read from it (CORS).',
      { cause },
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
  if (!response.ok) response.body?.cancel().catch(() => {});
  checkStatus(response, url);
  return response;
}

/**
 * Yields the bytes of a response as they arrive; each piece is valid until the next one. Leaving
 * the loop ends the connection.
 *
 * @param {Response} response
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>}
 * @throws {SiskinError} `network`, `aborted`
 */
export async function* readBody(response, signal) {
  if (!response.body) return;
  const reader = pieceReader(response.body);
  /** @type {SiskinError | undefined} */
  let stopped;
  const stop = (/** @type {SiskinError} */ error) => {
    stopped ??= error;
    reader.cancel();
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const abort = () => stop(abortedError());
  signal.addEventListener('abort', abort, { once: true });
  try {
    throwIfAborted(signal);
    for (;;) {
      timer = setTimeout(() => stop(new SiskinError('network', CONNECTION_BROKEN)), STALL_MS);
      const piece = await reader.read();
      clearTimeout(timer);
      if (stopped) throw stopped;
      if (!piece) return;
      yield piece;
    }
  } catch (cause) {
    if (cause instanceof SiskinError) throw cause;
    throw stopped ?? new SiskinError('network', CONNECTION_BROKEN, { cause });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    reader.cancel();
  }
}

/**
 * Returns a reader that fills the same buffer again and again where the browser can: a new buffer
 * for each piece would leave as much garbage as the model is large.
 *
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {{read: () => Promise<Uint8Array<ArrayBuffer> | undefined>, cancel: () => void}}
 */
function pieceReader(body) {
  /** @type {ReadableStreamBYOBReader} */
  let reader;
  try {
    reader = body.getReader({ mode: 'byob' });
  } catch {
    const reader = body.getReader();
    return {
      read: async () => (await reader.read()).value,
      cancel: () => void reader.cancel().catch(() => {}),
    };
  }
  let buffer = new ArrayBuffer(PIECE_BYTES);
  const read = async () => {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done || !value) return undefined;
    buffer = value.buffer;
    return value;
  };
  return { read, cancel: () => void reader.cancel().catch(() => {}) };
}

/**
 * Tells whether the browser says that it has no network. It may be wrong, so it is asked only after
 * a failure.
 */
export function isOffline() {
  return globalThis.navigator?.onLine === false;
}

/**
 * Runs `attempt`, and runs it again after growing delays while its errors may pass. Without a
 * network the plan does not matter: it is waited for, for some minutes.
 *
 * @template T
 * @param {() => Promise<T>} attempt
 * @param {object} options
 * @param {RetryPlan} options.plan
 * @param {AbortSignal} options.signal
 * @param {() => number} [options.progress] a figure that has grown since the last failure forgives
 *   all failures
 * @returns {Promise<T>}
 */
export async function retry(attempt, { plan, signal, progress = () => 0 }) {
  const { delays_ms, patience_ms } = plan;
  let failures = 0;
  let since_ms = 0;
  for (let reached = progress(); ;) {
    try {
      return await attempt();
    } catch (error) {
      throwIfAborted(signal);
      if (progress() > reached) failures = since_ms = 0;
      reached = progress();
      const wait_ms = error instanceof HttpError ? error.retry_after_ms : 0;
      if (!isRetryable(error) || wait_ms > MAX_RETRY_AFTER_MS) throw error;
      since_ms ||= Date.now();
      const waited_ms = Date.now() - since_ms;
      const offline = codeOf(error) === 'network' && isOffline();
      if (
        waited_ms >= Math.max(patience_ms, offline ? PATIENCE_MS : 0) &&
        (offline || failures >= delays_ms.length)
      )
        throw waited_ms >= PATIENCE_MS ? lostError(error) : error;
      const delay_ms = delays_ms[Math.min(failures, delays_ms.length - 1)];
      if (!offline) failures += 1;
      // Random delays keep requests that failed together from coming back together.
      const spread_ms = (offline ? OFFLINE_POLL_MS : delay_ms) * (0.75 + Math.random() / 2);
      await sleep(Math.max(spread_ms, wait_ms), signal, wait_ms === 0);
    }
  }
}

/** @param {unknown} error the last one */
function lostError(error) {
  if (codeOf(error) !== 'network') return error;
  return new SiskinError(
    'network',
    `The connection was lost and did not come back within ${PATIENCE_MS / 60_000} minutes. What ` +
      'has arrived is kept: check the connection and load the model again.',
    { cause: error },
  );
}

/** @param {unknown} error */
function isRetryable(error) {
  if (error instanceof HttpError) return RETRYABLE_STATUSES.includes(error.status);
  return codeOf(error) === 'network';
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @param {boolean} until_online whether the browser's word that the network is back ends the sleep
 * @returns {Promise<void>}
 * @throws {SiskinError} `aborted`
 */
function sleep(ms, signal, until_online) {
  return new Promise((resolve, reject) => {
    const end = new AbortController();
    const wake = () => {
      clearTimeout(timer);
      end.abort();
      resolve();
    };
    const timer = setTimeout(wake, ms);
    const options = { once: true, signal: end.signal };
    signal.addEventListener(
      'abort',
      () => {
        reject(abortedError());
        wake();
      },
      options,
    );
    if (until_online) globalThis.addEventListener?.('online', wake, options);
  });
}

/**
 * @param {Response} response
 * @returns {number | null} null where the server does not tell
 */
export function contentLength(response) {
  // The length of a compressed response is not that of the file.
  if (isEncoded(response)) return null;
  const length = Number(response.headers.get('Content-Length'));
  return Number.isSafeInteger(length) && length > 0 ? length : null;
}

/**
 * @param {Response} response
 * @returns {boolean} whether it came compressed
 */
export function isEncoded(response) {
  const encoding = response.headers.get('Content-Encoding');
  return encoding !== null && encoding !== '' && encoding !== 'identity';
}

/**
 * @param {Response} response
 * @returns {{first: number, size_bytes: number} | undefined} the part's first byte and
 *   the file's size; undefined where the server does not tell
 */
export function contentRange(response) {
  const match = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '');
  if (!match) return undefined;
  const [first, size_bytes] = [Number(match[1]), Number(match[2])];
  return Number.isSafeInteger(size_bytes) && first < size_bytes ? { first, size_bytes } : undefined;
}

/**
 * Returns the ETag or Last-Modified of a response, which changes when the file does.
 *
 * @param {Response} response
 * @returns {string | null} null where the server sends no such header, or hides it (CORS)
 */
export function validator(response) {
  const etag = response.headers.get('ETag')?.replace(/^W\//, '');
  return etag ?? response.headers.get('Last-Modified');
}

/**
 * Returns the error of a file that is replaced again and again while it is fetched.
 *
 * @param {string} url
 */
export function changedError(url) {
  return new SiskinError(
    'file_changed',
    `The file at ${publicAddress(url)} keeps changing while it is fetched. Wait until the server ` +
      'has all of the new one, and try again.',
  );
}

/**
 * Returns the error of a file that was replaced once while it was being loaded.
 *
 * @param {string} url
 */
export function replacedError(url) {
  return new SiskinError(
    'file_changed',
    `The file at ${publicAddress(url)} was replaced while it was being loaded. Try again.`,
  );
}
