/** This module waits for models, and for what takes their place. */
import { abortedError } from '../errors.js';

/**
 * Returns a model that is not there.
 *
 * @param {unknown} error
 */
export function failedModel(error) {
  return { loading: Promise.reject(error), end: async () => {} };
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<T>}
 */
export async function orAborted(promise, signal) {
  /** @type {() => void} */
  let abort = () => {};
  const aborted = new Promise((_, reject) => (abort = () => reject(abortedError(signal?.reason))));
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return /** @type {T} */ (await Promise.race([aborted, promise]));
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
