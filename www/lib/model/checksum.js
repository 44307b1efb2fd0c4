/**
 * This module computes a checksum of a stored chunk, ten times as fast as its SHA-256. It tells
 * whether the disk gave back what was written; nobody who could write another chunk could not write
 * another record as well, so that a stronger hash would not say more.
 */

/** An odd number whose bits look random, the first prime of xxHash's 32-bit variant. */
const PRIME = 0x9e3779b1 | 0;
/** Eight lanes take a word of 32 bits each, in turn. */
const LANES = 8;
const LANE_BYTES = 4 * LANES;

/**
 * Returns the checksum of bytes. Every change of one word changes it; any other is missed once in
 * 2^32 at most.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes begin at a multiple of four in their buffer
 * @returns {string} 64 hexadecimal digits
 */
export function checksum(bytes) {
  const whole = bytes.length - (bytes.length % LANE_BYTES);
  const lanes = Int32Array.from({ length: LANES }, (_, lane) => Math.imul(PRIME, lane + 1));
  addWords(lanes, new Int32Array(bytes.buffer, bytes.byteOffset, whole / 4));
  const rest = new Uint8Array(LANE_BYTES);
  rest.set(bytes.subarray(whole));
  addWords(lanes, new Int32Array(rest.buffer));
  addWords(
    lanes,
    Int32Array.from({ length: LANES }, () => bytes.length),
  );
  return Array.from(lanes, (lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
}

/**
 * @param {Int32Array} lanes
 * @param {Int32Array} words a multiple of eight of them
 */
function addWords(lanes, words) {
  // The lanes are variables, because an array's elements would be stored in each turn.
  let [a, b, c, d, e, f, g, h] = lanes;
  for (let at = 0; at < words.length; at += LANES) {
    a = round(a, words[at]);
    b = round(b, words[at + 1]);
    c = round(c, words[at + 2]);
    d = round(d, words[at + 3]);
    e = round(e, words[at + 4]);
    f = round(f, words[at + 5]);
    g = round(g, words[at + 6]);
    h = round(h, words[at + 7]);
  }
  lanes.set([a, b, c, d, e, f, g, h]);
}

/**
 * Returns a lane after one more word. Each lane before and each word give another one; the shift
 * brings high bits down, because a product spreads a bit only upwards.
 *
 * @param {number} lane
 * @param {number} word
 */
function round(lane, word) {
  const mixed = lane ^ word;
  return Math.imul(mixed ^ (mixed >>> 15), PRIME);
}
