// These tests check what a stored chunk is known by: its checksum, and its SHA-256 where that is
// not the expected one.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { checksum } from '../../www/lib/model/checksum.js';
import { readAndHash } from '../../www/lib/model/chunk_reader.js';
import { MemoryStore } from '../../www/lib/storage/memory.js';

const bytesOf = (length) => Uint8Array.from({ length }, (_, i) => (i * i * 31 + i) >> 3);

/** Computes the checksum by whole numbers, a word at a time. */
function plainly(bytes) {
  const mask = 0xffffffffn;
  const prime = 0x9e3779b1n;
  const lanes = Array.from({ length: 8 }, (_, lane) => (prime * BigInt(lane + 1)) & mask);
  const padded = new Uint8Array(32 * (Math.floor(bytes.length / 32) + 1));
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  const words = Array.from({ length: padded.length / 4 }, (_, i) => view.getUint32(4 * i, true));
  words.push(...Array(8).fill(bytes.length));
  for (const [i, word] of words.entries()) {
    const mixed = lanes[i % 8] ^ BigInt(word);
    lanes[i % 8] = ((mixed ^ (mixed >> 15n)) * prime) & mask;
  }
  return lanes.map((lane) => lane.toString(16).padStart(8, '0')).join('');
}

test('a checksum is the one of plain arithmetic, whatever the length', () => {
  for (const length of [0, 1, 31, 32, 33, 64, 1000, 4096])
    assert.equal(checksum(bytesOf(length)), plainly(bytesOf(length)), `${length} bytes`);
});

test('every bit that turns changes it, as do zeros at the end and words that change places', () => {
  const bytes = bytesOf(200);
  const seen = new Set([checksum(bytes)]);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const turned = bytes.slice();
    turned[bit >> 3] ^= 1 << (bit & 7);
    seen.add(checksum(turned));
  }
  // The two topmost bits of words in one lane.
  const twice = bytes.slice();
  for (const at of [3, 35]) twice[at] ^= 128;
  seen.add(checksum(twice));
  const swapped = bytes.slice();
  swapped.set(bytes.subarray(0, 32), 32);
  swapped.set(bytes.subarray(32, 64), 0);
  seen.add(checksum(swapped));
  seen.add(checksum(Uint8Array.from([...bytes, 0])));
  assert.equal(seen.size, 8 * bytes.length + 4);
});

test('a chunk of the expected checksum is not hashed, any other is', async () => {
  const store = new MemoryStore();
  const [one, two] = [bytesOf(64), bytesOf(50)];
  await store.write('model', '0', one);
  await store.write('model', '1', two);
  const whole = Uint8Array.from([...one, ...two]);
  const files = { folder: 'model', names: ['0', '1'] };
  const hash = createHash('sha256').update(whole).digest('hex');

  const first = await readAndHash(store, files);
  assert.deepEqual(first, { bytes: whole, checksum: checksum(whole), hash });
  const again = await readAndHash(store, { ...files, checksum: first.checksum });
  assert.deepEqual(again, { bytes: whole, checksum: first.checksum });
  const other = await readAndHash(store, { ...files, checksum: checksum(one) });
  assert.equal(other.hash, hash);
  assert.equal(await readAndHash(store, { ...files, names: ['0', '2'] }), undefined);
});
