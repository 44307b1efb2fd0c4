/** This module joins abort signals: `AbortSignal.any` is younger than the browsers we run in. */
import { exception, reasonOf } from './exceptions.js';

/**
 * A `Joined` signal fires when one of several does. `close` lets go of them.
 *
 * @typedef {{signal: AbortSignal, close: () => void}} Joined
 */

/**
 * @param {(AbortSignal | undefined)[]} signals
 * @returns {Joined}
 */
export function joinSignals(signals) {
  const controller = new AbortController();
  const given = signals.filter((signal) => signal !== undefined);
  const listeners = given.map((signal) => () => controller.abort(reasonOf(signal)));
  const close = () =>
    given.forEach((signal, index) => signal.removeEventListener('abort', listeners[index]));
  const fired = given.find((signal) => signal.aborted);
  if (fired) controller.abort(reasonOf(fired));
  else given.forEach((signal, index) => signal.addEventListener('abort', listeners[index]));
  return { signal: controller.signal, close };
}

/**
 * Returns a promise that rejects with the reason of a signal when it fires, and settles as
 * `promise` does otherwise.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<T>}
 */
export function orAborted(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(reasonOf(signal));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * Throws where the page of this code is gone, such as that of a frame which was removed.
 *
 * @throws {DOMException} `InvalidStateError`
 */
export function checkActive() {
  const { document } = globalThis;
  if (document && !document.defaultView)
    throw exception('InvalidStateError', 'The document is not fully active.');
}
