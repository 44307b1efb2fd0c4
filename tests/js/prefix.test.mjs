// These tests hold for prefixes that are saved: what is read back is what was written, damage and
// other models are noticed, and the device keeps a limited number of bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodePrefix, encodePrefix } from '../../www/lib/engine/prefix_file.js';
import {
  keepPrefix,
  restoreOpening,
  restorePrefix,
  takeOpening,
} from '../../www/lib/engine/prefixes.js';
import {
  readStoredPrefix,
  removeStoredPrefixes,
  storePrefix,
  storedPrefixBytes,
} from '../../www/lib/model/prefix_store.js';

const REQUEST = { messages: [{ role: 'system', content: 'Sei höflich: schreibe „bitte“.' }] };
const INFO = { name: 'parrot', fingerprint: '0123456789abcdef', build: 'relaxed' };
const TOKENS = Uint32Array.of(5, 70_000, 3);
const KV = Uint16Array.from({ length: 24 }, (_, i) => i * 2731);

/** An engine that knows one prefix, and counts how often it computes it. */
class FakeEngine {
  computed = 0;
  /** Whether its chat template writes the same tokens as the one that the prefix was made with. */
  same_template = true;
  async keep_prefix() {
    this.computed += 1;
    return TOKENS;
  }
  kept_prefix() {
    return KV;
  }
  restore_prefix(request, tokens, kv) {
    this.restored = { request, tokens, kv };
    return this.same_template;
  }
  /** Whether the last conversation began with what the chat template writes by itself. */
  began_so = true;
  async opening(max_bytes) {
    return this.began_so && KV.byteLength <= max_bytes ? [TOKENS, KV] : undefined;
  }
  restore_opening(tokens, kv) {
    this.restored = { tokens, kv };
    return this.same_template;
  }
}

const owner = (engine = new FakeEngine(), info = INFO) => ({
  engine,
  info,
  stores: true,
  stores_opening: true,
});

async function saved() {
  const { bytes } = await keepPrefix(owner(), { request: REQUEST, save: true });
  return bytes;
}

test('what was saved is restored', async () => {
  const to = owner();
  const restored = await restorePrefix(to, await saved());
  assert.deepEqual(restored, { request: REQUEST, token_count: 3 });
  assert.deepEqual(to.engine.restored, { request: REQUEST, tokens: TOKENS, kv: KV });
});

test('a flipped byte is noticed, wherever it is', async () => {
  const bytes = await saved();
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at] ^= 0x10;
    const code = at < 8 ? 'invalid_argument' : 'integrity';
    await assert.rejects(decodePrefix(damaged), { code }, `byte ${at}`);
  }
});

test('what is cut off or no prefix is noticed', async () => {
  const bytes = await saved();
  for (let length = 0; length < bytes.length; length++)
    await assert.rejects(
      decodePrefix(bytes.slice(0, length)),
      { code: length < 8 ? 'invalid_argument' : 'integrity' },
      `${length} bytes`,
    );
  await assert.rejects(decodePrefix(new TextEncoder().encode('GGUF and more')), {
    code: 'invalid_argument',
  });
});

test('lengths that a header makes up are refused', async () => {
  const header = { build: 'source', model: 'm', fingerprint: 'f', request: REQUEST };
  for (const token_count of [0, -1, 1e9, 'x', undefined])
    await assert.rejects(
      decodePrefix(
        await encodePrefix({ header: { ...header, token_count }, tokens: TOKENS, kv: KV }),
      ),
      { code: 'integrity' },
      String(token_count),
    );
});

test('another model, build or template refuses it by name', async () => {
  const bytes = await saved();
  const other = owner(undefined, { name: 'finch', fingerprint: 'fedcba9876543210' });
  await assert.rejects(restorePrefix(other, bytes), {
    code: 'prefix_mismatch',
    message: /made with the model "parrot", and the model here is "finch"/,
  });
  const { header, tokens, kv } = await decodePrefix(bytes);
  const older = await encodePrefix({ header: { ...header, build: 'older' }, tokens, kv });
  await assert.rejects(restorePrefix(owner(), older), {
    code: 'prefix_mismatch',
    message: /another build/,
  });
  const to = owner();
  to.engine.same_template = false;
  await assert.rejects(restorePrefix(to, bytes), {
    code: 'prefix_mismatch',
    message: /another chat template/,
  });
});

test('a stored prefix is computed once, and again for other messages or another model', async () => {
  const { engine } = owner();
  const keep = (request, key = 'key', info = INFO) =>
    keepPrefix(owner(engine, info), { request, key });
  assert.deepEqual(await keep(REQUEST), { token_count: 3, restored: false });
  assert.deepEqual(await keep(REQUEST), { token_count: 3, restored: true });
  assert.equal(engine.computed, 1);
  await keep({ messages: [{ role: 'system', content: 'Be rude.' }] });
  assert.equal(engine.computed, 2);
  await keep(REQUEST, 'key', { name: 'finch', fingerprint: 'fedcba9876543210' });
  await keep(REQUEST, 'another key');
  assert.equal(engine.computed, 4);
});

test('a stored prefix that is damaged is computed again', async () => {
  const { engine } = owner();
  const message = { request: REQUEST, key: 'damaged' };
  await keepPrefix(owner(engine), message);
  const bytes = await readStoredPrefix('damaged', INFO.fingerprint);
  bytes[bytes.length - 40] ^= 1;
  await storePrefix('damaged', INFO.fingerprint, bytes);
  assert.equal((await keepPrefix(owner(engine), message)).restored, false);
  assert.equal((await keepPrefix(owner(engine), message)).restored, true);
  assert.equal(engine.computed, 2);
});

test('nothing is stored where the model is not either', async () => {
  const { engine } = owner();
  for (let i = 0; i < 2; i++)
    await keepPrefix({ ...owner(engine), stores: false }, { request: REQUEST, key: 'private' });
  assert.equal(engine.computed, 2);
  assert.equal(await readStoredPrefix('private', INFO.fingerprint), undefined);
});

test("the template's own beginning is taken from an answer, for the same kind of engine", async () => {
  const to = owner();
  assert.equal(await restoreOpening(to), false, 'nothing is stored yet');
  await (
    await takeOpening({ ...owner(), stores_opening: false })
  )();
  const with_system = new FakeEngine();
  with_system.began_so = false;
  await (
    await takeOpening(owner(with_system))
  )();
  const failing = new FakeEngine();
  failing.opening = () => Promise.reject(new Error('no memory'));
  await (
    await takeOpening(owner(failing))
  )();
  assert.equal(await restoreOpening(to), false, 'nothing of these was to be stored');

  await (
    await takeOpening(owner())
  )();
  for (const build of ['relaxed', 'threads'])
    assert.equal(await restoreOpening(owner(to.engine, { ...INFO, build })), true);
  assert.deepEqual(to.engine.restored, { tokens: TOKENS, kv: KV });
  assert.equal(await restoreOpening(owner(undefined, { ...INFO, build: 'threads-simd' })), false);
  const other = owner(undefined, { ...INFO, fingerprint: 'fedcba9876543210' });
  assert.equal(await restoreOpening(other), false, 'another model');
  assert.equal(await restoreOpening({ ...to, stores_opening: false }), false);
  to.engine.same_template = false;
  assert.equal(await restoreOpening(to), false, 'another template');
});

test('the least recently used ones are removed when the bytes are spent', async (t) => {
  let now = 1;
  t.mock.method(Date, 'now', () => now++);
  const store = (key) => storePrefix(key, 'f', new Uint8Array(100), 300);
  const kept = async (...keys) => {
    const found = [];
    for (const key of keys) if (await readStoredPrefix(key, 'f')) found.push(key);
    return found;
  };
  // What the other tests stored is older.
  await storePrefix('first', 'f', new Uint8Array(300), 300);
  assert.equal(await readStoredPrefix('key', INFO.fingerprint), undefined);
  for (const key of ['a', 'b', 'c']) await store(key);
  assert.deepEqual(await kept('first', 'b', 'c', 'a'), ['b', 'c', 'a']);
  await store('d');
  assert.deepEqual(await kept('a', 'b', 'c', 'd'), ['a', 'c', 'd'], 'b was read before the others');
  await store('d');
  assert.deepEqual(await kept('a', 'c', 'd'), ['a', 'c', 'd'], 'it takes its own place');
});

test('what the prefixes take is told, and all are removed', async () => {
  await removeStoredPrefixes();
  assert.equal(await storedPrefixBytes(), 0);
  await storePrefix('one', 'f', new Uint8Array(100));
  await storePrefix('two', 'f', new Uint8Array(50));
  assert.equal(await storedPrefixBytes(), 150);
  await removeStoredPrefixes();
  assert.equal(await storedPrefixBytes(), 0);
  assert.equal(await readStoredPrefix('one', 'f'), undefined);
});
