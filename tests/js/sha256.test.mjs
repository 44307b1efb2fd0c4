// These tests compare the streaming SHA-256 with Node's.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Sha256, sha256 } from '../../www/lib/model/sha256.js';

test('SHA-256 of any length, in pieces of any size', async () => {
  for (const length of [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 70_001]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 31) ^ (i >> 8));
    const expected = createHash('sha256').update(bytes).digest('hex');
    assert.equal(await sha256(bytes), expected, `${length} bytes at once`);
    for (const piece of [1, 7, 63, 64, 65, 1000]) {
      const hash = new Sha256();
      for (let at = 0; at < length; at += piece) hash.update(bytes.subarray(at, at + piece));
      assert.equal(hash.hex(), expected, `${length} bytes by ${piece}`);
    }
  }
});

test('SHA-256 of a length whose bits do not fit 32', () => {
  const hash = new Sha256();
  const expected = createHash('sha256');
  const bytes = new Uint8Array(1 << 20);
  for (let megabyte = 0; megabyte < 513; megabyte++) {
    bytes[megabyte] = megabyte;
    hash.update(bytes);
    expected.update(bytes);
  }
  assert.equal(hash.hex(), expected.digest('hex'));
});
