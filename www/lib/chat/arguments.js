/** This module reads what a caller passes to methods besides a request. */
import { SiskinError } from '../errors.js';

/**
 * Returns a signal that a caller passed, or undefined where there is none.
 *
 * @param {unknown} signal
 * @returns {AbortSignal | undefined}
 * @throws {SiskinError} `invalid_argument`
 */
export function readSignal(signal) {
  if (signal === undefined || signal === null) return undefined;
  const { aborted, addEventListener } = /** @type {AbortSignal} */ (signal);
  // A signal of a frame is of another class.
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function')
    return /** @type {AbortSignal} */ (signal);
  throw invalid('`signal` must be an AbortSignal.');
}

/**
 * Returns token ids that a caller passed to a method.
 *
 * @param {string} method
 * @param {Iterable<number>} ids
 * @throws {SiskinError} `invalid_argument`
 */
export function tokenIds(method, ids) {
  const numbers = [...ids];
  if (numbers.every((id) => Number.isInteger(id) && id >= 0 && id <= 0xffffffff))
    return Uint32Array.from(numbers);
  throw invalid(`${method} takes token ids: whole numbers from 0.`);
}

/** @param {string} message */
function invalid(message) {
  return new SiskinError('invalid_argument', message);
}
