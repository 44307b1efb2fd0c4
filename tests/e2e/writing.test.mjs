// These tests proofread and rewrite in Chromium: how it works with a small model, and two sentences
// with one that knows what to do.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QWEN, SMOLLM2, cannotRun, start } from './helpers/harness.mjs';

/** Loads a model into the page. Runs in the page. */
async function load(url) {
  const { Siskin } = await import('/lib/siskin.js');
  window.siskin = await Siskin.load(url, { backend: 'cpu', contextTokens: 1024 });
  window.codeOf = (promise) =>
    promise.then(
      () => 'no error',
      ({ code }) => code,
    );
}

describe('SmolLM2-135M', { skip: cannotRun(SMOLLM2), timeout: 120_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start();
    ({ page } = await site.open());
    await page.evaluate(load, `/models/${SMOLLM2}`);
  });
  after(() => site?.stop());

  test('gives corrections that make the corrected text, and keeps what is no prose', async () => {
    const text = 'He go  to school.\n\n- They was late, see https://a.example/x.\n\n> it have\n';
    const { correctedInput, corrections } = await page.evaluate(
      (text) => siskin.proofread(text),
      text,
    );
    let result = text;
    for (const { startIndex, endIndex, correction } of [...corrections].reverse())
      result = result.slice(0, startIndex) + correction + result.slice(endIndex);
    assert.equal(correctedInput, result);
    for (const kept of ['\n\n- ', 'https://a.example/x', '\n\n> it have\n'])
      assert.ok(correctedInput.includes(kept), kept);
  });

  test('is stopped within a long text', async () => {
    const { code, again } = await page.evaluate(async () => {
      const stop = new AbortController();
      const text = 'The house is old and the garden is wild. '.repeat(2500);
      const code = codeOf(siskin.proofread(text, { signal: stop.signal }));
      await new Promise((done) => setTimeout(done, 300));
      stop.abort();
      return { code: await code, again: await siskin.proofread('Hello') };
    });
    assert.equal(code, 'aborted');
    assert.equal(again.correctedInput, 'Hello', 'the model goes on');
  });

  test('tells of each sentence before the next one, and ends with it when it is stopped', async () => {
    const text = 'He go to school. They was late. The house is old. She have a dog.';
    const { seen, result, code, told } = await page.evaluate(async (text) => {
      const seen = [];
      const result = await siskin.proofread(text, {
        onSentence: (sentence) => seen.push({ ...sentence, at_ms: performance.now() }),
      });
      const stop = new AbortController();
      let told = 0;
      const onSentence = () => {
        told += 1;
        stop.abort();
      };
      const code = await codeOf(siskin.proofread(text, { signal: stop.signal, onSentence }));
      return { seen, result, code, told };
    }, text);
    assert.equal(seen.length, 4);
    assert.deepEqual(
      seen.map(({ startIndex, endIndex }) => text.slice(startIndex, endIndex)),
      text.match(/[^.]+\./g).map((sentence) => sentence.trim()),
    );
    assert.deepEqual(
      seen.flatMap(({ corrections }) => corrections),
      result.corrections,
    );
    const gaps_ms = seen.slice(1).map(({ at_ms }, i) => at_ms - seen[i].at_ms);
    assert.ok(Math.min(...gaps_ms) > 5, `a sentence takes an answer: ${gaps_ms} ms`);
    assert.deepEqual([code, told], ['aborted', 1]);
  });

  test('scores what follows a kept beginning as from an empty context', async () => {
    const { pairs, codes } = await page.evaluate(async () => {
      const texts = ['She has a dog and two cats.', 'She has a dog and a cat.', 'She had a dog.'];
      const pairs = [];
      for (const text of texts) {
        const ids = await siskin.tokenize(`Here is the text:\n${text}`);
        const from = ids.length - 4;
        const shared = await siskin.score(ids, { from });
        pairs.push([shared.log_probabilities, shared.most_likely.length]);
        const whole = await siskin.score(ids);
        pairs.at(-1).push(whole.log_probabilities.slice(from - 1));
        // It is kept once more, for the next text.
        await siskin.score(ids, { from });
      }
      const codes = [];
      for (const from of [0, 4, 1.5, '1'])
        codes.push(await codeOf(siskin.score([1, 2, 3], { from })));
      return { pairs, codes };
    });
    for (const [shared, most_likely, whole] of pairs) {
      assert.deepEqual([shared.length, most_likely], [4, 5]);
      for (const [i, value] of shared.entries())
        assert.ok(Math.abs(value - whole[i]) < 1e-4, `${value} is ${whole[i]}`);
    }
    assert.deepEqual(codes, Array(4).fill('invalid_argument'));
  });

  test('rewrites, whole and in pieces', async () => {
    const { whole, streamed, code } = await page.evaluate(async () => {
      const text = 'The shop was closed, so we went home.';
      const whole = await siskin.rewrite(text);
      let streamed = '';
      for await (const piece of await siskin.rewrite(text, { stream: true })) streamed += piece;
      return { whole, streamed, code: await codeOf(siskin.rewrite(text, { tone: 'rude' })) };
    });
    assert.equal(streamed.trim(), whole);
    assert.ok(whole.length > 0);
    assert.equal(code, 'invalid_argument');
  });
});

describe('Qwen2.5-Coder-0.5B', { skip: cannotRun(QWEN), timeout: 300_000 }, () => {
  let site;
  before(async () => (site = await start()));
  after(() => site?.stop());

  test('corrects what is wrong, and keeps what is right', async (t) => {
    const { page } = await site.open();
    await page.evaluate(load, `/models/${QWEN}`);
    const text = 'She have two cats. The keys are on the table.';
    const { result, ms } = await page.evaluate(async (text) => {
      const start_ms = performance.now();
      const result = await siskin.proofread(text);
      return { result, ms: performance.now() - start_ms };
    }, text);
    assert.equal(result.correctedInput, 'She has two cats. The keys are on the table.');
    assert.deepEqual(result.corrections, [
      { startIndex: 4, endIndex: 8, correction: 'has', types: ['grammar'] },
    ]);
    t.diagnostic(`${Math.round(ms)} ms`);
  });
});
