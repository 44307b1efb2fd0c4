/** @import { LoadProgress } from '../protocol.js' */

/** The speed is measured over this time. */
const WINDOW_MS = 3000;
const REPORT_MS = 100;

/**
 * A `Meter` measures bytes per second over the last few seconds, so that the rate follows a
 * connection that slows down.
 */
export class Meter {
  /** @type {{ms: number, bytes: number}[]} */
  #samples;

  /** @param {number} start_bytes what was there before */
  constructor(start_bytes) {
    this.#samples = [{ ms: performance.now(), bytes: start_bytes }];
  }

  /**
   * @param {{loaded_bytes: number, total_bytes: number | null}} now
   * @returns {Omit<LoadProgress, 'from_cache'>}
   */
  measure({ loaded_bytes, total_bytes }) {
    const samples = this.#samples;
    const ms = performance.now();
    if (samples.length < 2 || ms - samples[samples.length - 1].ms >= REPORT_MS)
      samples.push({ ms, bytes: loaded_bytes });
    while (samples.length > 2 && ms - samples[1].ms > WINDOW_MS) samples.shift();
    const elapsed_ms = ms - samples[0].ms;
    const bytes_per_second =
      elapsed_ms > 0 ? Math.max(0, ((loaded_bytes - samples[0].bytes) * 1000) / elapsed_ms) : 0;
    return { loaded_bytes, total_bytes, bytes_per_second };
  }
}
