// These tests lock downloads with a LockManager and a clock of their own: a holder that answers, one
// that is frozen, and one that comes back to life.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { ifUnlocked, withLock } from '../../www/lib/storage/locks.js';

const { setImmediate } = globalThis;
const SECOND = 1000;

/** A LockManager after the Web Locks specification, for one lock. */
class Locks {
  held = undefined;
  queue = [];
  request(_name, options, callback) {
    const { steal = false, ifAvailable = false, signal } = options;
    return new Promise((resolve, reject) => {
      const request = { callback, resolve, reject };
      signal?.addEventListener('abort', () => {
        if (!this.queue.includes(request)) return;
        this.queue.splice(this.queue.indexOf(request), 1);
        reject(new DOMException('aborted', 'AbortError'));
      });
      if (steal) {
        this.held?.reject(new DOMException('stolen', 'AbortError'));
        this.held = undefined;
        this.queue.unshift(request);
      } else if (ifAvailable && (this.held || this.queue.length > 0)) {
        return resolve(callback(null));
      } else {
        this.queue.push(request);
      }
      this.#next();
    });
  }
  #next() {
    if (this.held) return;
    const request = (this.held = this.queue.shift());
    if (!request) return;
    Promise.resolve(request.callback({}))
      .then(request.resolve, request.reject)
      .finally(() => {
        if (this.held !== request) return;
        this.held = undefined;
        this.#next();
      });
  }
}

/** Channels deliver at once, except to a tab that is frozen. */
class Channel {
  static open = new Set();
  static frozen = new Set();
  constructor(name) {
    this.name = name;
    Channel.open.add(this);
  }
  postMessage(data) {
    for (const other of Channel.open)
      if (other !== this && other.name === this.name && !Channel.frozen.has(other))
        other.onmessage?.({ data });
  }
  close() {
    Channel.open.delete(this);
  }
}

const { navigator, BroadcastChannel } = globalThis;
let locks;
beforeEach(() => {
  mock.timers.enable({ apis: ['setInterval'] });
  locks = new Locks();
  Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });
  globalThis.BroadcastChannel = Channel;
  Channel.open.clear();
});
afterEach(() => {
  mock.timers.reset();
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  globalThis.BroadcastChannel = BroadcastChannel;
  assert.equal(Channel.open.size, 0, 'all channels are closed');
});

async function pass(ms) {
  for (let at = 0; at < ms; at += SECOND) {
    mock.timers.tick(SECOND);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Takes the lock with a run that ends when it is told to. */
function tab(signal = new AbortController().signal) {
  const state = { runs: 0, stolen: 0, done: false, end: () => {} };
  withLock('a', signal, (signal) => {
    state.runs += 1;
    return new Promise((resolve, reject) => {
      state.end = resolve;
      signal.addEventListener('abort', () => {
        state.stolen += 1;
        reject(new Error('told to end'));
      });
    });
  }).then(
    () => (state.done = true),
    (error) => (state.error = error),
  );
  return state;
}

test('a holder that answers keeps its lock, however long it takes', async () => {
  const first = tab();
  const second = tab();
  await pass(600 * SECOND);
  assert.deepEqual([first.runs, second.runs], [1, 0]);
  first.end();
  await pass(SECOND);
  assert.deepEqual([first.done, second.runs], [true, 1]);
  second.end();
  await pass(SECOND);
  assert.ok(second.done);
});

test('a holder that never answers loses its lock after 30 seconds', async () => {
  void locks.request('siskin a', {}, () => new Promise(() => {})).catch(() => {});
  const second = tab();
  await pass(29 * SECOND);
  assert.equal(second.runs, 0);
  await pass(11 * SECOND);
  assert.equal(second.runs, 1);
  second.end();
  await pass(SECOND);
  assert.ok(second.done);
});

test('a holder that is frozen stops when it is back, and waits for the other', async () => {
  const first = tab();
  await pass(SECOND);
  Channel.frozen = new Set(Channel.open);
  const second = tab();
  await pass(40 * SECOND);
  Channel.frozen.clear();
  assert.deepEqual([first.stolen, first.runs, second.runs], [1, 1, 1]);
  await pass(60 * SECOND);
  assert.deepEqual([first.runs, second.stolen], [1, 0], 'the first waits');
  second.end();
  await pass(SECOND);
  assert.equal(first.runs, 2);
  first.end();
  await pass(SECOND);
  assert.ok(first.done && second.done);
});

test('what is run under the lock may fail, and an abort ends the waiting', async () => {
  await assert.rejects(
    withLock('a', new AbortController().signal, async () => {
      throw new Error('no');
    }),
    /no/,
  );
  const first = tab();
  const controller = new AbortController();
  const second = tab(controller.signal);
  await pass(SECOND);
  controller.abort();
  await pass(SECOND);
  assert.equal(second.error.code, 'aborted');
  assert.equal(await ifUnlocked('a', async () => {}), false);
  first.end();
  await pass(SECOND);
  assert.equal(await ifUnlocked('a', async () => {}), true);
});
