// These tests read models that llama.cpp has split into several files, without a browser.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { filesOf, openModel } from '../../www/lib/model/open_model.js';
import { CHUNK_BYTES } from '../../www/lib/model/record.js';
import { urlSource } from '../../www/lib/model/source.js';
import { useFakeLocks } from './helpers/fake_locks.mjs';

useFakeLocks();

const nameOf = (number) => `/a/tiny-0000${number}-of-00003.gguf`;
/** Holds files of less than a part, of some chunks and of a whole one. */
const FILES = new Map([
  [nameOf(1), randomBytes(1000)],
  [nameOf(2), randomBytes(CHUNK_BYTES + 77)],
  [nameOf(3), randomBytes(CHUNK_BYTES)],
]);
const WHOLE = Buffer.concat([...FILES.values()]);
const source = (url, options) => urlSource(url, { storage: 'memory', ...options });

/** Serves the files, and runs with the first one's address and the requests. */
async function serving({ ranges = true, missing }, run) {
  const requests = [];
  const server = createServer(({ url, method, headers }, response) => {
    const { pathname } = new URL(url, 'http://localhost');
    requests.push(`${method} ${pathname}`);
    const bytes = pathname === missing ? undefined : FILES.get(pathname);
    if (!bytes) return response.writeHead(404).end();
    const asked = ranges ? /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') : null;
    const [first, end] = asked ? [Number(asked[1]), Number(asked[2]) + 1] : [0, bytes.length];
    const part = bytes.subarray(first, end);
    response.writeHead(asked ? 206 : 200, {
      'Content-Length': part.length,
      ...(asked && {
        'Content-Range': `bytes ${first}-${first + part.length - 1}/${bytes.length}`,
      }),
    });
    response.end(method === 'HEAD' ? undefined : part);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await run(`http://127.0.0.1:${server.address().port}${nameOf(1)}`, requests);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const gather = async (chunks) => {
  const copies = [];
  for await (const chunk of chunks) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
};

for (const ranges of [true, false])
  test(`all files come by the first one's address, ranges: ${ranges}`, () =>
    serving({ ranges }, async (url, requests) => {
      const model = await openModel(source(`${url}?download=true`));
      assert.equal(model.from_cache, false);
      model.start();
      while (model.total_bytes === null) await sleep(5);
      assert.equal(model.total_bytes, WHOLE.length, 'the lengths are asked for');
      const bytes = await gather(model.chunks());
      assert.ok(bytes.equals(WHOLE));
      assert.equal(model.arrived_bytes, WHOLE.length);
      model.close();
      for (const name of FILES.keys()) assert.ok(requests.includes(`GET ${name}`), name);
    }));

test('a file that is not there fails with its address', () =>
  serving({ missing: nameOf(2) }, async (url) => {
    const model = await openModel(source(url));
    model.start();
    await assert.rejects(gather(model.chunks()), (error) => {
      assert.equal(error.code, 'http_status');
      assert.match(error.message, /tiny-00002-of-00003\.gguf/);
      return true;
    });
    assert.equal(model.total_bytes, null);
    model.close();
  }));

test('a range of bytes lies across the files', () =>
  serving({}, async (url) => {
    const [begin, end] = [990, 1000 + CHUNK_BYTES + 5];
    const model = await openModel(source(url));
    assert.equal(await model.fetchChunk(), false);
    assert.ok((await gather(model.bytes(begin, end))).equals(WHOLE.subarray(begin, end)));
    model.close();
  }));

test('a model is fetched chunk by chunk', () =>
  serving({}, async (url, requests) => {
    const model = await openModel(source(url));
    let count = 1;
    while (!(await model.fetchChunk())) count += 1;
    assert.equal(count, 4, 'of one, two and one chunks');
    assert.equal(model.arrived_bytes, WHOLE.length);
    assert.ok(requests.every((request) => request.startsWith('GET ')));
    model.close();
  }));

describe('sources', () => {
  const URL = 'https://example.org/m/a-00001-of-00012.gguf';

  test('each file has an address and a key of its own', async () => {
    const files = await filesOf(source(`${URL}?sig=1&v=2`));
    assert.equal(files.length, 12);
    assert.equal(files[0].url, `${URL}?sig=1&v=2`);
    assert.equal(files[0].key, `${URL}?v=2`);
    assert.equal(files[11].url, 'https://example.org/m/a-00012-of-00012.gguf?sig=1&v=2');
    assert.equal(files[11].key, 'https://example.org/m/a-00012-of-00012.gguf?v=2');
    const named = await filesOf(source(URL, { cacheKey: 'mine' }));
    assert.equal(named[0].key, 'mine');
    assert.equal(new Set(named.map(({ key }) => key)).size, 12);
  });

  test('other names are those of whole files', async () => {
    for (const name of [
      'a.gguf',
      'a-00002-of-00003.gguf',
      'a-00001-of-00001.gguf',
      'a-1-of-3.gguf',
    ])
      assert.equal((await filesOf(source(`https://example.org/${name}`))).length, 1, name);
    assert.equal((await filesOf(source(`https://example.org/b.gguf?file=${URL}`))).length, 1);
  });

  test('one hash cannot be that of all files', async () => {
    const refused = filesOf(source(URL, { sha256: 'ab'.repeat(32) }));
    await assert.rejects(refused, ({ code, message }) => {
      assert.equal(code, 'invalid_argument');
      return /siskin shard/.test(message);
    });
  });
});
