/** What an earlier visit found of a graphics card that does not serve, so that it is not tried anew at each one. */

/** @import { KnownGpu, ModelInfo } from './protocol.js' */

/** Another engine may get on with the same card: counted up when its kernels change. */
const KERNELS = 1;
const KEY = `siskin.gpu.${KERNELS}`;

/** @returns {KnownGpu | undefined} */
export function recallGpu() {
  try {
    const known = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    return typeof known?.adapter === 'string' && typeof known.gpu_refusal === 'string' ? known : undefined;
  } catch {
    // Storage that is forbidden or broken knows nothing.
    return undefined;
  }
}

/** @param {ModelInfo} info */
export function rememberGpu({ adapter, gpu_refusal, gpu_refusal_code }) {
  // What failed for want of memory may go well next time.
  if (adapter === undefined || (gpu_refusal !== undefined && gpu_refusal_code !== 'gpu_refused')) return;
  try {
    if (gpu_refusal === undefined) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify({ adapter, gpu_refusal }));
  } catch {
    // It is tried anew at the next visit.
  }
}
