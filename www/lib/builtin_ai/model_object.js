/** This module holds what the objects of all interfaces have in common: calls, and an end. */
import { answerException, exception, reasonOf } from './exceptions.js';
import { checkActive, joinSignals } from './signals.js';

/** A `ModelObject` is the inner part of an object: it ends its calls when it is destroyed. */
export class ModelObject {
  #controller = new AbortController();
  #release;

  /**
   * @param {() => void} release is called once, when the object is destroyed
   * @param {AbortSignal} [signal] of `create`, which destroys the object
   */
  constructor(release, signal) {
    this.#release = release;
    signal?.addEventListener('abort', () => this.destroy(reasonOf(signal)), {
      signal: this.#controller.signal,
    });
  }

  /**
   * Ends the object and its calls.
   *
   * @param {unknown} [reason]
   */
  destroy(reason = exception('AbortError', 'The object was destroyed.')) {
    if (this.#controller.signal.aborted) return;
    this.#controller.abort(reason);
    this.#release();
  }

  /**
   * Runs a call. An abort rejects it at once.
   *
   * @template T
   * @param {AbortSignal | undefined} given
   * @param {(signal: AbortSignal) => Promise<T>} operation
   * @returns {Promise<T>}
   */
  async run(given, operation) {
    checkActive();
    const { signal, close } = joinSignals([this.#controller.signal, given]);
    try {
      if (signal.aborted) throw signal.reason;
      return await new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        operation(signal).then(resolve, (error) => reject(answerException(error)));
      });
    } finally {
      close();
    }
  }

  /**
   * Runs a call that gives its text in pieces. An abort errors the stream; canceling it ends the
   * call.
   *
   * @param {AbortSignal | undefined} given
   * @param {(signal: AbortSignal, onText: (text: string) => void) => Promise<unknown>} operation
   * @returns {ReadableStream<string>}
   */
  stream(given, operation) {
    checkActive();
    const canceling = new AbortController();
    const { signal, close } = joinSignals([this.#controller.signal, given, canceling.signal]);
    if (signal.aborted) {
      close();
      throw signal.reason;
    }
    return new ReadableStream({
      start: (controller) => {
        signal.addEventListener('abort', () => controller.error(signal.reason), { once: true });
        const onText = (/** @type {string} */ text) => {
          if (!signal.aborted) controller.enqueue(text);
        };
        operation(signal, onText)
          .then(
            () => signal.aborted || controller.close(),
            (error) => controller.error(answerException(error)),
          )
          .finally(close);
      },
      cancel: () => canceling.abort(),
    });
  }
}
