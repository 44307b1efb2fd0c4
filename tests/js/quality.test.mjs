// The quality sets have the form that their README describes, and what corrections are measured by
// is counted right.
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { distance, edits, f, judge, normalize, summarize } from '../../scripts/quality/measure.mjs';
import { Recording } from '../../scripts/quality/recording.mjs';

const KINDS = [
  'agreement',
  'tense',
  'article',
  'preposition',
  'spelling',
  'punctuation',
  'homophone',
  'capitalization',
  'missing-word',
  'right',
];
/** The number of texts, and of those that are right. */
const COUNTS = {
  development: { en: [459, 175], es: [91, 35], de: [91, 35], fr: [90, 34] },
  held_out: { en: [64, 22], es: [12, 4], de: [12, 4], fr: [12, 4] },
};
const sum = (counts) => Object.values(counts).reduce((all, [count]) => all + count, 0);
const read = (name) =>
  readFileSync(new URL(`../quality/${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const sets = { development: read('development'), held_out: read('held_out') };

for (const [name, entries] of Object.entries(sets)) {
  test(`the ${name} set has its texts, a third of them or more right, in every language`, () => {
    for (const [language, [texts, right]] of Object.entries(COUNTS[name])) {
      const own = entries.filter((entry) => entry.language === language);
      assert.equal(own.length, texts, language);
      assert.equal(own.filter(({ kind }) => kind === 'right').length, right, language);
    }
    assert.equal(entries.length, sum(COUNTS[name]));
    assert.equal(new Set(entries.map(({ id }) => id)).size, entries.length);
    assert.deepEqual(new Set(entries.map(({ kind }) => kind)), new Set(KINDS));
  });

  test(`each text of the ${name} set has corrections, the nearest first`, () => {
    for (const entry of entries) {
      const { id, kind, text, accepted, ...rest } = entry;
      assert.deepEqual(Object.keys(rest), ['language'], id);
      assert.ok(text.length >= 5 && text.length <= 200, id);
      for (const each of [text, ...accepted]) assert.equal(each, normalize(each), id);
      assert.equal(new Set(accepted).size, accepted.length, id);
      if (kind === 'right') assert.deepEqual(accepted, [text], id);
      else assert.ok(accepted.length > 0 && !accepted.includes(text), id);
      const distances = accepted.map((to) => distance(text, to));
      assert.equal(distances[0], Math.min(...distances), id);
    }
  });
}

test('the two sets have no text in common', () => {
  const known = new Set(sets.development.map(({ text }) => text));
  assert.deepEqual(
    sets.held_out.filter(({ text }) => known.has(text)),
    [],
  );
});

test('texts are compared without what nobody sees', () => {
  assert.equal(normalize(' a\u00a0 b \r\n\tc '), 'a b\nc');
  assert.equal(normalize('e\u0301'), '\u00e9');
});

test('edits are of words and signs', () => {
  assert.deepEqual(edits('He go home.', 'He goes home!'), ['1 go > goes', '3 . > !']);
  assert.deepEqual(edits('Thanks alot', 'Thanks a lot'), ['1 > a', '1 alot > lot']);
  assert.deepEqual(edits('the the end', 'the end'), ['0 the >']);
  assert.deepEqual(edits('', 'Yes.'), ['0 > Yes', '0 > .']);
  assert.deepEqual(edits("It's a cat's bowl", "Its a cat's  bowl "), ["0 It's > Its"]);
  assert.deepEqual(edits('a\nb', 'a b'), ['1 \n >']);
});

test('a distance is the least number of edits', () => {
  // Levenshtein's distances of these words' letters are known from textbooks.
  for (const [a, b, expected] of [
    ['k i t t e n', 's i t t i n g', 3],
    ['s u n d a y', 's a t u r d a y', 3],
    ['i n t e n t i o n', 'e x e c u t i o n', 5],
    ['a b c', 'a b c', 0],
  ]) {
    assert.equal(distance(a, b), expected);
    assert.equal(distance(b, a), expected);
  }
});

const WRONG = {
  id: 'x',
  language: 'en',
  kind: 'agreement',
  text: 'She go home and he eat cake.',
  accepted: ['She goes home and he eats cake.', 'She goes home, and he eats cake.'],
};
const RIGHT = { ...WRONG, kind: 'right', text: 'Milk, eggs.', accepted: ['Milk, eggs.'] };
const TWICE = { ...WRONG, text: 'I am tired.', accepted: ['I am very tired.'] };

test('a result is judged by the accepted text that is nearest to it', () => {
  for (const [entry, result, expected] of [
    [WRONG, 'She goes home and he eats cake.', ['fixed', 2, 2, 2]],
    [WRONG, ' She goes  home, and he eats cake.', ['fixed', 3, 3, 3]],
    [WRONG, 'She goes home and he eat cake.', ['improved', 1, 1, 2]],
    [WRONG, 'She goes home and he ate cakes.', ['sideways', 1, 3, 2]],
    [WRONG, WRONG.text, ['unchanged', 0, 0, 2]],
    [WRONG, 'Here is the text: She go home and he eat cake.', ['damaged', 0, 5, 2]],
    [WRONG, '', ['damaged', 0, 8, 2]],
    [TWICE, 'I am very very tired.', ['sideways', 1, 2, 1]],
    [RIGHT, RIGHT.text, ['unchanged', 0, 0, 0]],
    [RIGHT, 'Milk and eggs.', ['damaged', 0, 1, 0]],
    [RIGHT, 'Milk ,eggs.', ['damaged', 0, 0, 0]],
  ]) {
    const { outcome, hits, made, wanted } = judge(entry, result);
    assert.deepEqual([outcome, hits, made, wanted], expected, result);
  }
});

test('judgements are summed up', () => {
  const results = [WRONG.accepted[0], 'She goes home and he eat cake.', WRONG.text, 'Cake'];
  const judgements = [
    ...results.map((result) => judge(WRONG, result)),
    judge(RIGHT, RIGHT.text),
    judge(RIGHT, RIGHT.text),
    judge(RIGHT, 'Milk and eggs.'),
  ];
  const summary = summarize(judgements);
  assert.deepEqual(
    [summary.texts, summary.wrong, summary.right, summary.right_unchanged],
    [7, 4, 3, 2],
  );
  assert.deepEqual(
    [summary.fixed, summary.improved, summary.sideways, summary.unchanged, summary.damaged],
    [1, 1, 0, 1, 1],
  );
  assert.equal(summary.damaged_share, 2 / 7);
  assert.equal(summary.right_unchanged_share, 2 / 3);
  assert.equal(summary.improved_share, 2 / 4);
});

test('precision weighs twice in F0.5', () => {
  // Of a search that finds half of what it should and is wrong half the time, and of others.
  assert.deepEqual(f(5, 10, 10), { precision: 0.5, recall: 0.5, f05: 0.5 });
  assert.equal(f(5, 5, 10).f05.toFixed(4), '0.8333');
  assert.equal(f(5, 10, 5).f05.toFixed(4), '0.5556');
  assert.equal(f(0, 0, 10).f05, 0);
  assert.equal(f(0, 3, 0).f05, 0);
  assert.equal(f(0, 0, 0).f05, 1);
});

test('what a model said is kept, and asked for once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'siskin-recording-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'recording.jsonl');
  const calls = [];
  const load = async () => ({
    chat: {
      completions: {
        create: async (request) => {
          calls.push(['create', request]);
          return { id: 'x', choices: [{ message: { content: 'Yes.' } }] };
        },
      },
    },
    prefix: async (...call) => void calls.push(['prefix', ...call]),
    tokenize: async (text) => Uint32Array.from(text, (letter) => letter.charCodeAt(0)),
    score: async (ids, options) => {
      calls.push(['score', [...ids], options]);
      return { log_probabilities: Float32Array.of(-0.5), most_likely: Uint32Array.of(7) };
    },
  });
  const use = async (model) => {
    await model.prefix(['examples'], { key: 'k' });
    const ids = await model.tokenize('ab');
    const { signal } = new AbortController();
    const request = { messages: ['m'], temperature: 0, signal };
    const { choices } = await model.chat.completions.create(request);
    return { ids, answer: choices[0].message, score: await model.score(ids, { from: 1, signal }) };
  };
  const first = new Recording(file);
  const live = await use(first.model(load));
  assert.deepEqual(live, {
    ids: Uint32Array.of(97, 98),
    answer: { content: 'Yes.' },
    score: { log_probabilities: [-0.5], most_likely: [7] },
  });
  assert.deepEqual(calls, [
    ['prefix', ['examples'], { key: 'k' }],
    ['create', { messages: ['m'], temperature: 0 }],
    ['score', [97, 98], { from: 1 }],
  ]);
  assert.equal(first.misses, 3);

  // A run that was killed leaves a line that is cut.
  appendFileSync(file, '{"key": "[\\"score');
  const again = new Recording(file);
  const replayed = again.model(() => assert.fail('The model was loaded.'));
  assert.deepEqual(await use(replayed), live);
  assert.equal(again.misses, 0);
  const more = new Recording(file).model(load);
  await more.score([97, 99], { from: 1 });
  await new Recording(file).model(() => assert.fail()).score([97, 99], { from: 1 });
  await assert.rejects(replayed.score([1, 2]), /The model was loaded/);
});
