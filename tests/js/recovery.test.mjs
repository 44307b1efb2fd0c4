// These tests let a graphics card be lost and see what the engine does, by a clock of their own and
// with engines that only count.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import './helpers/unref_ports.mjs';
import { PickedBackend } from '../../www/lib/engine/backend.js';

const LOST = Object.assign(new Error('The graphics card was lost.'), { code: 'gpu_lost' });
const MINUTE_MS = 60_000;

/** The card starts anew as long as this is 0; each failed start counts it down. */
let failures = 0;
/** What was started, and when. */
let log = [];
/** The numbers of threads that the card had to outrun. */
let races = [];
/** The features that the card was opened with, each time. */
let opened_with = [];
/** The features that work. */
const FEATURES = ['subgroups'];

class FakeEngine {
  constructor({ threads }) {
    log.push(['cpu', threads, Date.now()]);
  }
  static async on_gpu({ features }) {
    log.push(['gpu', Date.now()]);
    opened_with.push(features);
    if (failures-- > 0) throw LOST;
    failures = 0;
    return Object.create(FakeEngine.prototype);
  }
  reload() {}
  push() {}
  has_header() {
    return true;
  }
  async test_gpu(threads) {
    races.push(threads);
  }
  async finish() {
    return { gpu_features: FEATURES };
  }
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 0 });
  mock.method(performance, 'now', () => Date.now());
  [failures, log, races, opened_with] = [0, [], [], []];
});

/** Lets the clock run until the promise is settled. */
async function settle(promise) {
  let settled = false;
  const done = promise.finally(() => (settled = true));
  done.catch(() => {});
  for (let turns = 0; !settled && turns < 100_000; turns++) {
    await setImmediate();
    mock.timers.tick(10);
  }
  return done;
}

function backend() {
  const message = {
    source: { kind: 'blob', blob: new Blob(['file']) },
    backend: 'auto',
    threads: 4,
    known_gpus: [],
  };
  const started = {
    module: { Engine: FakeEngine },
    thread_count: 4,
    startThreads: async () => [1],
  };
  return new PickedBackend(message, started, Object.create(FakeEngine.prototype), {
    backend: 'gpu',
    adapter: 'card',
  });
}

/** Returns the times between the starts, in seconds. */
function pauses() {
  const times = log.map((entry) => entry.at(-1));
  return times.map((time, i) => Math.round((time - (times[i - 1] ?? 0)) / 1000));
}

test('a card that comes back at once goes on, without a race', async () => {
  const picked = backend();
  await settle(picked.recover(LOST));
  assert.deepEqual([log.length, log[0][0], pauses()], [1, 'gpu', [0]]);
  assert.equal(picked.info().backend, 'gpu');
  assert.deepEqual(races, [0], 'it is tested, and need not be faster');
  assert.deepEqual(await picked.startThreads(), [], 'the processor does not compute');
});

test('a card that is restarted begins with the features that worked', async () => {
  const picked = backend();
  await settle(picked.recover(LOST));
  await settle(picked.recover(LOST));
  assert.deepEqual(opened_with, [undefined, FEATURES]);
});

test('a card that stays away is started after 0, 1 and 4 s; then the processor goes on', async () => {
  const picked = backend();
  failures = Infinity;
  await settle(picked.recover(LOST));
  assert.deepEqual(
    log.map(([name]) => name),
    ['gpu', 'gpu', 'gpu', 'cpu'],
  );
  assert.deepEqual(pauses(), [0, 1, 4, 0]);
  assert.deepEqual([log.at(-1)[1], await picked.startThreads()], [4, [1]], 'on all threads');
  assert.equal(picked.info().backend, 'cpu');
  assert.equal(picked.info().gpu_refusal_code, 'gpu_lost');
});

test('a card that is lost again and again is given up', async () => {
  const picked = backend();
  for (let losses = 0; losses < 4; losses++) {
    assert.ok(picked.mayRecover(LOST));
    await settle(picked.recover(LOST));
    mock.timers.tick(5000);
  }
  assert.deepEqual(
    log.map(([name]) => name),
    ['gpu', 'gpu', 'gpu', 'cpu'],
  );
  assert.equal(picked.mayRecover(LOST), false);
});

test('a card that is lost twice within a minute and once an hour later is restarted at once', async () => {
  const picked = backend();
  for (const health_ms of [MINUTE_MS / 3, 60 * MINUTE_MS, 0]) {
    await settle(picked.recover(LOST));
    assert.equal(picked.info().backend, 'gpu');
    mock.timers.tick(health_ms);
  }
  // The second restart comes a second after the loss, the third does not wait.
  assert.deepEqual(pauses(), [0, 21, 3600]);
});

test('after a minute of health the restarts are counted anew', async () => {
  const picked = backend();
  for (let losses = 0; losses < 10; losses++) {
    failures = losses % 2 ? 1 : 0;
    await settle(picked.recover(LOST));
    assert.equal(picked.info().backend, 'gpu', `loss ${losses}`);
    mock.timers.tick(MINUTE_MS);
  }
  // Less than a minute is no health.
  await settle(picked.recover(LOST));
  for (let losses = 0; losses < 3; losses++) {
    mock.timers.tick(MINUTE_MS - 100);
    await settle(picked.recover(LOST));
  }
  assert.equal(picked.info().backend, 'cpu');
});

test('an error that is not the card’s own ends the recovery', async () => {
  const picked = backend();
  mock.method(FakeEngine, 'on_gpu', async () => {
    throw new WebAssembly.RuntimeError('unreachable');
  });
  await assert.rejects(settle(picked.recover(LOST)), /unreachable/);
  mock.restoreAll();
});
