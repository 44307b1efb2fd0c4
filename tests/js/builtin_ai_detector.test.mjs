// These tests hold for `LanguageDetector`: the order of its results, and how often it is right on
// sentences that were written for this test and not for its words.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { rejection } from './helpers/scripted_siskin.mjs';
import { createBuiltinAi } from '../../www/lib/builtin_ai.js';
import { resultsOf } from '../../www/lib/builtin_ai/language_detector.js';
import { DETECTED, SHARED_SCRIPTS } from '../../www/lib/builtin_ai/detected_languages.js';

const { LanguageDetector } = createBuiltinAi({ model: '/none.gguf' });
const SENTENCES = JSON.parse(
  readFileSync(new URL('../fixtures/languages.json', import.meta.url), 'utf8'),
);
const SHARED = Object.values(SHARED_SCRIPTS).flat();
const detector = await LanguageDetector.create();
const bestOf = async (text) => (await detector.detect(text))[0].detectedLanguage;

/** Returns the share of texts whose language is detected. */
async function accuracy(tags, textsOf) {
  let right = 0;
  let count = 0;
  for (const tag of tags)
    for (const text of textsOf(SENTENCES[tag])) {
      count += 1;
      if ((await bestOf(text)) === tag) right += 1;
    }
  return right / count;
}

test('there are sentences of every language', () => {
  assert.deepEqual(Object.keys(SENTENCES).sort(), DETECTED.toSorted());
});

test('a script of one language tells it', async () => {
  const single = DETECTED.filter((tag) => !SHARED.includes(tag));
  assert.equal(await accuracy(single, (texts) => texts), 1);
});

test('of languages that share a script, short sentences and headings are right mostly', async () => {
  const share = await accuracy(SHARED, (texts) => texts);
  assert.ok(share >= 0.88, `${share}`);
});

test('of languages that share a script, texts of some sentences are right', async () => {
  const share = await accuracy(SHARED, (texts) => [texts.join(' ')]);
  assert.equal(share, 1);
});

test('results are sorted, und is last, and they sum to 1 at most', async () => {
  const texts = Object.values(SENTENCES).flat();
  for (const text of [...texts, 'Please write a sentence in English.', 'hm', 'x', '12', '', 'ᚠ']) {
    const results = await detector.detect(text);
    const unknown = results.pop();
    assert.equal(unknown.detectedLanguage, 'und');
    assert.ok(unknown.confidence > 0);
    let sum = 0;
    let last = 1;
    for (const { detectedLanguage, confidence } of results) {
      assert.equal(Intl.getCanonicalLocales(detectedLanguage)[0], detectedLanguage);
      assert.ok(confidence <= last, 'sorted');
      assert.ok(confidence > unknown.confidence, `${text}: more likely than no language`);
      last = confidence;
      sum += confidence;
    }
    if (results.length > 0) assert.ok(sum - last < 0.99, 'no noise after 99%');
    assert.ok(sum + unknown.confidence <= 1, `${text}: ${sum + unknown.confidence}`);
  }
});

test('what comes after 99%, or is less likely than no known language, is left out', () => {
  const languages = (confidences, unknown) =>
    resultsOf({ confidences: new Map(Object.entries(confidences)), unknown }).map(
      ({ detectedLanguage }) => detectedLanguage,
    );
  assert.deepEqual(languages({ en: 0.005, de: 0.99, fr: 0.004 }, 0.001), ['de', 'und']);
  assert.deepEqual(languages({ en: 0.3, de: 0.5, fr: 0.05 }, 0.15), ['de', 'en', 'und']);
  assert.deepEqual(languages({ en: 0, de: 1 }, 0), ['de', 'und']);
  assert.deepEqual(languages({ en: 0 }, 1), ['und']);
});

test('what has no letters, or letters of no known script, is in no known language', async () => {
  for (const text of ['', ' ', '1 + 2 = 3', '🙂', 'ᚠᚢᚦᚨᚱᚲ'])
    assert.deepEqual(await detector.detect(text), [{ detectedLanguage: 'und', confidence: 1 }]);
});

test('of a text in two scripts, each language takes its share', async () => {
  const results = await detector.detect('これは日本語です。 This is English and you know it.');
  assert.deepEqual(results.map(({ detectedLanguage }) => detectedLanguage).toSorted(), [
    'en',
    'ja',
    'und',
  ]);
});

test('what a language is written with besides letters does not count', async () => {
  for (const text of [
    'THE TRAIN LEAVES IN TEN MINUTES, PLEASE!!!',
    'the — train — leaves: in “ten” minutes (please) 123',
  ])
    assert.equal(await bestOf(text), 'en');
  assert.equal(await bestOf('Je ne l’ai jamais vu'.normalize('NFD')), 'fr');
});

test('languages that it cannot detect are unavailable, and the others are told', async () => {
  for (const [tag, expected] of [
    ['en', 'available'],
    ['en-US', 'available'],
    ['zh-Hant', 'available'],
    ['tlh', 'unavailable'],
    ['und', 'unavailable'],
  ]) {
    const options = { expectedInputLanguages: ['fr', tag] };
    assert.equal(await LanguageDetector.availability(options), expected, tag);
    if (expected === 'available') await LanguageDetector.create(options);
    else
      assert.equal((await rejection(LanguageDetector.create(options))).name, 'NotSupportedError');
  }
  const { expectedInputLanguages } = await LanguageDetector.create({
    expectedInputLanguages: ['EN', 'es', 'en'],
  });
  assert.deepEqual(expectedInputLanguages, ['en', 'es']);
  assert.ok(Object.isFrozen(expectedInputLanguages));
  for (const options of [{}, { expectedInputLanguages: [] }])
    assert.equal((await LanguageDetector.create(options)).expectedInputLanguages, null);
});

test('there is no quota, so that nothing is measured', async () => {
  assert.equal(detector.inputQuota, Infinity);
  assert.equal(await detector.measureInputUsage('Hello world!'.repeat(10_000)), 0);
  assert.equal(
    (await detector.detect('Hello to the world! '.repeat(10_000)))[0].detectedLanguage,
    'en',
  );
});

test('calls are aborted and checked as those of the others', async () => {
  const error = new Error('mine');
  for (const method of ['detect', 'measureInputUsage']) {
    const stop = new AbortController();
    const aborted = rejection(detector[method]('x', { signal: stop.signal }));
    stop.abort(error);
    assert.equal(await aborted, error);
    assert.equal(await rejection(detector[method]('x', { signal: stop.signal })), error);
    assert.ok((await rejection(detector[method]())) instanceof TypeError);
  }
  const other = await LanguageDetector.create();
  const pending = rejection(other.detect('x'));
  other.destroy();
  assert.equal((await pending).name, 'AbortError');
  assert.equal((await rejection(other.detect('x'))).name, 'AbortError');
});
