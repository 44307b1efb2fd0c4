// These tests hold for how long a refused graphics card is remembered, and for what.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { forgetGpus, recallGpus, rememberGpu } from '../../www/lib/engine/gpu_verdicts.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SLOWER = 'The processor computes faster than the GPU here: 1.00 ms a layer in place of 2 ms.';
const WRONG = 'The GPU computes wrong numbers (logit 3 is off by 7). Update the browser.';
const CASE = { source: { kind: 'url', key: 'https://example.org/m.gguf' }, threads: 4 };
const refused = (gpu_refusal, adapter = 'card') => ({
  adapter,
  gpu_refusal,
  gpu_refusal_code: 'gpu_refused',
});
const recalled = (subject = CASE) => recallGpus(subject).map(({ gpu_refusal }) => gpu_refusal);

/** A `localStorage` whose keys are its own properties, as a browser's. */
class FakeStorage {
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  }
  setItem(key, value) {
    this[key] = String(value);
  }
  removeItem(key) {
    delete this[key];
  }
}

function setBrowser(userAgent) {
  Object.defineProperty(globalThis, 'navigator', { value: { userAgent }, configurable: true });
}

beforeEach(() => {
  globalThis.localStorage = new FakeStorage();
  setBrowser('Chrome/150');
  mock.timers.reset();
  mock.timers.enable({ apis: ['Date'], now: 100 * DAY_MS });
});

test('a slower card is tested again after a day, a wrong one after 14 days', () => {
  for (const [refusal, days] of [
    [SLOWER, 1],
    [WRONG, 14],
  ]) {
    rememberGpu(CASE, refused(refusal));
    mock.timers.tick(days * DAY_MS - 1);
    assert.deepEqual(recalled(), [refusal]);
    mock.timers.tick(1);
    assert.deepEqual(recalled(), []);
  }
});

test('a verdict that is recalled keeps its age', () => {
  rememberGpu(CASE, refused(SLOWER));
  mock.timers.tick(20 * HOUR_MS);
  rememberGpu(CASE, refused(SLOWER));
  mock.timers.tick(4 * HOUR_MS);
  assert.deepEqual(recalled(), []);
});

test('a verdict of a clock that was set back does not last', () => {
  rememberGpu(CASE, refused(WRONG));
  mock.timers.setTime(99 * DAY_MS);
  assert.deepEqual(recalled(), []);
});

test('a verdict is of one model, number of threads, type of cache, browser and card', () => {
  rememberGpu(CASE, refused(SLOWER));
  const other = { source: { kind: 'url', key: 'https://example.org/other.gguf' } };
  for (const different of [other, { threads: 2 }, { cache_type: 'q8_0' }])
    assert.deepEqual(recalled({ ...CASE, ...different }), [], JSON.stringify(different));
  assert.deepEqual(recalled({ ...CASE, cache_type: 'f16' }), [SLOWER], 'the default');
  setBrowser('Chrome/151');
  assert.deepEqual(recalled(), []);
  setBrowser('Chrome/150');
  rememberGpu(CASE, refused(WRONG, 'second card'));
  assert.deepEqual(recallGpus(CASE), [
    { adapter: 'card', gpu_refusal: SLOWER },
    { adapter: 'second card', gpu_refusal: WRONG },
  ]);
});

test('a card that computes is forgotten, another that was refused is not', () => {
  rememberGpu(CASE, refused(SLOWER));
  rememberGpu(CASE, refused(WRONG, 'second card'));
  rememberGpu(CASE, { adapter: 'card' });
  assert.deepEqual(recalled(), [WRONG]);
});

test('only a test of the card makes a verdict, and only for a model with an address', () => {
  for (const gpu_refusal_code of ['gpu_lost', 'gpu_out_of_memory', 'gpu_unavailable'])
    rememberGpu(CASE, { ...refused('another reason'), gpu_refusal_code });
  rememberGpu({ ...CASE, source: { kind: 'blob' } }, refused(SLOWER));
  rememberGpu(CASE, { ...refused(SLOWER), adapter: undefined });
  assert.equal(Object.keys(localStorage).length, 0);
});

test('storage that is broken, or forbidden, holds no verdict', () => {
  rememberGpu(CASE, refused(SLOWER));
  const [key] = Object.keys(localStorage);
  for (const broken of ['', '{}', '[1]', '[null]', '[{"subject":7}]']) {
    localStorage[key] = broken;
    assert.deepEqual(recalled(), [], broken);
  }
  Object.defineProperty(globalThis, 'localStorage', {
    configurable: true,
    get() {
      throw new Error('SecurityError');
    },
  });
  rememberGpu(CASE, refused(SLOWER));
  assert.deepEqual(recalled(), []);
  forgetGpus();
  Object.defineProperty(globalThis, 'localStorage', { writable: true, value: undefined });
});

test('no more than 20 are kept, the newest', () => {
  const at = (i) => ({ ...CASE, source: { kind: 'url', key: `https://example.org/${i}.gguf` } });
  for (let i = 0; i < 25; i++) rememberGpu(at(i), refused(SLOWER));
  assert.deepEqual(recalled(at(4)), []);
  assert.deepEqual(recalled(at(5)), [SLOWER]);
  assert.deepEqual(recalled(at(24)), [SLOWER]);
});

test('all are forgotten, and nothing else', () => {
  localStorage.setItem('siskin.gpu.3', '[]');
  localStorage.setItem('theme', 'dark');
  rememberGpu(CASE, refused(SLOWER));
  forgetGpus();
  assert.deepEqual(recalled(), []);
  assert.deepEqual(Object.keys(localStorage), ['theme']);
});
