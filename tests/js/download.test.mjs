// These tests run downloads without a browser: servers that change their files, parts that arrive
// wrong or not at all, stores that fail.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Download } from '../../www/lib/model/download.js';
import { ModelFile } from '../../www/lib/model/model_file.js';
import {
  CHUNK_BYTES,
  PART_BYTES,
  newRecord,
  partBytes,
  readRecord,
  writeRecord,
} from '../../www/lib/model/record.js';
import { PartStore } from '../../www/lib/model/part_store.js';
import { isReplaced } from '../../www/lib/model/revalidate.js';
import { urlSource } from '../../www/lib/model/source.js';

const MODEL = randomBytes(4 * CHUNK_BYTES + 12345);
const OTHER = randomBytes(MODEL.length);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Returns the manifest of a model in one shard. */
function manifestOf(model, file) {
  const chunks = [];
  for (let at = 0; at < model.length; at += CHUNK_BYTES)
    chunks.push(sha256(model.subarray(at, at + CHUNK_BYTES)));
  return Buffer.from(
    JSON.stringify({
      siskin_manifest: 1,
      name: 'A',
      size_bytes: model.length,
      chunk_bytes: CHUNK_BYTES,
      chunks,
      shards: [{ file, size_bytes: model.length }],
    }),
  );
}

/** Responds with a file, or with the part of it that is asked for. */
function send(bytes, request, response, { ranges = true } = {}) {
  const [, first, last] = (ranges && /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')) || [];
  if (first === undefined)
    return response.writeHead(200, { 'Content-Length': bytes.length }).end(bytes);
  const part = bytes.subarray(Number(first), Number(last) + 1);
  response
    .writeHead(206, {
      'Content-Length': part.length,
      'Content-Range': `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}`,
    })
    .end(part);
}

/** Returns the number of the part that is asked for. */
const partOf = ({ headers }) =>
  Number(/^bytes=(\d+)/.exec(headers.range ?? '')?.[1] ?? NaN) / PART_BYTES;

/** Runs with a server; `answer` is also given the number of requests so far. */
async function serving(answer, run) {
  const requests = [];
  const server = createServer((request, response) =>
    answer(request, response, requests.push(request)),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await run(`http://127.0.0.1:${server.address().port}`, requests);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Returns all bytes of a model that is not stored, or the error's code. */
async function load(url, options = {}) {
  const file = await ModelFile.open({
    kind: 'url',
    url,
    key: url,
    init: {},
    storage: 'memory',
    evict: false,
    ...options,
  });
  const hash = createHash('sha256');
  try {
    for await (const bytes of file.chunks()) hash.update(bytes);
    return hash.digest('hex');
  } catch (error) {
    return error.code ?? String(error);
  } finally {
    file.close();
  }
}

/** Waits until the other three connections cannot continue. */
async function whenAllWait(requests) {
  while (requests.length < 8) await sleep(10);
  await sleep(300);
}

/** Returns a target that stores what it is given. */
function targetOf(record, missing) {
  const target = {
    record,
    parts: new Set(
      Array.from({ length: Math.ceil(MODEL.length / PART_BYTES) }, (_, part) => part).filter(
        (part) => !missing.includes(part),
      ),
    ),
    saved: new Map(),
    begin: async (record) => void (target.record = record),
    save: async (part, bytes) => {
      target.saved.set(part, Buffer.from(bytes));
      target.parts.add(part);
    },
    end: async () => {},
    waitForSpace: async () => {},
    arrived: () => {},
  };
  return target;
}
const recordOf = (url) =>
  newRecord(url, {
    size_bytes: MODEL.length,
    files: [{ url, size_bytes: MODEL.length }],
    chunks: [],
  });
const assertSaved = ({ record, saved }, parts) => {
  assert.deepEqual(
    [...saved.keys()].sort((a, b) => a - b),
    parts,
  );
  for (const [part, bytes] of saved)
    assert.ok(
      bytes.equals(MODEL.subarray(part * PART_BYTES, part * PART_BYTES + partBytes(record, part))),
      `part ${part}`,
    );
};

describe('downloads', { timeout: 60_000 }, () => {
  /** Returns what the server was asked for. */
  let seen;
  for (const [name, renamed] of [
    ['others', true],
    ['the same', false],
  ]) {
    test(`shards that are replaced by files with ${name} names`, async () => {
      const files = { old: '/old.bin', new: renamed ? '/new.bin' : '/old.bin' };
      const run = (replaces, options) => {
        let replaced = false;
        return serving(
          (request, response, count) => {
            if (count === 7) replaced = true;
            const [model, path] = replaced ? [OTHER, files.new] : [MODEL, files.old];
            if (request.url === '/manifest.json')
              return response.end(
                replaced && replaces
                  ? manifestOf(OTHER, files.new.slice(1))
                  : manifestOf(MODEL, 'old.bin'),
              );
            if (request.url !== path) return response.writeHead(404).end();
            send(model, request, response);
          },
          (url) => load(`${url}/manifest.json`, options),
        );
      };
      assert.equal(await run(true), 'file_changed');
      const stays = renamed ? 'http_status' : 'integrity';
      assert.equal(await run(false), stays, 'the manifest is the same');
      assert.equal(
        await run(true, { sha256: sha256(manifestOf(MODEL, 'old.bin')) }),
        stays,
        'the manifest is pinned',
      );
    });
  }

  test('into memory: a part fails for good while all others wait for room', async () => {
    const code = await serving(
      async (request, response) => {
        if (partOf(request) !== 1) return send(MODEL, request, response);
        await whenAllWait(seen);
        response.writeHead(404).end();
      },
      (url, requests) => {
        seen = requests;
        return load(`${url}/model.gguf`);
      },
    );
    assert.equal(code, 'http_status');
  });

  test('into memory: a chunk turns out wrong while all wait for room', async () => {
    let wrong = true;
    const hash = await serving(
      async (request, response) => {
        if (request.url === '/manifest.json') return response.end(manifestOf(MODEL, 'model.bin'));
        if (partOf(request) !== 3 || !wrong) return send(MODEL, request, response);
        await whenAllWait(seen);
        wrong = false;
        const flipped = Buffer.from(MODEL);
        flipped[3 * PART_BYTES + 7] ^= 1;
        send(flipped, request, response);
      },
      (url, requests) => {
        seen = requests;
        return load(`${url}/manifest.json`);
      },
    );
    assert.equal(hash, sha256(MODEL));
  });

  test('a redirect to another origin gets no private headers, and else is kept', async () => {
    const seen_far = [];
    await serving(
      (request, response) => {
        seen_far.push(request.headers.authorization);
        send(MODEL, request, response);
      },
      (far) =>
        serving(
          (_request, response) => response.writeHead(302, { Location: `${far}/model.gguf` }).end(),
          async (near, requests) => {
            const missing = [0, 1, 2, 3, 4, 5, 6, 7];
            const run = async (init) => {
              requests.length = 0;
              const target = targetOf(recordOf(`${near}/model.gguf`), missing);
              await new Download(
                { url: `${near}/model.gguf`, init },
                target,
                new AbortController().signal,
              ).run(Infinity);
              assertSaved(target, missing);
              return requests.map(({ headers }) => headers.authorization);
            };
            assert.deepEqual(
              await run({ headers: [['Authorization', 'Bearer secret']] }),
              missing.map(() => 'Bearer secret'),
            );
            assert.equal((await run({})).length, 1);
          },
        ),
    );
    assert.deepEqual(seen_far.filter(Boolean), []);
  });

  test('the first response goes to its own part, even if an earlier one is missing', async () => {
    const missing = [9, 10, 11, 12, 13];
    let target;
    await serving(
      (request, response, count) => {
        if (count === 1) target.parts.delete(2);
        send(MODEL, request, response);
      },
      async (url) => {
        target = targetOf(recordOf(`${url}/model.gguf`), missing);
        await new Download(
          { url: `${url}/model.gguf`, init: {} },
          target,
          new AbortController().signal,
        ).run(Infinity);
      },
    );
    assertSaved(target, [2, ...missing]);
  });

  test('a server that stops answering ranges sends the file once', async () => {
    await serving(
      (request, response, count) => send(MODEL, request, response, { ranges: count < 6 }),
      async (url, requests) => {
        assert.equal(await load(`${url}/model.gguf`), sha256(MODEL));
        assert.equal(requests.filter(({ headers }) => !headers.range).length, 1);
      },
    );
  });

  test('schemes of the browser are asked for no ranges', async () => {
    const { fetch } = globalThis;
    const ranges = [];
    globalThis.fetch = async (_url, { headers }) => {
      const range = headers.get('Range');
      ranges.push(range);
      // Chrome answers a range of an extension's file with the part, as if it were the whole.
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [0, 0, MODEL.length];
      return new Response(MODEL.subarray(Number(first), Number(last) + 1));
    };
    try {
      for (const url of [
        'chrome-extension://abcdefghijklmnop/model.gguf',
        'moz-extension://7e1c/model.gguf',
        'blob:https://example.org/7e1c',
      ]) {
        assert.equal(await load(url), sha256(MODEL), url);
        assert.deepEqual(ranges.splice(0), [null]);
      }
    } finally {
      globalThis.fetch = fetch;
    }
    const bytes = Buffer.from('GGUF and more');
    assert.equal(await load(`data:;base64,${bytes.toString('base64')}`), sha256(bytes));
    assert.equal(await load(URL.createObjectURL(new Blob([MODEL]))), sha256(MODEL));
  });

  test('a name of a repository is not found: the URL is told, and how to write it', async () => {
    const error = await serving(
      (_request, response) => response.writeHead(404).end(),
      async (url) => {
        globalThis.location = { href: `${url}/app/` };
        const file = await ModelFile.open(
          urlSource('Qwen/Qwen2.5-0.5B-Instruct-GGUF', { storage: 'memory' }),
        );
        try {
          for await (const _ of file.chunks());
        } catch (error) {
          return { url, ...error, message: error.message };
        } finally {
          delete globalThis.location;
          file.close();
        }
        return undefined;
      },
    );
    assert.equal(error.code, 'http_status');
    assert.equal(
      error.message,
      `The server answered 404 Not Found. There is no such file at ${error.url}/app/Qwen/` +
        'Qwen2.5-0.5B-Instruct-GGUF: check the address. For a file on Hugging Face write ' +
        'hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/FILE.gguf.',
    );
  });

  test('whether a stored file is still the same: ETag, date, length, manifest', async () => {
    let headers = {};
    let body = MODEL;
    let status = 200;
    await serving(
      (request, response) => {
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        if (status !== 200) return response.writeHead(status).end();
        send(body, request, response, { ranges: !headers['X-None'] });
      },
      async (url, requests) => {
        const source = { url: `${url}/model.gguf`, init: {} };
        const record = recordOf(source.url);
        const changed = (fields, pin) =>
          isReplaced(
            { ...source, sha256: pin },
            { ...record, ...fields },
            new AbortController().signal,
          );
        for (const kind of ['ETag', 'Last-Modified']) {
          headers = { [kind]: '"one"' };
          assert.equal(await changed({ validator: '"one"' }), false, kind);
          assert.equal(await changed({ validator: '"zero"' }), true, kind);
        }
        headers = { ETag: 'W/"one"' };
        assert.equal(await changed({ validator: '"one"' }), false, 'a weak ETag');
        for (headers of [{}, { 'X-None': '1' }]) {
          assert.equal(await changed({ validator: null }), false, 'the same length');
          assert.equal(await changed({ size_bytes: 7 }), true, 'another length');
        }
        for (status of [403, 404, 503]) assert.equal(await changed({ size_bytes: 7 }), false);
        status = 200;
        const before = requests.length;
        assert.equal(await changed({ size_bytes: 7 }, 'ab'.repeat(32)), false, 'it is pinned');
        assert.equal(requests.length, before);
        body = manifestOf(MODEL, 'model.bin');
        record.url = source.url = `${url}/manifest.json`;
        assert.equal(await changed({ sha256: sha256(body) }), false);
        assert.equal(await changed({ sha256: 'other' }), true);
      },
    );
    const gone = { url: 'http://127.0.0.1:9/model.gguf', init: {} };
    assert.equal(
      await isReplaced(gone, recordOf(gone.url), new AbortController().signal),
      false,
      'there is no network',
    );
  });

  test('a signed address that has changed serves the rest, and is not written down', async () => {
    const missing = [0, 5, 16];
    const asked = [];
    await serving(
      (request, response) => {
        asked.push(request.url);
        send(MODEL, request, response);
      },
      async (url) => {
        const target = targetOf(undefined, missing);
        const run = (signature) =>
          new Download(
            { url: `${url}/model.gguf?X-Amz-Signature=${signature}`, init: {} },
            target,
            new AbortController().signal,
          );
        await run('one').run(6);
        assert.equal(target.record.url, `${url}/model.gguf`);
        assert.ok(!JSON.stringify(target.record).includes('Signature'));
        await run('two').run(Infinity);
        assertSaved(target, missing);
      },
    );
    assert.deepEqual(new Set(asked.map((url) => url.split('=')[1])), new Set(['one', 'two']));
  });

  /** Returns a store in memory. */
  function storeOf(files) {
    return {
      kind: 'cache',
      folders: async () => [],
      files: async () => new Map([...files].map(([name, { length }]) => [name, length])),
      read: async (_folder, [name]) => files.get(name),
      write: async (_folder, name, bytes) => void files.set(name, bytes),
      remove: async () => files.clear(),
    };
  }

  test('a record comes back, and that it cannot be read is told', async () => {
    const record = recordOf('https://example.org/model.gguf');
    const store = storeOf(new Map());
    await writeRecord(store, 'a', record);
    assert.deepEqual(await readRecord(store, 'a'), record);
    store.read = () => Promise.reject(new DOMException('It was replaced.', 'NotReadableError'));
    await assert.rejects(readRecord(store, 'a'), { name: 'SiskinError', code: 'storage_failed' });
  });

  test('a removed model is missing, unless the engine has received bytes', async () => {
    const url = 'https://example.org/model.gguf';
    for (const delivered of [false, true]) {
      const store = storeOf(new Map());
      await writeRecord(store, 'a', recordOf(url));
      await store.write('a', '0', new Uint8Array(PART_BYTES));
      const part_store = new PartStore(
        { kind: 'url', url, key: url, init: {}, storage: 'disk', evict: false },
        store,
        'a',
        new AbortController().signal,
      );
      await part_store.refresh();
      assert.deepEqual([...part_store.parts], [0]);
      part_store.delivered = delivered;
      await store.remove('a');
      await part_store.refresh();
      assert.deepEqual(
        [part_store.record !== undefined, part_store.parts.size],
        delivered ? [true, 1] : [false, 0],
      );
      part_store.close();
    }
  });
});
