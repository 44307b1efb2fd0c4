// These tests run retries by a clock of their own: how long a lost connection is waited for, and
// what is said when it does not come back.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { SiskinError } from '../../www/lib/errors.js';
import { FIRST_REQUEST, LATER_REQUEST, WHOLE_FILE, retry } from '../../www/lib/model/retry.js';

const MINUTE = 60_000;
const { setImmediate } = globalThis;
/** Lets promises settle. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

const network = new EventTarget();
const saved = {};
beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1e12 });
  for (const name of ['navigator', 'addEventListener'])
    saved[name] = Object.getOwnPropertyDescriptor(globalThis, name);
  setOnline(true);
  globalThis.addEventListener = network.addEventListener.bind(network);
});
afterEach(() => {
  mock.timers.reset();
  for (const [name, descriptor] of Object.entries(saved))
    if (descriptor) Object.defineProperty(globalThis, name, descriptor);
    else delete globalThis[name];
});

function setOnline(onLine) {
  Object.defineProperty(globalThis, 'navigator', { value: { onLine }, configurable: true });
  if (onLine) network.dispatchEvent(new Event('online'));
}

/** Lets the clock go on, with time for promises each quarter of a second. */
async function pass(ms) {
  for (let at = 0; at < ms; at += 250) {
    mock.timers.tick(250);
    await settle();
  }
}

/** Starts attempts that fail as a lost connection does, until `mended` says so. */
function start(plan, { mended = () => false, progress } = {}) {
  const state = { attempts: 0, result: undefined, controller: new AbortController() };
  retry(
    async () => {
      state.attempts += 1;
      if (!mended()) throw new SiskinError('network', 'Could not reach the server.');
      return 'there';
    },
    { plan, signal: state.controller.signal, progress },
  ).then(
    (value) => (state.result = value),
    (error) => (state.result = error),
  );
  return state;
}

test('a connection that was lost is waited for during minutes', async () => {
  let back = false;
  const state = start(LATER_REQUEST, { mended: () => back });
  await pass(4.5 * MINUTE);
  assert.equal(state.result, undefined, 'it still waits');
  assert.ok(state.attempts > 15 && state.attempts < 40, `${state.attempts} attempts`);
  back = true;
  await pass(20_000);
  assert.equal(state.result, 'there');
});

test('one that does not come back is given up, and said so', async () => {
  const state = start(LATER_REQUEST);
  await pass(6 * MINUTE);
  assert.equal(state.result.code, 'network');
  assert.match(state.result.message, /did not come back within 5 minutes.*is kept/);
  assert.equal(state.result.cause.message, 'Could not reach the server.');
});

test('a first request is given up at once, unless there is no network', async () => {
  const state = start(FIRST_REQUEST);
  await pass(2000);
  assert.equal(state.result.message, 'Could not reach the server.');
  assert.equal(state.attempts, 3);

  setOnline(false);
  const offline = start(FIRST_REQUEST);
  await pass(4 * MINUTE);
  assert.equal(offline.result, undefined);
  await pass(2 * MINUTE);
  assert.match(offline.result.message, /within 5 minutes/);
});

test('the network that is back ends the wait at once', async () => {
  for (const plan of [FIRST_REQUEST, LATER_REQUEST, WHOLE_FILE]) {
    setOnline(false);
    let back = false;
    const state = start(plan, { mended: () => back });
    await pass(MINUTE);
    assert.equal(state.result, undefined);
    back = true;
    const { attempts } = state;
    setOnline(true);
    await settle();
    await settle();
    assert.deepEqual([state.result, state.attempts], ['there', attempts + 1]);
  }
});

test('bytes that have come in between begin the minutes anew', async () => {
  let bytes = 0;
  const state = start(LATER_REQUEST, { progress: () => bytes });
  for (let minute = 0; minute < 8; minute++) {
    await pass(MINUTE);
    bytes += 1;
  }
  assert.equal(state.result, undefined);
  await pass(6 * MINUTE);
  assert.equal(state.result.code, 'network');
});

test('an abort ends the wait', async () => {
  setOnline(false);
  const state = start(LATER_REQUEST);
  await pass(MINUTE);
  state.controller.abort();
  await settle();
  assert.equal(state.result.code, 'aborted');
});

test('a whole file is fetched twice at most', async () => {
  const state = start(WHOLE_FILE);
  await pass(2000);
  assert.equal(state.attempts, 2);
  assert.equal(state.result.code, 'network');
});
