/**
 * This module remembers which graphics card was refused for which model, so that a later visit does
 * not test it again.
 */

/** @import { KnownGpu, ModelInfo, WeightSource } from '../protocol.js' */

/**
 * The number is part of the key, and is raised when the kernels change: other kernels may run well
 * on the same card.
 */
const KERNELS_VERSION = 3;
const KEY = `siskin.gpu.${KERNELS_VERSION}`;
/** Verdicts are kept for this many models; the oldest are dropped first. */
const MAX_MODELS = 20;

/**
 * Returns the key of a verdict. A large model may gain by a card where a small one does not, and an
 * engine with two threads where one with eight does not.
 *
 * @param {WeightSource} source
 * @param {number} [threads]
 */
function verdictKey(source, threads) {
  return source.kind === 'url' ? `${threads ?? ''} ${source.url}` : undefined;
}

/** @returns {[string, KnownGpu][]} */
function recallAll() {
  try {
    const all = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(all)
      ? all.filter(
          (entry) =>
            typeof entry?.[1]?.adapter === 'string' && typeof entry[1].gpu_refusal === 'string',
        )
      : [];
  } catch {
    // Storage that is forbidden or broken holds no verdicts.
    return [];
  }
}

/**
 * @param {WeightSource} source
 * @param {number} [threads]
 * @returns {KnownGpu | undefined}
 */
export function recallGpu(source, threads) {
  const wanted = verdictKey(source, threads);
  return recallAll().find(([subject]) => subject === wanted)?.[1];
}

/**
 * @param {WeightSource} source
 * @param {number | undefined} threads
 * @param {ModelInfo} info
 */
export function rememberGpu(source, threads, { adapter, gpu_refusal, gpu_refusal_code }) {
  const key = verdictKey(source, threads);
  // A load that failed for lack of memory may succeed next time.
  if (
    key === undefined ||
    adapter === undefined ||
    (gpu_refusal !== undefined && gpu_refusal_code !== 'gpu_refused')
  )
    return;
  const all = recallAll().filter(([subject]) => subject !== key);
  if (gpu_refusal !== undefined) all.push([key, { adapter, gpu_refusal }]);
  try {
    if (all.length > 0) localStorage.setItem(KEY, JSON.stringify(all.slice(-MAX_MODELS)));
    else localStorage.removeItem(KEY);
  } catch {
    // The card is tested again at the next visit.
  }
}
