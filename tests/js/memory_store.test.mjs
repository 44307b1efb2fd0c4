// This test reads a model chunk by chunk that is not stored, as `Siskin.check` reads a long header.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { ModelFile } from '../../www/lib/model/model_file.js';
import { CHUNK_BYTES } from '../../www/lib/model/record.js';
import { urlSource } from '../../www/lib/model/source.js';
import { useFakeLocks } from './helpers/fake_locks.mjs';

useFakeLocks();

test('each chunk is fetched once, when it is asked for', { timeout: 20_000 }, async () => {
  const whole = randomBytes(3 * CHUNK_BYTES + 77);
  let sent_bytes = 0;
  const server = createServer(({ headers }, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range).map(Number);
    const part = whole.subarray(first, last + 1);
    sent_bytes += part.length;
    response.writeHead(206, {
      'Content-Length': part.length,
      'Content-Range': `bytes ${first}-${first + part.length - 1}/${whole.length}`,
      ETag: '"a"',
    });
    response.end(part);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/model.gguf`;
  const file = await ModelFile.open(urlSource(url, { storage: 'memory' }));
  try {
    for (let at = 0, is_complete = false; !is_complete; at += CHUNK_BYTES) {
      is_complete = await file.fetchChunk();
      const end = Math.min(at + CHUNK_BYTES, whole.length);
      assert.equal(sent_bytes, end);
      const pieces = [];
      for await (const bytes of file.bytes(at, end)) pieces.push(Buffer.from(bytes));
      assert.ok(Buffer.concat(pieces).equals(whole.subarray(at, end)));
    }
    assert.equal(sent_bytes, whole.length);
  } finally {
    file.close();
    server.closeAllConnections();
    server.close();
  }
});
