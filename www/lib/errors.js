/**
 * Codes that arise in JavaScript; the last two arise in the engine too, and all others there alone
 * (see the README's table).
 *
 * - `http_status`: the server answered with something other than success.
 * - `network`: the server could not be reached, or the connection dropped.
 * - `file_changed`: the file on the server is replaced again and again while it is fetched.
 * - `integrity`: what came is not what its SHA-256 says.
 * - `manifest`: the manifest of a model in shards is broken.
 * - `storage_full`: the browser gives this site too little room.
 * - `storage_failed`: the browser keeps nothing for this page, or could not write.
 * - `in_use`: the model is just being fetched.
 * - `aborted`: an AbortSignal fired, or the model was unloaded meanwhile.
 * - `worker_failed`: the worker did not start, or it crashed.
 * - `wasm_failed`: the WebAssembly module did not arrive or did not compile.
 * - `no_simd`: this browser has no WebAssembly SIMD.
 * - `invalid_argument`: an argument is of the wrong type or out of range.
 * - `not_loaded`: the model was unloaded, or with `fallback` is not there yet.
 * - `offline_unsupported`: this page can have no service worker.
 * - `offline_failed`: the service worker did not start, does not answer, or could not fetch the
 *   site's files.
 */

/**
 * The one error that Siskin throws: a stable `code` for programs, a sentence that says what to do
 * for people.
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
 * The code of an error thrown by the engine or by this library; undefined for anything else, such
 * as a wasm trap.
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
