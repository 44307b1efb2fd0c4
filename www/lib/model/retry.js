/** This module retries requests whose errors may pass. */
import { SiskinError, abortedError, codeOf, throwIfAborted } from '../errors.js';
import { HttpError } from './http.js';

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
