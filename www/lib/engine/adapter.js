/** This module reads what the browser says of its graphics card, before the engine starts. */
import { SiskinError, messageOf } from '../errors.js';

/** @import { KnownGpu } from '../protocol.js' */

/**
 * A `FoundGpu` is the graphics card that would compute: its name for people, the features that
 * worked on it, and the reason why it does not compute. There is no card if the name is absent.
 *
 * @typedef {{adapter?: string, features?: string[], refusal?: SiskinError}} FoundGpu
 */

/**
 * `AdapterInfo` is WebGPU's GPUAdapterInfo.
 *
 * @typedef {object} AdapterInfo
 * @property {string} vendor
 * @property {string} architecture
 * @property {string} device
 * @property {string} description
 * @property {boolean} [isFallbackAdapter]
 */

/**
 * `Gpu` is WebGPU's navigator.gpu.
 *
 * @typedef {{requestAdapter(options?: object): Promise<{info?: AdapterInfo} | null>}} Gpu
 */

/**
 * Adapters with these names compute on the processor, which the engine's own CPU backend does
 * faster.
 */
const SOFTWARE_ADAPTERS = /swiftshader|llvmpipe|lavapipe|basic render/i;

/**
 * @param {KnownGpu[]} known what earlier visits found
 * @returns {Promise<FoundGpu>}
 */
export async function findGpu(known) {
  const { gpu } = /** @type {{gpu?: Gpu}} */ (globalThis.navigator);
  if (!gpu) return { refusal: new SiskinError('gpu_unavailable', 'This browser has no WebGPU.') };
  try {
    const found = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!found)
      return {
        refusal: new SiskinError('gpu_unavailable', 'This browser offers no graphics card.'),
      };
    if (!patched) {
      requestSubgroups();
      writeSharedMemory();
      patched = true;
    }
    const { vendor, architecture, device, description } = found.info ?? {};
    const adapter =
      description || [vendor, architecture, device].filter(Boolean).join(' ') || 'unnamed';
    const {
      gpu_features: features,
      gpu_refusal,
      gpu_refusal_code,
    } = known.find((gpu) => gpu.adapter === adapter) ?? {};
    if (found.info?.isFallbackAdapter || SOFTWARE_ADAPTERS.test(adapter)) {
      const message =
        'This browser offers no graphics card, only a program that plays one ' + `(${adapter}).`;
      return { adapter, features, refusal: new SiskinError('gpu_unavailable', message) };
    }
    if (gpu_refusal_code === undefined) return { adapter, features };
    return { adapter, features, refusal: new SiskinError(gpu_refusal_code, gpu_refusal ?? '') };
  } catch (error) {
    return {
      refusal: new SiskinError(
        'gpu_unavailable',
        `This browser offers no graphics card: ${messageOf(error)}.`,
      ),
    };
  }
}

let patched = false;

/**
 * Adds subgroups to wgpu's request for a device, wherever the adapter has them: wgpu does not ask a
 * browser for them (gfx-rs/wgpu #10146).
 */
function requestSubgroups() {
  const { GPUAdapter } = /** @type {{GPUAdapter?: {prototype: any}}} */ (globalThis);
  if (!GPUAdapter) return;
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (
    /** @type {{requiredFeatures?: Iterable<string>}} */ descriptor = {},
  ) {
    if (this.features.has('subgroups')) {
      try {
        return await requestDevice.call(this, {
          ...descriptor,
          requiredFeatures: [...(descriptor.requiredFeatures ?? []), 'subgroups'],
        });
      } catch {
        // A device may lack a feature that its adapter promises.
      }
    }
    return requestDevice.call(this, descriptor);
  };
}

/**
 * Makes `writeBuffer` take shared memory, which wgpu gives it in the `threads` build: WebGPU allows
 * that, but Firefox throws a TypeError (emscripten-core/emscripten #23149).
 */
function writeSharedMemory() {
  const { GPUQueue } = /** @type {{GPUQueue?: {prototype: any}}} */ (globalThis);
  if (!GPUQueue) return;
  const { writeBuffer } = GPUQueue.prototype;
  let takes_shared = true;
  GPUQueue.prototype.writeBuffer = function (
    /** @type {unknown} */ buffer,
    /** @type {number} */ offset,
    /** @type {Uint8Array} */ data,
    /** @type {number[]} */ ...range
  ) {
    if (takes_shared) {
      try {
        return writeBuffer.call(this, buffer, offset, data, ...range);
      } catch (error) {
        if (!(error instanceof TypeError) || data.buffer instanceof ArrayBuffer) throw error;
        takes_shared = false;
      }
    }
    return writeBuffer.call(this, buffer, offset, data.slice(), ...range);
  };
}
