/** This module sends single HTTP requests and reads their bodies. */
import { SiskinError, abortedError, throwIfAborted } from '../errors.js';
import { checkStatus } from './http.js';

/** A connection that delivers nothing for this long counts as dead. */
const STALL_MS = 30_000;
/** The network's bytes are read into a buffer of this size. */
const PIECE_BYTES = 256 << 10;
/**
 * The browser's HTTP cache is bypassed, because it would keep a second copy of the model.
 *
 * @type {RequestInit}
 */
export const NO_STORE = { cache: 'no-store' };

export const CONNECTION_BROKEN =
  'The connection broke before the model had arrived. Check it and try again.';

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
        'lets this page read from it (CORS).',
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
    // Only now nobody reads the last piece any more.
    reader.free();
  }
}

/**
 * Holds the buffers of readers that have ended, for the next ones.
 *
 * @type {ArrayBuffer[]}
 */
const free_buffers = [];

/**
 * Returns a reader that fills the same buffer again and again where the browser can: a new buffer
 * for each piece would leave as much garbage as the model is large, and one for each request an
 * eighth of that.
 *
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {{
 *   read: () => Promise<Uint8Array<ArrayBuffer> | undefined>,
 *   cancel: () => void,
 *   free: () => void,
 * }} `free` is called once, at the end
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
      free() {},
    };
  }
  /** @type {ArrayBuffer | undefined} undefined while the browser has it, and in the end */
  let buffer = free_buffers.pop() ?? new ArrayBuffer(PIECE_BYTES);
  const read = async () => {
    const view = buffer && new Uint8Array(buffer);
    buffer = undefined;
    if (!view) return undefined;
    const { done, value } = await reader.read(view);
    buffer = value?.buffer;
    return done ? undefined : value;
  };
  return {
    read,
    cancel: () => void reader.cancel().catch(() => {}),
    free: () => buffer && void free_buffers.push(buffer),
  };
}
