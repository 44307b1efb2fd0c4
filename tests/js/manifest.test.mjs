// These tests read manifests with false content.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordOf } from '../../www/lib/model/manifest.js';

const CHUNK_BYTES = 8 << 20;
const URL = 'https://example.org/models/a/manifest.json';
const HASH = 'ab'.repeat(32);

/** Returns a valid manifest, which the tests then damage. */
const good = () => ({
  siskin_manifest: 1,
  name: 'A',
  size_bytes: 2 * CHUNK_BYTES + 5,
  chunk_bytes: CHUNK_BYTES,
  chunks: [HASH, HASH, HASH],
  shards: [
    { file: 'shard-1.bin', size_bytes: 2 * CHUNK_BYTES, sha256: HASH },
    { file: 'shard-2.bin', size_bytes: 5, sha256: HASH },
  ],
});

test('a good manifest', () => {
  const record = recordOf(URL, JSON.stringify(good()), HASH);
  assert.equal(record.name, 'A');
  assert.equal(record.sha256, HASH);
  assert.deepEqual(record.files, [
    { url: 'https://example.org/models/a/shard-1.bin', size_bytes: 2 * CHUNK_BYTES },
    { url: 'https://example.org/models/a/shard-2.bin', size_bytes: 5 },
  ]);
});

test('manifests that lie are refused, each with what is wrong', () => {
  const spoiled = (spoil) => {
    const manifest = good();
    spoil(manifest);
    return JSON.stringify(manifest);
  };
  const cases = [
    ['<html>', /not JSON/],
    ['null', /version 1/],
    ['{"siskin_manifest": 2}', /version 1/],
    [spoiled((m) => (m.chunk_bytes = 4)), /chunks of another size/],
    [spoiled((m) => (m.size_bytes = -1)), /too few chunks/],
    [spoiled((m) => (m.size_bytes = '5')), /too few chunks/],
    [spoiled((m) => m.chunks.pop()), /too few chunks/],
    [spoiled((m) => (m.chunks[1] = 'x')), /no SHA-256/],
    [spoiled((m) => (m.chunks = {})), /too few chunks/],
    [spoiled((m) => (m.shards = [])), /no shards/],
    [spoiled((m) => (m.shards[0].size_bytes = CHUNK_BYTES + 1)), /impossible size/],
    [spoiled((m) => (m.shards[1].size_bytes = 1e300)), /impossible size/],
    [spoiled((m) => (m.shards[1].size_bytes = 6)), /do not make up the whole/],
    [spoiled((m) => (m.shards[1] = null)), /impossible size/],
    ...[
      'https://elsewhere.org/x',
      '../up.bin',
      '//elsewhere.org/x',
      '/root.bin',
      'a/b.bin',
      'data:,x',
      '',
      7,
      '.hidden',
    ].map((file) => [spoiled((m) => (m.shards[1].file = file)), /not beside it/]),
  ];
  for (const [text, says] of cases) {
    assert.throws(
      () => recordOf(URL, text, HASH),
      (error) => error.code === 'manifest' && says.test(error.message),
      text,
    );
  }
});
