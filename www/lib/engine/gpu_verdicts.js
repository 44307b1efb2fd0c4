/**
 * This module remembers which graphics card was refused for which model, so that a later visit does
 * not test it again. A verdict ages: a card that was slower may have been busy, and one that was
 * wrong may have a new driver.
 */

/** @import { CacheType, KnownGpu, ModelInfo, WeightSource } from '../protocol.js' */

/**
 * A `Case` is what a verdict depends on, besides the card and the browser. A large model may gain
 * by a card where a small one does not, an engine with two threads where one with eight does not,
 * and other kernels run for another type of cache.
 *
 * @typedef {{source: WeightSource, threads: number, cache_type?: CacheType}} Case
 */

/**
 * A `Verdict` is one refusal, as it is stored.
 *
 * @typedef {object} Verdict
 * @property {string} subject the case and the browser
 * @property {string} adapter
 * @property {string} gpu_refusal
 * @property {'slower' | 'wrong'} kind
 * @property {number} time_ms when it was found
 */

const PREFIX = 'siskin.gpu.';
/**
 * The number is part of the key, and is raised when the kernels change, or the form of a verdict:
 * other kernels may run well on the same card.
 */
const KERNELS_VERSION = 4;
const KEY = `${PREFIX}${KERNELS_VERSION}`;
/** This number of verdicts is kept; the oldest are dropped first. */
const MAX_VERDICTS = 20;
const DAY_MS = 24 * 60 * 60 * 1000;
/** What made a card slower passes within a day: another program, or a battery. */
const MAX_AGE_MS = { slower: DAY_MS, wrong: 14 * DAY_MS };
/** How the engine says that it measured the card as slower (src/session/probe). */
const SLOWER = /computes faster than the GPU/;

/**
 * @param {Case} subject
 * @returns {string | undefined} undefined for a model without an address
 */
function nameOf({ source, threads, cache_type = 'f16' }) {
  if (source.kind !== 'url') return undefined;
  return JSON.stringify([source.key, threads, cache_type, navigator.userAgent]);
}

/** @returns {Verdict[]} those that are not too old */
function recallAll() {
  const now_ms = Date.now();
  try {
    const all = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return all.filter((/** @type {Verdict} */ { subject, adapter, gpu_refusal, kind, time_ms }) => {
      const age_ms = now_ms - time_ms;
      return (
        [subject, adapter, gpu_refusal].every((text) => typeof text === 'string') &&
        // A clock that was set back makes an age below 0.
        age_ms >= 0 &&
        age_ms < MAX_AGE_MS[kind]
      );
    });
  } catch {
    // Storage that is forbidden or broken holds no verdicts.
    return [];
  }
}

/** @param {Verdict[]} all */
function store(all) {
  try {
    if (all.length > 0) localStorage.setItem(KEY, JSON.stringify(all.slice(-MAX_VERDICTS)));
    else localStorage.removeItem(KEY);
  } catch {
    // The card is tested again at the next visit.
  }
}

/**
 * @param {Case} subject
 * @returns {KnownGpu[]} a page may meet several cards, in turn
 */
export function recallGpus(subject) {
  const name = nameOf(subject);
  return recallAll()
    .filter((verdict) => verdict.subject === name)
    .map(({ adapter, gpu_refusal }) => ({ adapter, gpu_refusal }));
}

/**
 * @param {Case} subject
 * @param {ModelInfo} info of the model, loaded with `backend: "auto"`
 */
export function rememberGpu(subject, { adapter, gpu_refusal, gpu_refusal_code }) {
  const name = nameOf(subject);
  // A load that failed for lack of memory may succeed next time.
  if (
    name === undefined ||
    adapter === undefined ||
    (gpu_refusal !== undefined && gpu_refusal_code !== 'gpu_refused')
  )
    return;
  const all = recallAll();
  const at = all.findIndex((verdict) => verdict.subject === name && verdict.adapter === adapter);
  // A refusal that was recalled keeps its age.
  if (at >= 0 && all[at].gpu_refusal === gpu_refusal) return;
  if (at >= 0) all.splice(at, 1);
  if (gpu_refusal !== undefined)
    all.push({
      subject: name,
      adapter,
      gpu_refusal,
      kind: SLOWER.test(gpu_refusal) ? 'slower' : 'wrong',
      time_ms: Date.now(),
    });
  store(all);
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
