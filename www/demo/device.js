/** This module finds out what the visitor's device has, before anything is downloaded. */
import { formatBytes, formatCount } from './format.js';

/**
 * @typedef {object} Device
 * @property {number} cores
 * @property {boolean} isolated whether more than one thread can compute
 * @property {string} [gpu] the graphics card's name; absent where the browser offers none
 * @property {number} [memory_bytes] at least so much; most browsers do not tell
 * @property {number} [free_bytes] what the browser would keep for this site
 */

/** Adapters with these names compute on the processor. */
const SOFTWARE_ADAPTERS = /swiftshader|llvmpipe|lavapipe|basic render/i;

/** @returns {Promise<Device>} */
export async function checkDevice() {
  const { hardwareConcurrency, deviceMemory } = /** @type {Navigator & {deviceMemory?: number}} */ (
    navigator
  );
  const [gpu, free_bytes] = await Promise.all([findGpu(), freeBytes()]);
  return {
    cores: hardwareConcurrency || 1,
    isolated: globalThis.crossOriginIsolated === true,
    gpu,
    memory_bytes: deviceMemory && deviceMemory * 2 ** 30,
    free_bytes,
  };
}

/** @returns {Promise<string | undefined>} */
async function findGpu() {
  const { gpu } = /** @type {{gpu?: {requestAdapter(): Promise<any>}}} */ (
    /** @type {unknown} */ (navigator)
  );
  try {
    const info = (await gpu?.requestAdapter())?.info;
    if (!info || info.isFallbackAdapter) return undefined;
    const name =
      info.description || [info.vendor, info.architecture].filter(Boolean).join(' ') || 'unnamed';
    return SOFTWARE_ADAPTERS.test(`${name} ${info.architecture}`) ? undefined : name;
  } catch {
    return undefined;
  }
}

/** @returns {Promise<number | undefined>} Safari tells it from version 17 on */
async function freeBytes() {
  try {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined ? undefined : Math.max(0, quota - (usage ?? 0));
  } catch {
    return undefined;
  }
}

/**
 * @param {Device} device
 * @returns {string[]} such as "8 threads", "graphics card apple metal-3", "room for 12 GB"
 */
export function describeDevice({ cores, isolated, gpu, free_bytes }) {
  return [
    isolated || cores === 1 ? formatCount(cores, 'thread') : `${cores} cores, 1 thread`,
    gpu ? `graphics card ${gpu}` : 'no graphics card to use',
    ...(free_bytes === undefined ? [] : [`room for ${formatBytes(free_bytes)}`]),
  ];
}

/**
 * Returns a warning where a model may not fit, or nothing.
 *
 * @param {Device} device
 * @param {{size_bytes?: number, memory_bytes?: number, is_stored: boolean}} model
 * @returns {string | undefined}
 */
export function warning({ free_bytes, memory_bytes }, model) {
  if (!model.is_stored && free_bytes !== undefined && (model.size_bytes ?? 0) > free_bytes)
    return 'The browser has too little room to keep it.';
  // A page gets about half of a device's memory before the system ends it.
  if (memory_bytes !== undefined && (model.memory_bytes ?? 0) > memory_bytes / 2)
    return 'It may need more memory than this device has.';
  return undefined;
}
