/** @import { ModelInfo } from '../lib/index.js' */

/** @type {Record<string, string>} */
const BUILD_NAMES = {
  relaxed: 'relaxed SIMD',
  simd: 'SIMD',
  threads: 'relaxed SIMD',
  'threads-simd': 'SIMD',
};

/**
 * @param {number} bytes
 * @returns {string} such as "491 MB" (decimal, as download pages have it)
 */
export function formatBytes(bytes) {
  if (bytes >= 1e10) return `${Math.floor(bytes / 1e9)} GB`;
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  if (bytes >= 1e7) return `${Math.round(bytes / 1e6)} MB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${Math.round(bytes / 1e3)} kB`;
}

/**
 * @param {number} seconds
 * @returns {string} such as "7 s" or "2 min 5 s"
 */
export function formatSeconds(seconds) {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}

/**
 * @param {number} tokens_per_second
 * @returns {string}
 */
export function formatRate(tokens_per_second) {
  const digits = tokens_per_second < 10 ? 1 : 0;
  return `${tokens_per_second.toFixed(digits)} tokens/s`;
}

/**
 * @param {number} count
 * @param {string} noun
 * @returns {string} such as "1 thread" or "4 threads"
 */
export function formatCount(count, noun) {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/**
 * @param {ModelInfo} info
 * @returns {string} such as "CPU · relaxed SIMD · 1 thread" or "GPU · nvidia ampere"
 */
export function describeBackend(info) {
  if (info.backend === 'gpu') return ['GPU', info.adapter].filter(Boolean).join(' · ');
  return ['CPU', BUILD_NAMES[info.build] ?? info.build, formatCount(info.threads, 'thread')].join(
    ' · ',
  );
}
