// These tests use a Cross-Origin Storage of the proposal's shape (wicg.github.io/
// cross-origin-storage): what is found in it, and what is offered to whom.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import { CHUNK_BYTES } from '../../www/lib/model/record.js';
import { shareModel } from '../../www/lib/model/share.js';
import { urlSource } from '../../www/lib/model/source.js';
import { openWeights } from '../../www/lib/model/weights.js';
import { findShared, share } from '../../www/lib/storage/cross_origin.js';

const MODEL = randomBytes(2 * CHUNK_BYTES + 77);
const SHA256 = createHash('sha256').update(MODEL).digest('hex');

/** A browser's storage, for one site that may read what `origins` of the others allow. */
class Storage {
  files = new Map();
  calls = [];
  async requestFileHandle({ algorithm, value }, { create = false, origins } = {}) {
    this.calls.push({ create, origins });
    assert.equal(algorithm, 'SHA-256');
    assert.match(value, /^[0-9a-f]{64}$/);
    if (this.refuses) throw new DOMException('The visitor said no.', 'NotAllowedError');
    if (!create) {
      const file = this.files.get(value);
      if (!file) throw new DOMException('There is no such file.', 'NotFoundError');
      return { getFile: async () => file };
    }
    const pieces = [];
    return {
      getFile: async () => {
        throw new DOMException('The handle is for writing.', 'NotAllowedError');
      },
      createWritable: async () => ({
        write: async (bytes) => void pieces.push(bytes.slice()),
        close: async () => {
          const file = new Blob(pieces);
          const hash = createHash('sha256')
            .update(await file.bytes())
            .digest('hex');
          if (hash !== value) throw new DOMException('The hash is another.', 'DataError');
          this.files.set(value, file);
        },
      }),
    };
  }
}

let storage;
const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
const setNavigator = (value) =>
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
Blob.prototype.bytes ??= async function () {
  return new Uint8Array(await this.arrayBuffer());
};
beforeEach(() => {
  storage = new Storage();
  setNavigator({ crossOriginStorage: storage });
  globalThis.location = { origin: 'https://page.example', href: 'https://page.example/' };
});
afterEach(() => {
  if (descriptor) Object.defineProperty(globalThis, 'navigator', descriptor);
  else delete globalThis.navigator;
  delete globalThis.location;
});

/** Returns what `PartStore` has of a model that is stored. */
const stored = (model = MODEL) => ({
  record: { chunks: Array(Math.ceil(model.length / CHUNK_BYTES)).fill(null) },
  readChunk: async (_record, chunk) =>
    new Uint8Array(model.subarray(chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES)),
});

test('a browser without it, a file that is not there, a visitor who refuses', async () => {
  assert.equal(await findShared(SHA256), undefined);
  storage.refuses = true;
  assert.equal(await findShared(SHA256), undefined);
  assert.equal(await share(SHA256, true, []), false);
  setNavigator({});
  assert.equal(await findShared(SHA256), undefined);
  assert.equal(await share(SHA256, true, []), false);
});

test('what is shared is found, and stored once', async () => {
  const source = urlSource('https://models.example/m.gguf', { sha256: SHA256 });
  await shareModel(source, stored());
  assert.deepEqual(Buffer.from(await (await findShared(SHA256)).arrayBuffer()).equals(MODEL), true);
  storage.calls.length = 0;
  await shareModel(source, stored());
  assert.deepEqual(storage.calls, [{ create: false, origins: undefined }]);
});

test('a file with another hash is not stored', async () => {
  const source = urlSource('https://models.example/m.gguf', { sha256: 'ab'.repeat(32) });
  await shareModel(source, stored());
  assert.equal(storage.files.size, 0);
});

test('all sites get what any of them could fetch, and nothing else', async () => {
  const shared = async (source) => {
    storage = new Storage();
    setNavigator({ crossOriginStorage: storage });
    await shareModel(urlSource(source, { sha256: SHA256 }), stored());
    return storage.calls.find(({ create }) => create).origins;
  };
  assert.equal(await shared('https://models.example/m.gguf'), '*');
  assert.equal(await shared('hf:a/b/c.gguf'), '*');
  for (const source of [
    'https://page.example/m.gguf',
    'https://models.example/m.gguf?Signature=s',
    'https://me:pass@models.example/m.gguf',
    new Request('https://models.example/m.gguf', { headers: { Authorization: 'Bearer t' } }),
    new Request('https://models.example/m.gguf', { credentials: 'include' }),
  ])
    assert.equal(await shared(source), undefined, String(source.url ?? source));
});

test('a model that another site has stored loads without a request', async () => {
  storage.files.set(SHA256, new Blob([MODEL]));
  const { fetch } = globalThis;
  let requests = 0;
  globalThis.fetch = async () => (requests++, new Response('no', { status: 404 }));
  try {
    const load = async (options) => {
      const reports = [];
      const source = urlSource('https://models.example/m.gguf', { storage: 'memory', ...options });
      const weights = await openWeights(source, (progress) => reports.push(progress));
      const hash = createHash('sha256');
      for await (const chunk of weights.chunks) hash.update(chunk);
      weights.close();
      return [hash.digest('hex'), reports[0].from_cache, reports[0].total_bytes];
    };
    assert.deepEqual(await load({ sha256: SHA256 }), [SHA256, true, MODEL.length]);
    assert.equal(requests, 0);
    await assert.rejects(load({}), { code: 'http_status' });
    assert.ok(requests > 0, 'without a hash nothing is looked for');
  } finally {
    globalThis.fetch = fetch;
  }
});
