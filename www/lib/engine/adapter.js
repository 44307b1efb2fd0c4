/** What the browser says of its graphics card, before the engine starts. */
import { SiskinError, messageOf } from '../errors.js';

/** @import { KnownGpu } from '../protocol.js' */

/**
 * The graphics card that would compute: its name for people, and why it does not. Without a name
 * there is none.
 *
 * @typedef {{adapter?: string, refusal?: SiskinError}} FoundGpu
 */

/** @typedef {Record<'vendor' | 'architecture' | 'device' | 'description', string> & {isFallbackAdapter?: boolean}} AdapterInfo of WebGPU */

/** The names of adapters that compute on the processor, which the engine's own CPU path does faster. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render/i;

/**
 * @param {KnownGpu} [known] what an earlier visit found
 * @returns {Promise<FoundGpu>}
 */
export async function findGpu(known) {
  const { gpu } =
    /** @type {{gpu?: {requestAdapter(options?: object): Promise<{info?: AdapterInfo} | null>}}} */ (
      globalThis.navigator
    );
  if (!gpu) return { refusal: new SiskinError('gpu_unavailable', 'This browser has no WebGPU.') };
  try {
    const found = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!found)
      return {
        refusal: new SiskinError('gpu_unavailable', 'This browser offers no graphics card.'),
      };
    askForSubgroups();
    const { vendor, architecture, device, description } = found.info ?? {};
    const adapter =
      description || [vendor, architecture, device].filter(Boolean).join(' ') || 'unnamed';
    if (found.info?.isFallbackAdapter || SOFTWARE.test(adapter)) {
      const message = `This browser offers no graphics card, only a program that plays one (${adapter}).`;
      return { adapter, refusal: new SiskinError('gpu_unavailable', message) };
    }
    return {
      adapter,
      ...(known?.adapter === adapter && {
        refusal: new SiskinError('gpu_refused', known.gpu_refusal),
      }),
    };
  } catch (error) {
    return {
      refusal: new SiskinError(
        'gpu_unavailable',
        `This browser offers no graphics card: ${messageOf(error)}.`,
      ),
    };
  }
}

let asked = false;

/**
 * wgpu asks a browser for no subgroups (gfx-rs/wgpu #10146): they are added to its request,
 * wherever the card has them.
 */
function askForSubgroups() {
  const { GPUAdapter } = /** @type {{GPUAdapter?: {prototype: any}}} */ (globalThis);
  if (asked || !GPUAdapter) return;
  asked = true;
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
        // What an adapter promises its devices may lack.
      }
    }
    return requestDevice.call(this, descriptor);
  };
}
