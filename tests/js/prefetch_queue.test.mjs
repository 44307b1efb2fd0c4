// These tests run the queue of models that are to be prefetched, on connections of all kinds.
// Nothing is stored here, so that a model which is tried at all fails with `storage_failed`.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { PrefetchQueue } from '../../www/lib/offline/prefetch_queue.js';

const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
const { warn } = console;
beforeEach(() => {
  const value = { locks: { query: async () => ({ held: [] }) }, storage: {} };
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
  globalThis.location = { href: 'https://site.example/' };
  console.warn = () => {};
});
afterEach(() => {
  if (descriptor) Object.defineProperty(globalThis, 'navigator', descriptor);
  else delete globalThis.navigator;
  delete globalThis.location;
  console.warn = warn;
});

/** Runs a queue of two models, and returns how each ended. */
async function run(navigator, { yes = [] } = {}) {
  const entries = new Map();
  const state = {
    names: async () => [...entries.keys()],
    get: async (name) => entries.get(name),
    set: async (name, value) => void entries.set(name, value),
    delete: async (name) => void entries.delete(name),
  };
  const ends = {};
  const queue = new PrefetchQueue({ navigator }, state, async ({ progress }) => {
    const end = progress.error?.code ?? progress.paused;
    if (end && end !== 'busy') ends[progress.url.at(-1)] = end;
  });
  for (const name of ['a', 'b']) await queue.add([`https://site.example/${name}`], false);
  await queue.add(
    yes.map((name) => `https://site.example/${name}`),
    true,
  );
  await queue.run();
  return { ends, left: (await queue.list()).map((url) => url.at(-1)), queue };
}

test('what the browser tells of the connection decides', async () => {
  for (const [navigator, why] of [
    [{}, 'unknown_connection'],
    [{ onLine: false }, 'network'],
    [{ onLine: true, connection: { saveData: true } }, 'save_data'],
    [{ onLine: true, connection: { type: 'cellular' } }, 'metered'],
  ]) {
    const { ends, left } = await run(navigator);
    assert.deepEqual([ends, left], [{ a: why, b: why }, ['a', 'b']]);
  }
  const { ends, left } = await run({ connection: {} });
  assert.deepEqual([ends, left], [{ a: 'storage_failed', b: 'storage_failed' }, []]);
});

test('a yes holds for its model, on any connection, and is not taken back', async () => {
  for (const navigator of [{}, { connection: { saveData: true } }]) {
    const { ends, left, queue } = await run(navigator, { yes: ['b'] });
    assert.equal(ends.b, 'storage_failed', 'it was tried, behind one that waits');
    assert.deepEqual(left, ['a']);
    await queue.add(['https://site.example/a'], true);
    await queue.add(['https://site.example/a'], false);
    await queue.run();
    assert.deepEqual(await queue.list(), []);
  }
  const { left } = await run({ onLine: false }, { yes: ['a', 'b'] });
  assert.deepEqual(left, ['a', 'b'], 'without a network nothing is tried');
});
