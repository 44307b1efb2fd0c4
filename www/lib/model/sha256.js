/**
 * This module computes SHA-256: with the browser's own implementation for whole buffers, and with
 * `Sha256` for a file that arrives in pieces, which browsers do not offer.
 */
import { yieldToMessages } from './yield_to_messages.js';

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<string>} 64 hexadecimal digits
 */
export async function sha256(bytes) {
  // Pages that are not served over https have no crypto.subtle.
  if (!globalThis.crypto?.subtle) return new Sha256().update(bytes).hex();
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

/**
 * SHA-256's constants are fractional parts of roots of the first primes (FIPS 180-4): square roots
 * are the initial state, cube roots are the rounds' constants.
 */
const { STATE, ROUNDS } = (() => {
  /** @type {number[]} */
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n);
  return {
    STATE: primes.slice(0, 8).map((prime) => fraction(prime, 2n)),
    ROUNDS: Int32Array.from(primes, (prime) => fraction(prime, 3n)),
  };
})();

/**
 * Returns the first 32 bits of the fractional part of a root, computed in integers.
 *
 * @param {number} prime
 * @param {bigint} degree
 */
function fraction(prime, degree) {
  const target = BigInt(prime) << (32n * degree);
  let root = 0n;
  for (let bit = 1n << 36n; bit; bit >>= 1n) if ((root | bit) ** degree <= target) root |= bit;
  return Number(BigInt.asIntN(32, root));
}

/** A `Sha256` hashes bytes that arrive in pieces. */
export class Sha256 {
  #state = Int32Array.from(STATE);
  #schedule = new Int32Array(64);
  #block = new Uint8Array(64);
  #staged = 0;
  #length = 0;

  /**
   * @param {Uint8Array} bytes
   * @returns {this}
   */
  update(bytes) {
    this.#length += bytes.length;
    let at = 0;
    if (this.#staged) {
      at = Math.min(64 - this.#staged, bytes.length);
      this.#block.set(bytes.subarray(0, at), this.#staged);
      this.#staged += at;
      if (this.#staged < 64) return this;
      this.#compress(this.#block, 0);
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at));
    this.#staged = bytes.length - at;
    return this;
  }

  /** Pads and ends the hash. @returns {string} 64 hexadecimal digits */
  hex() {
    const bits = BigInt(this.#length) * 8n;
    const padding = new Uint8Array(((55 - this.#staged) & 63) + 9);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, bits);
    this.update(padding);
    const digest = new DataView(new ArrayBuffer(32));
    this.#state.forEach((word, index) => digest.setInt32(index * 4, word));
    return toHex(new Uint8Array(digest.buffer));
  }

  /**
   * @param {Uint8Array} bytes
   * @param {number} at where 64 bytes begin
   */
  #compress(bytes, at) {
    const w = this.#schedule;
    for (let i = 0; i < 16; i++, at += 4)
      w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    const state = this.#state;
    // The words are read by index, because destructuring would create an iterator for every 64
    // bytes.
    let a = state[0];
    let b = state[1];
    let c = state[2];
    let d = state[3];
    let e = state[4];
    let f = state[5];
    let g = state[6];
    let h = state[7];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

/**
 * Hashes in pieces of 1 MiB, so that a page that prefetches stays responsive.
 *
 * @param {Sha256} hash
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
export async function hashInPieces(hash, bytes) {
  for (let at = 0; at < bytes.length; at += 1 << 20) {
    hash.update(bytes.subarray(at, at + (1 << 20)));
    if (globalThis.document) await yieldToMessages();
  }
}

/** @param {Uint8Array} bytes */
function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
