/**
 * This module recalls what was found of a graphics card with a model, so that a later visit does
 * not find it again: that the card was refused, or which features worked. A verdict ages: a card
 * that was slower may have been busy, and one that was wrong may have a new driver.
 */

/** @import { CacheType, KnownGpu, WeightSource } from '../protocol.js' */

/**
 * A `Case` is what a verdict depends on, besides the card and the browser. A large model may gain
 * by a card where a small one does not, an engine with two threads where one with eight does not,
 * and other kernels run for another type of cache.
 *
 * @typedef {{source: WeightSource, threads: number, cache_type?: CacheType}} Case
 */

/**
 * A `Verdict` is what was found, `gpu_features` or a refusal with its code, as it is stored: with
 * the case and the browser (`subject`), and when it was found.
 *
 * @typedef {KnownGpu & {subject: string, time_ms: number}} Verdict
 */

const PREFIX = 'siskin.gpu.';
/**
 * The number is part of the key, and is raised when the kernels change, or the form of a verdict:
 * other kernels may run well on the same card.
 */
const KERNELS_VERSION = 5;
export const KEY = `${PREFIX}${KERNELS_VERSION}`;
const DAY_MS = 24 * 60 * 60 * 1000;
/** What made a card slower passes within a day: another program, or a battery. */
const SLOWER_MAX_AGE_MS = DAY_MS;
/** A kernel that was wrong becomes right by a new driver. */
const WRONG_MAX_AGE_MS = 14 * DAY_MS;

/**
 * @param {Case} subject
 * @returns {string | undefined} undefined for a model without an address
 */
export function nameOf({ source, threads, cache_type = 'f16' }) {
  if (source.kind !== 'url') return undefined;
  return JSON.stringify([source.key, threads, cache_type, navigator.userAgent]);
}

/** @param {unknown} value */
const isString = (value) => typeof value === 'string';

/**
 * Returns how long a verdict is kept, which is not at all if it has no form of a verdict.
 *
 * @param {Verdict} verdict
 */
export function maxAgeMs({ subject, adapter, gpu_features, gpu_refusal, gpu_refusal_code }) {
  if (!isString(subject) || !isString(adapter)) return 0;
  if (gpu_features !== undefined)
    return Array.isArray(gpu_features) && gpu_features.every(isString) ? WRONG_MAX_AGE_MS : 0;
  if (!isString(gpu_refusal)) return 0;
  if (gpu_refusal_code === 'gpu_slower') return SLOWER_MAX_AGE_MS;
  return gpu_refusal_code === 'gpu_refused' ? WRONG_MAX_AGE_MS : 0;
}

/** @returns {Verdict[]} those that are not too old */
export function recallAll() {
  const now_ms = Date.now();
  try {
    const all = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return all.filter((/** @type {Verdict} */ verdict) => {
      const age_ms = now_ms - verdict.time_ms;
      // A clock that was set back makes an age below 0.
      return age_ms >= 0 && age_ms < maxAgeMs(verdict);
    });
  } catch {
    // Storage that is forbidden or broken holds no verdicts.
    return [];
  }
}

/**
 * @param {Case} subject
 * @returns {KnownGpu[]} one for each card, which a page may meet in turn
 */
export function recallGpus(subject) {
  const name = nameOf(subject);
  /** @type {Map<string, KnownGpu>} */
  const known = new Map();
  for (const { subject, time_ms: _time_ms, ...found } of recallAll())
    if (subject === name) known.set(found.adapter, { ...known.get(found.adapter), ...found });
  return [...known.values()];
}

/** Forgets all verdicts, also those of older versions. */
export function forgetGpus() {
  try {
    for (const key of Object.keys(localStorage))
      if (key.startsWith(PREFIX)) localStorage.removeItem(key);
  } catch {
    // Storage that is forbidden holds none.
  }
}
