// These tests hold for tabs that share an engine, which here are parts of one process: with locks
// and workers that only pretend.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import './helpers/unref_ports.mjs';
import { FakeLocks } from './helpers/fake_locks.mjs';
import { FakeWorker } from './helpers/fake_worker.mjs';
import { Siskin } from '../../www/lib/siskin.js';

const SOURCE = 'https://example.org/a.gguf';
let locks;
let listeners;
let open;

beforeEach(() => {
  [locks, open] = [new FakeLocks(), []];
  listeners = new EventTarget();
  Object.defineProperty(globalThis, 'navigator', {
    value: { hardwareConcurrency: 4, userAgent: 'test', locks },
    configurable: true,
  });
  Object.assign(globalThis, {
    Worker: FakeWorker,
    location: new URL(import.meta.url),
    addEventListener: (...given) => listeners.addEventListener(...given),
    removeEventListener: (...given) => listeners.removeEventListener(...given),
  });
  FakeWorker.runners = [];
});
afterEach(async () => {
  await Promise.all(open.map((tab) => tab.unload()));
  await until(() => locks.held().length === 0);
  assert.equal(FakeWorker.running.size, 0);
  for (const name of ['Worker', 'location', 'addEventListener', 'removeEventListener'])
    delete globalThis[name];
});

async function until(check) {
  for (let turn = 0; !check(); turn++) {
    assert.ok(turn < 3000, 'it does not happen');
    await sleep(5);
  }
}

async function openTab(options) {
  const tab = await Siskin.load(SOURCE, { shared: true, ...options });
  open.push(tab);
  return tab;
}

const WORDS = Array.from({ length: 200 }, (_, i) => `w${i} `)
  .join(' ')
  .trim();
const request = (content) => ({ messages: [{ role: 'user', content }], stream: true });

/** Starts an answer, whose text grows. */
function start(tab, content = WORDS) {
  const answer = { text: '' };
  answer.done = (async () => {
    for await (const chunk of await tab.chat.completions.create(request(content)))
      answer.text += chunk.choices[0].delta.content;
    return answer.text;
  })();
  answer.done.catch(() => {});
  return answer;
}
const WHOLE = WORDS.replaceAll(' ', '');

test('five tabs have one worker, and each its own answers', async () => {
  const seen = [];
  const tabs = [await openTab()];
  for (let i = 0; i < 4; i++)
    tabs.push(await openTab({ onProgress: (it) => seen.push(it.loaded_bytes) }));
  assert.equal(FakeWorker.runners.length, 1);
  assert.deepEqual(seen, [1, 1, 1, 1]);
  const texts = tabs.map((tab, i) => start(tab, `${i} a b ${i}`).done);
  assert.deepEqual(
    await Promise.all(texts),
    tabs.map((_, i) => `${i}ab${i}`),
  );
  assert.deepEqual([...(await tabs[3].tokenize('ab'))], [97, 98]);
});

test('tabs that load at the same time have one worker', async () => {
  await Promise.all([openTab(), openTab(), openTab()]);
  assert.equal(FakeWorker.runners.length, 1);
});

test('when the owner unloads, another goes on with the answers', async () => {
  const [owner, ...others] = [await openTab(), await openTab(), await openTab()];
  const [running, waiting] = others.map((tab) => start(tab));
  await until(() => running.text.length > 50);
  await owner.unload();
  assert.equal(running.text === WHOLE, false, 'it was under way');
  assert.equal(await running.done, WHOLE);
  assert.equal(await waiting.done, WHOLE);
  assert.equal(FakeWorker.runners.length, 2);
  assert.equal(FakeWorker.running.size, 1);
});

test('a page that is left for the cache hands on, and comes back as another tab', async () => {
  const owner = await openTab();
  const answer = start(owner);
  await until(() => answer.text.length > 50);
  listeners.dispatchEvent(new Event('pagehide'));
  await until(() => FakeWorker.running.size === 0);
  assert.deepEqual(locks.held(), ['siskin answering']);
  listeners.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  assert.equal(await answer.done, WHOLE);
});

test('an owner that does not answer is replaced', async () => {
  const owner = await openTab();
  const other = await openTab();
  const frozen = [...FakeWorker.running][0];
  frozen.freeze();
  const mine = start(owner);
  const theirs = start(other);
  assert.equal(await theirs.done, WHOLE);
  assert.equal(await mine.done, WHOLE, 'the old owner goes on with the new engine');
  assert.equal(FakeWorker.runners.length, 2);
});

test('an owner whose worker starts slowly is waited for', async () => {
  FakeWorker.start_ms = 9000;
  await Promise.all([openTab(), openTab()]);
  FakeWorker.start_ms = 0;
  assert.equal(FakeWorker.runners.length, 1);
});

test('an engine that crashes is a worker_failed, and the next call finds another', async () => {
  const owner = await openTab();
  const other = await openTab();
  await assert.rejects(start(other, 'trap').done, { code: 'worker_failed' });
  await assert.rejects(owner.tokenize('x'), { code: 'worker_failed' });
  assert.equal(await start(other, 'a b').done, 'ab');
  assert.equal(FakeWorker.runners.length, 2);
});

test('a load that fails does so in every tab, and may be tried again', async () => {
  FakeWorker.failure = Object.assign(new Error('Bad.'), { code: 'not_gguf' });
  const codes = [openTab(), openTab()].map((load) => load.catch(({ code }) => code));
  assert.deepEqual(await Promise.all(codes), ['not_gguf', 'not_gguf']);
  FakeWorker.failure = undefined;
  assert.equal(await start(await openTab(), 'a b').done, 'ab');
});

test('a file of one tab cannot be shared', async () => {
  await assert.rejects(Siskin.load(new Blob(['x']), { shared: true }), {
    code: 'invalid_argument',
  });
  await assert.rejects(Siskin.load(SOURCE, { shared: 'yes' }), { code: 'invalid_argument' });
});
