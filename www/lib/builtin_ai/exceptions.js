/** This module makes the exceptions of the drafts, and turns Siskin's errors into them. */
import { codeOf, messageOf } from '../errors.js';

/**
 * A `Quota` says by how much an input is too long, in tokens.
 *
 * @typedef {{quota: number | null, requested: number | null}} Quota
 */

/**
 * @typedef {DOMException & Quota} QuotaError
 * @typedef {new (message?: string, options?: Partial<Quota>) => QuotaError} QuotaErrorClass
 */

/**
 * `OwnQuotaExceededError` takes the place of the browser's class where it has none: older browsers
 * have a `DOMException` of that name without the fields.
 */
class OwnQuotaExceededError extends DOMException {
  #quota;
  #requested;

  /**
   * @param {string} [message]
   * @param {Partial<Quota>} [options]
   */
  constructor(message = '', { quota = null, requested = null } = {}) {
    super(message, 'QuotaExceededError');
    this.#quota = quota;
    this.#requested = requested;
  }

  /** How many tokens there is room for. */
  get quota() {
    return this.#quota;
  }

  /** How many tokens the input takes. */
  get requested() {
    return this.#requested;
  }
}
Object.defineProperty(OwnQuotaExceededError, 'name', { value: 'QuotaExceededError' });

/** The class of the errors for input that is too long: the browser's own where it has one. */
export const QuotaExceededError = /** @type {QuotaErrorClass} */ (
  /** @type {any} */ (globalThis).QuotaExceededError ?? OwnQuotaExceededError
);

/**
 * Returns a `DOMException`.
 *
 * @param {string} name such as `NotSupportedError`
 * @param {string} message
 * @param {unknown} [cause]
 * @returns {DOMException}
 */
export function exception(name, message, cause) {
  const error = new DOMException(message, name);
  if (cause !== undefined) Object.defineProperty(error, 'cause', { value: cause });
  return error;
}

/**
 * @param {number} requested tokens that the input takes
 * @param {number} quota tokens that there is room for
 * @returns {QuotaError}
 */
export function quotaExceeded(requested, quota) {
  return new QuotaExceededError(
    `The input takes ${requested} tokens, and there is room for ${quota}. Shorten it.`,
    { requested, quota },
  );
}

/** @param {AbortSignal} signal that has fired */
export function reasonOf(signal) {
  return signal.reason ?? exception('AbortError', 'The operation was aborted.');
}

/** Codes of a model's download that failed. */
const DOWNLOAD = ['network', 'http_status', 'file_changed', 'integrity', 'manifest'];

/**
 * Returns the exception for an error of a load.
 *
 * @param {unknown} error
 * @returns {unknown}
 */
export function loadException(error) {
  const code = codeOf(error);
  if (code === undefined) return error;
  if (code === 'aborted') return exception('AbortError', messageOf(error), error);
  const name = DOWNLOAD.includes(code) ? 'NetworkError' : 'OperationError';
  return exception(name, messageOf(error), error);
}

/**
 * Returns the exception for an error of an answer.
 *
 * @param {unknown} error
 * @returns {unknown}
 */
export function answerException(error) {
  const code = codeOf(error);
  if (typeof code !== 'string') return error;
  switch (code) {
    case 'aborted':
      return exception('AbortError', messageOf(error), error);
    case 'not_loaded':
      return exception('InvalidStateError', messageOf(error), error);
    // The second is of a schema or an expression that the engine cannot hold an answer to.
    case 'template':
    case 'invalid_argument':
      return exception('NotSupportedError', messageOf(error), error);
    default:
      return exception('UnknownError', messageOf(error), error);
  }
}
