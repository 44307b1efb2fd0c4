// These tests hold for how long it is remembered what was found of a graphics card, and for what.
import assert from 'node:assert/strict';
import { beforeEach, mock, test } from 'node:test';
import { rememberGpu } from '../../www/lib/engine/gpu_memory.js';
import { forgetGpus, recallGpus } from '../../www/lib/engine/gpu_verdicts.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SLOWER = { gpu_refusal: 'The processor is faster.', gpu_refusal_code: 'gpu_slower' };
const WRONG = { gpu_refusal: 'The numbers are wrong.', gpu_refusal_code: 'gpu_refused' };
/** What shaders use where f16 is wrong. */
const NO_F16 = { gpu_features: ['subgroups'] };
const CASE = { source: { kind: 'url', key: 'https://example.org/m.gguf' }, threads: 4 };
const remember = (found, { subject = CASE, adapter = 'card', backend = 'auto' } = {}) =>
  rememberGpu(subject, { adapter, ...found }, backend);
/** Returns what is known of the one card, or of none. */
const recalled = (subject = CASE) => {
  const [known, ...others] = recallGpus(subject);
  assert.deepEqual(others, []);
  if (!known) return undefined;
  const { adapter, ...found } = known;
  assert.equal(adapter, 'card');
  return found;
};

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

test('a slower card is tested again after a day, a wrong one or feature after 14 days', () => {
  for (const [found, days] of [
    [SLOWER, 1],
    [WRONG, 14],
    [NO_F16, 14],
  ]) {
    remember(found);
    mock.timers.tick(days * DAY_MS - 1);
    assert.deepEqual(recalled(), found);
    mock.timers.tick(1);
    assert.equal(recalled(), undefined);
  }
});

test('a verdict that is recalled keeps its age, another one has its own', () => {
  for (const [found, other, days] of [
    [SLOWER, { ...SLOWER, gpu_refusal: 'Still faster.' }, 1],
    [NO_F16, { gpu_features: [] }, 14],
  ]) {
    const first_hours = 24 * days - 4;
    remember(found);
    mock.timers.tick(first_hours * HOUR_MS);
    remember(found);
    mock.timers.tick(4 * HOUR_MS);
    assert.equal(recalled(), undefined);
    remember(found);
    mock.timers.tick(first_hours * HOUR_MS);
    remember(other);
    mock.timers.tick(4 * HOUR_MS);
    assert.deepEqual(recalled(), other);
    forgetGpus();
  }
});

test('a verdict of a clock that was set back does not last', () => {
  remember(WRONG);
  mock.timers.setTime(99 * DAY_MS);
  assert.equal(recalled(), undefined);
});

test('a verdict is of one model, number of threads, type of cache, browser and card', () => {
  remember(SLOWER);
  const other = { source: { kind: 'url', key: 'https://example.org/other.gguf' } };
  for (const different of [other, { threads: 2 }, { cache_type: 'q8_0' }])
    assert.equal(recalled({ ...CASE, ...different }), undefined, JSON.stringify(different));
  assert.deepEqual(recalled({ ...CASE, cache_type: 'f16' }), SLOWER, 'the default');
  setBrowser('Chrome/151');
  assert.equal(recalled(), undefined);
  setBrowser('Chrome/150');
  remember(WRONG, { adapter: 'second card' });
  assert.deepEqual(recallGpus(CASE), [
    { adapter: 'card', ...SLOWER },
    { adapter: 'second card', ...WRONG },
  ]);
});

test('a card that computes is no longer refused, another that was refused is', () => {
  remember(SLOWER);
  remember(WRONG, { adapter: 'second card' });
  remember(NO_F16);
  assert.deepEqual(recallGpus(CASE), [
    { adapter: 'second card', ...WRONG },
    { adapter: 'card', ...NO_F16 },
  ]);
});

test('a card that was asked for by name ran no race, so that it stays refused', () => {
  remember(SLOWER);
  remember(NO_F16, { backend: 'gpu' });
  assert.deepEqual(recalled(), { ...SLOWER, ...NO_F16 });
  mock.timers.tick(DAY_MS);
  assert.deepEqual(recalled(), NO_F16);
  remember(SLOWER);
  assert.deepEqual(recalled(), { ...SLOWER, ...NO_F16 }, 'the features are right still');
});

test('only a test of the card makes a verdict, and only for a model with an address', () => {
  for (const gpu_refusal_code of ['gpu_lost', 'gpu_out_of_memory', 'gpu_unavailable'])
    remember({ gpu_refusal: 'another reason', gpu_refusal_code });
  remember(SLOWER, { subject: { ...CASE, source: { kind: 'blob' } } });
  rememberGpu(CASE, SLOWER, 'auto');
  rememberGpu(CASE, {}, 'cpu');
  assert.equal(Object.keys(localStorage).length, 0);
});

test('storage that is broken, or forbidden, holds no verdict', () => {
  remember(SLOWER);
  const [key] = Object.keys(localStorage);
  const [stored] = JSON.parse(localStorage[key]);
  const changed = (change) => JSON.stringify([{ ...stored, ...change }]);
  for (const broken of [
    ...['', '{}', '[1]', '[null]', '[{"subject":7}]'],
    changed({ gpu_refusal_code: 'gpu_lost' }),
    changed({ gpu_refusal: undefined }),
    changed({ gpu_features: 'subgroups' }),
    changed({ gpu_features: [7] }),
  ]) {
    localStorage[key] = broken;
    assert.deepEqual(recallGpus(CASE), [], broken);
  }
  localStorage[key] = changed({});
  assert.deepEqual(recalled(), SLOWER, 'the others are refused for what was changed');
  Object.defineProperty(globalThis, 'localStorage', {
    configurable: true,
    get() {
      throw new Error('SecurityError');
    },
  });
  remember(SLOWER);
  assert.equal(recalled(), undefined);
  forgetGpus();
  Object.defineProperty(globalThis, 'localStorage', { writable: true, value: undefined });
});

test('no more than 20 are kept, the newest', () => {
  const at = (i) => ({ ...CASE, source: { kind: 'url', key: `https://example.org/${i}.gguf` } });
  for (let i = 0; i < 25; i++) remember(SLOWER, { subject: at(i) });
  assert.equal(recalled(at(4)), undefined);
  assert.deepEqual(recalled(at(5)), SLOWER);
  assert.deepEqual(recalled(at(24)), SLOWER);
});

test('all are forgotten, and nothing else', () => {
  localStorage.setItem('siskin.gpu.3', '[]');
  localStorage.setItem('theme', 'dark');
  remember(SLOWER);
  remember(NO_F16, { backend: 'gpu' });
  forgetGpus();
  assert.equal(recalled(), undefined);
  assert.deepEqual(Object.keys(localStorage), ['theme']);
});
