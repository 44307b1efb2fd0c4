// These tests hold for the option `adapters`: what a page may pass, and that every engine gets them.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { engineKey } from '../../www/lib/engine/engines.js';
import { addAdapters } from '../../www/lib/engine/lora.js';
import { PickedBackend } from '../../www/lib/engine/backend.js';
import { openShared } from '../../www/lib/engine/shared_engine.js';
import { readLoadOptions } from '../../www/lib/load_options.js';
import { describeSource } from '../../www/lib/model/source.js';
import './helpers/unref_ports.mjs';

beforeEach(() => {
  globalThis.location = new URL('https://example.org/page/');
});

const adaptersOf = (adapters, more) => readLoadOptions({ adapters, ...more }).engine.adapters;
const blob = (text) => new Blob([text]);

/** An engine that notes what it is given. */
class NotingEngine {
  adapters = [];
  pushed = '';
  add_adapter(file, scale) {
    assert.equal(this.pushed, '', 'they come before the model');
    this.adapters.push([new TextDecoder().decode(file), scale]);
  }
  push(bytes) {
    this.pushed += new TextDecoder().decode(bytes);
  }
  has_header() {
    return true;
  }
  async test_gpu() {}
  async finish() {
    return {};
  }
  reload(replacement) {
    this.replacement = replacement;
  }
  free() {}
}

test('what the page passes on', () => {
  assert.equal(adaptersOf(undefined), undefined);
  const [address, file] = adaptersOf(
    [{ source: 'https://example.org/lora.gguf?token=1', scale: 0 }, { source: blob('x') }],
    { storage: 'memory', sha256: '0'.repeat(64), cacheKey: 'model' },
  );
  // The hash and the name are the model's own.
  const { url, storage, sha256, key } = address.source;
  assert.deepEqual([address.scale, storage, sha256], [0, 'memory', undefined]);
  assert.equal(url, 'https://example.org/lora.gguf?token=1');
  assert.notEqual(key, 'model');
  assert.deepEqual([file.scale, file.source.kind], [1, 'blob']);
});

test('what is no list of adapters is refused', () => {
  for (const adapters of [null, {}, 'lora.gguf', { source: 'lora.gguf' }])
    assert.throws(() => adaptersOf(adapters), { code: 'invalid_argument', message: /`adapters`/ });
  for (const entry of [null, undefined, 'lora.gguf', {}, { source: 5 }])
    assert.throws(() => adaptersOf([entry]), { code: 'invalid_argument' });
});

test('the worker refuses what can be read only once, and a scale that is no number', async () => {
  const refused = (adapters) =>
    assert.rejects(addAdapters(new NotingEngine(), { adapters }), { code: 'invalid_argument' });
  await refused(adaptersOf([{ source: new Response('x') }]));
  await refused(adaptersOf([{ source: new ReadableStream() }]));
  for (const scale of ['1', NaN, Infinity, {}])
    await refused(adaptersOf([{ source: blob('x'), scale }]));
});

test('an engine gets the whole file of each, in their order', async () => {
  const engine = new NotingEngine();
  await addAdapters(engine, {});
  assert.deepEqual(engine.adapters, []);
  const long = 'long'.repeat(1 << 20);
  await addAdapters(engine, {
    adapters: adaptersOf([{ source: blob(long), scale: -2 }, { source: blob('two') }]),
  });
  assert.ok(engine.adapters[0][0] === long && engine.adapters[0][1] === -2);
  assert.deepEqual(engine.adapters[1], ['two', 1]);
});

test('the processor that takes over, and a card that is restarted, get them again', async () => {
  const started = [];
  class Engine extends NotingEngine {
    constructor() {
      super();
      started.push(this);
    }
    static on_gpu() {
      return new Engine();
    }
  }
  const message = {
    source: { kind: 'blob', blob: blob('model') },
    adapters: adaptersOf([{ source: blob('lora'), scale: 0.5 }]),
    backend: 'auto',
    threads: 1,
    known_gpus: [],
  };
  const module = { module: { Engine }, thread_count: 1, startThreads: async () => [] };
  const info = { backend: 'gpu', adapter: 'card' };
  const lost = Object.assign(new Error('It was lost.'), { code: 'gpu_lost' });
  await new PickedBackend(message, module, new NotingEngine(), info).fallBack(lost);
  await new PickedBackend(message, module, new NotingEngine(), info).recover(lost);
  assert.equal(started.length, 2);
  for (const { adapters } of started) assert.deepEqual(adapters, [['lora', 0.5]]);
});

test('tabs share no adapter that another one could not read', () => {
  const described = describeSource('https://example.org/model.gguf');
  for (const given of [blob('x'), new Response('x')]) {
    const { engine } = readLoadOptions({ adapters: [{ source: given }] });
    assert.throws(() => openShared(described, { ...engine, place: {} }, {}), {
      code: 'invalid_argument',
      message: /shared/,
    });
  }
});

test('an engine is shared only by those who ask for the same adapters', () => {
  const described = describeSource('https://example.org/model.gguf');
  const [one, two] = [blob('x'), blob('x')];
  const keyOf = (adapters) =>
    engineKey(described, { ...readLoadOptions({ adapters }).engine, place: {} });
  const url = 'https://example.org/lora.gguf';
  const keys = [
    keyOf(undefined),
    keyOf([{ source: one }]),
    keyOf([{ source: two }]),
    keyOf([{ source: one, scale: 2 }]),
    keyOf([{ source: url }]),
    keyOf([{ source: `${url}2` }]),
  ];
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(keyOf([{ source: one }]), keys[1]);
  assert.equal(keyOf([{ source: `${url}?X-Amz-Signature=1` }]), keys[4], 'signatures do not count');
});
