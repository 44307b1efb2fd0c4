/**
 * This module defines Siskin's errors. These codes arise in JavaScript; `invalid_argument` and
 * `not_loaded` arise in the engine too. The README's table lists the engine's own codes as well.
 *
 * - `http_status`: the server answered with a status other than success.
 * - `network`: the server could not be reached, or the connection dropped.
 * - `file_changed`: the file on the server is replaced again and again while it is fetched.
 * - `integrity`: the bytes that arrived do not have the expected SHA-256.
 * - `manifest`: the manifest of a model in shards is broken.
 * - `storage_full`: the browser's quota for this site is too small.
 * - `storage_failed`: the browser stores nothing for this page, or could not write.
 * - `in_use`: the model is being fetched at the moment.
 * - `aborted`: an AbortSignal fired, or the model was unloaded during the call.
 * - `worker_failed`: the worker did not start, or it crashed.
 * - `wasm_failed`: the WebAssembly module did not arrive or did not compile.
 * - `no_simd`: this browser has no WebAssembly SIMD.
 * - `offline_unsupported`: this page can have no service worker.
 * - `offline_failed`: the service worker did not start, does not answer, or could not fetch the
 *   site's files.
 * - `unsupported`: this is no page and no dedicated worker of a browser.
 * - `version_mismatch`: the site was deployed anew while its page was open.
 * - `invalid_argument`: an argument is of the wrong type or out of range.
 * - `not_loaded`: the model was unloaded, or with `fallback` is not loaded yet.
 */

/**
 * Every error that Siskin throws is a `SiskinError`: it has a stable `code` for programs, and a
 * sentence for people that says what to do.
 */
export class SiskinError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{cause?: unknown}} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = 'SiskinError';
    /** @type {string} */
    this.code = code;
  }
}

/** @returns {SiskinError} */
export function abortedError() {
  return new SiskinError('aborted', 'The request was stopped.');
}

/**
 * Throws `aborted` if the signal has fired.
 *
 * @param {AbortSignal | undefined | null} signal
 */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw abortedError();
}

/**
 * Returns the code of an error that the engine or this library threw. It is undefined for anything
 * else, such as a wasm trap.
 *
 * @param {unknown} error
 * @returns {string | undefined}
 */
export function codeOf(error) {
  if (error instanceof WebAssembly.RuntimeError || !(error instanceof Error)) return undefined;
  const code = /** @type {{code?: unknown}} */ (error).code;
  return typeof code === 'string' ? code : undefined;
}

/**
 * @param {unknown} error
 * @returns {string}
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
