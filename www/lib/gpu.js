/** What the browser says of its graphics card, before the engine starts. */
import { messageOf } from './errors.js';

/**
 * The graphics card that would compute.
 *
 * @typedef {{adapter: string} | {absent: string}} FoundGpu its name for people, or why there is none
 */

/** @returns {Promise<FoundGpu>} */
export async function findGpu() {
  const { gpu } = /** @type {{gpu?: {requestAdapter(options?: object): Promise<{info?: Record<string, string>} | null>}}} */ (globalThis.navigator);
  if (!gpu) return { absent: 'This browser has no WebGPU.' };
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return { absent: 'This browser offers no graphics card.' };
    askForSubgroups();
    const { vendor, architecture, device, description } = adapter.info ?? {};
    return { adapter: description || [vendor, architecture, device].filter(Boolean).join(' ') || 'unnamed' };
  } catch (error) {
    return { absent: `This browser offers no graphics card: ${messageOf(error)}.` };
  }
}

let asked = false;

/**
 * wgpu asks a browser for no subgroups (gfx-rs/wgpu #10146): they are added to its request, wherever the card has them.
 */
function askForSubgroups() {
  const { GPUAdapter } = /** @type {{GPUAdapter?: {prototype: any}}} */ (globalThis);
  if (asked || !GPUAdapter) return;
  asked = true;
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = function (/** @type {{requiredFeatures?: Iterable<string>}} */ descriptor = {}) {
    const requiredFeatures = new Set(descriptor.requiredFeatures);
    if (this.features.has('subgroups')) requiredFeatures.add('subgroups');
    return requestDevice.call(this, { ...descriptor, requiredFeatures: [...requiredFeatures] });
  };
}
