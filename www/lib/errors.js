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
 * - `aborted`: an AbortSignal fired, the model was unloaded during the call, or nobody read the
 *   answer's stream while another request waited.
 * - `engine_gone`: the engine that another page ran is gone, and the call could not go on.
 * - `worker_failed`: the worker did not start, or it crashed.
 * - `wasm_failed`: the WebAssembly module did not arrive or did not compile.
 * - `no_simd`: this browser has no WebAssembly SIMD.
 * - `offline_unsupported`: this page can have no service worker.
 * - `offline_failed`: the service worker did not start, does not answer, or could not fetch the
 *   site's files.
 * - `unsupported`: this is no page and no dedicated worker of a browser.
 * - `version_mismatch`: page, engine, threads or wasm are of different builds: the site was
 *   deployed anew while its page was open.
 * - `prefix_mismatch`: a saved prefix is of another model, build or chat template.
 * - `invalid_argument`: an argument is of the wrong type or out of range.
 * - `not_loaded`: the model was unloaded, or with `fallback` is not loaded yet.
 */

/**
 * A `SiskinErrorCode` says what went wrong. A code never changes its meaning between releases.
 *
 * @typedef {'aborted' | 'architecture' | 'busy' | 'context_full' | 'engine_gone'
 *   | 'file_changed' | 'gguf_malformed' | 'gguf_split' | 'gguf_tensor_misaligned'
 *   | 'gguf_tensor_overlap' | 'gguf_truncated' | 'gguf_version' | 'gpu_lost'
 *   | 'gpu_out_of_memory' | 'gpu_refused' | 'gpu_slower' | 'gpu_unavailable'
 *   | 'gpu_unsupported' | 'html_not_model' | 'http_status' | 'in_use' | 'integrity'
 *   | 'invalid_argument' | 'manifest' | 'metadata' | 'network' | 'no_simd'
 *   | 'not_finite' | 'not_gguf' | 'not_loaded' | 'offline_failed'
 *   | 'offline_unsupported' | 'out_of_memory' | 'prefix_mismatch' | 'storage_failed'
 *   | 'storage_full' | 'template' | 'tensor_missing' | 'tensor_not_finite' | 'tensor_shape'
 *   | 'tensor_type' | 'tokenizer' | 'unsupported' | 'version_mismatch' | 'wasm_failed'
 *   | 'worker_failed'} SiskinErrorCode
 */

/**
 * Every error that Siskin throws is a `SiskinError`: it has a stable `code` for programs, and a
 * sentence for people that says what to do. The `name` is `AbortError`, as of `fetch`, where the
 * code is `aborted`; `cause` is then the reason of the signal.
 */
export class SiskinError extends Error {
  /**
   * @param {SiskinErrorCode} code
   * @param {string} message
   * @param {{cause?: unknown}} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = code === 'aborted' ? 'AbortError' : 'SiskinError';
    /** @type {SiskinErrorCode} */
    this.code = code;
    /**
     * `param` is the path of what is wrong with an argument, such as `messages[0].role`; it is
     * undefined where the message names none.
     *
     * @type {string | undefined}
     */
    this.param = code === 'invalid_argument' ? /`([^`\s]+)`/.exec(message)?.[1] : undefined;
  }
}

/**
 * @param {unknown} [reason] of the signal
 * @returns {SiskinError}
 */
export function abortedError(reason) {
  const options = reason === undefined ? undefined : { cause: reason };
  return new SiskinError('aborted', 'The request was stopped.', options);
}

/** @returns {SiskinError} */
export function versionMismatch() {
  return new SiskinError(
    'version_mismatch',
    'The page and its engine are of different versions of Siskin: the site was updated ' +
      'meanwhile. Reload the page.',
  );
}

/**
 * Throws `aborted` if the signal has fired.
 *
 * @param {AbortSignal | undefined | null} signal
 */
export function throwIfAborted(signal) {
  if (signal?.aborted) throw abortedError(signal.reason);
}

/**
 * Returns the code of an error that the engine or this library threw, in this realm or another. It
 * is undefined for anything else, such as a wasm trap or a DOMException.
 *
 * @param {unknown} error
 * @returns {SiskinErrorCode | undefined}
 */
export function codeOf(error) {
  const code = /** @type {{code?: unknown} | null | undefined} */ (error)?.code;
  return typeof code === 'string' ? /** @type {SiskinErrorCode} */ (code) : undefined;
}

/**
 * @param {unknown} error
 * @returns {string}
 */
export function messageOf(error) {
  const message = /** @type {{message?: unknown} | null | undefined} */ (error)?.message;
  return typeof message === 'string' ? message : String(error);
}

/** @throws {SiskinError} `unsupported` where no engine can be started */
export function throwIfUnsupported() {
  if (globalThis.Worker && globalThis.location) return;
  throw new SiskinError(
    'unsupported',
    'Siskin runs in browsers: load the model in a page or in a dedicated worker. Node, server ' +
      'components and service workers cannot start its engine.',
  );
}
