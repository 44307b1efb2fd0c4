// These tests move models between stores in memory, and check quotas that a browser does not tell.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { MemoryStore } from '../../www/lib/storage/memory.js';
import { moveModels } from '../../www/lib/storage/move.js';
import { ensureQuota } from '../../www/lib/storage/quota.js';

const RECORD = 'record.json';
const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
const setNavigator = (value) =>
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
beforeEach(() => setNavigator({ locks: { request: (_name, run) => run() } }));
afterEach(() => {
  if (descriptor) Object.defineProperty(globalThis, 'navigator', descriptor);
  else delete globalThis.navigator;
});

const bytes = (length, value) => new Uint8Array(length).fill(value);

/** Returns a store with one model, and another one that was not fetched to its end. */
async function filled() {
  const store = new MemoryStore();
  for (const [folder, parts] of [
    ['a', 3],
    ['b', 1],
  ]) {
    await store.write(folder, RECORD, bytes(10, 1));
    for (let part = 0; part < parts; part++)
      await store.write(folder, String(part), bytes(99, part));
  }
  return store;
}

const contentOf = async (store) =>
  Object.fromEntries(
    await Promise.all(
      (await store.folders()).map(async (folder) => [
        folder,
        Object.fromEntries([...(await store.files(folder))].sort(([a], [b]) => a.localeCompare(b))),
      ]),
    ),
  );

const MOVED = { a: { 0: 99, 1: 99, 2: 99, [RECORD]: 10 }, b: { 0: 99, [RECORD]: 10 } };

test('all models move, the record of each last', async () => {
  const old = await filled();
  const store = new MemoryStore();
  const written = [];
  const write = store.write.bind(store);
  store.write = (folder, name, data) => (
    written.push(`${folder}/${name}`),
    write(folder, name, data)
  );
  let removed = 0;
  await moveModels(
    async () => old,
    store,
    async () => removed++,
  );
  assert.deepEqual(await contentOf(store), MOVED);
  assert.deepEqual(written, ['a/0', 'a/1', 'a/2', `a/${RECORD}`, 'b/0', `b/${RECORD}`]);
  assert.deepEqual([...(await store.read('a', ['2']))], [...bytes(99, 2)]);
  assert.deepEqual([await old.folders(), removed], [[], 1]);
});

test('a move that was interrupted goes on', async () => {
  const old = await filled();
  const store = new MemoryStore();
  const read = old.read.bind(old);
  let reads = 0;
  old.read = async (...what) => {
    if (++reads === 3) throw new DOMException('It is in use.', 'NotReadableError');
    return read(...what);
  };
  const move = () =>
    moveModels(
      async () => old,
      store,
      async () => {},
    );
  await assert.rejects(move());
  assert.deepEqual(Object.keys(await contentOf(store)), ['a']);
  await move();
  assert.deepEqual(await contentOf(store), MOVED);
});

test('a model that was begun anew stays, and one that finds no room is removed', async () => {
  const old = await filled();
  const store = new MemoryStore();
  await store.write('a', RECORD, bytes(12, 9));
  const write = store.write.bind(store);
  store.write = async (folder, name, data) => {
    if (folder === 'b' && name === RECORD)
      throw new DOMException('There is no room.', 'QuotaExceededError');
    return write(folder, name, data);
  };
  await moveModels(
    async () => old,
    store,
    async () => {},
  );
  assert.deepEqual(await contentOf(store), { a: { [RECORD]: 12 } });
  assert.deepEqual(await old.folders(), []);
});

test('a browser without estimates is not asked for one', async () => {
  const store = new MemoryStore();
  setNavigator({ storage: {} });
  await ensureQuota(store, 1e12);
  setNavigator({ storage: { estimate: async () => ({}) } });
  await ensureQuota(store, 1e12);
  setNavigator({ storage: { estimate: async () => ({ quota: 100, usage: 60 }) } });
  await ensureQuota(store, 40);
  await assert.rejects(ensureQuota(store, 41), { code: 'storage_full', message: / 1 bytes/ });
});
