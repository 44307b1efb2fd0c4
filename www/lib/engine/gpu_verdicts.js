/**
 * What an earlier visit found of a graphics card that does not serve a model, so that it is not
 * tried anew at each one.
 */

/** @import { KnownGpu, ModelInfo, WeightSource } from '../protocol.js' */

/** Another engine may get on with the same card: counted up when its kernels change. */
const KERNELS = 3;
const KEY = `siskin.gpu.${KERNELS}`;
/** The models of which it is remembered; the oldest go first. */
const MOST_MODELS = 20;

/**
 * What the verdict depends on beside the card: a large model may gain by it where a small one does
 * not, and two threads where eight do not.
 *
 * @param {WeightSource} source
 * @param {number} [threads]
 */
function subject(source, threads) {
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
    // Storage that is forbidden or broken knows nothing.
    return [];
  }
}

/**
 * @param {WeightSource} source
 * @param {number} [threads]
 * @returns {KnownGpu | undefined}
 */
export function recallGpu(source, threads) {
  const wanted = subject(source, threads);
  return recallAll().find(([subject]) => subject === wanted)?.[1];
}

/**
 * @param {WeightSource} source
 * @param {number | undefined} threads
 * @param {ModelInfo} info
 */
export function rememberGpu(source, threads, { adapter, gpu_refusal, gpu_refusal_code }) {
  const found = subject(source, threads);
  // What failed for want of memory may go well next time.
  if (
    found === undefined ||
    adapter === undefined ||
    (gpu_refusal !== undefined && gpu_refusal_code !== 'gpu_refused')
  )
    return;
  const all = recallAll().filter(([subject]) => subject !== found);
  if (gpu_refusal !== undefined) all.push([found, { adapter, gpu_refusal }]);
  try {
    if (all.length > 0) localStorage.setItem(KEY, JSON.stringify(all.slice(-MOST_MODELS)));
    else localStorage.removeItem(KEY);
  } catch {
    // It is tried anew at the next visit.
  }
}
