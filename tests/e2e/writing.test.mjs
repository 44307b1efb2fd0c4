// These tests proofread and rewrite in Chromium: how it works with a tiny model, which writes
// nonsense, and two sentences with the real one.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { QWEN, ROOT, cannotRun, start } from './helpers/harness.mjs';

const CHAT_TINY = join(ROOT, 'tests/fixtures/models/chat-tiny.gguf');

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

describe('a model that writes nonsense', { skip: cannotRun(), timeout: 120_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start({ '/tiny.gguf': CHAT_TINY });
    ({ page } = await site.open());
    await page.evaluate(load, '/tiny.gguf');
  });
  after(() => site?.stop());

  test('corrects nothing', async () => {
    const text = 'He go to school.\n\n- They was late, see https://a.example/x.\n\n> it have';
    const result = await page.evaluate((text) => siskin.proofread(text), text);
    assert.deepEqual(result, { correctedInput: text, corrections: [] });
  });

  test('is stopped within a long text', async () => {
    const { code, again } = await page.evaluate(async () => {
      const stop = new AbortController();
      const text = 'The house is old and the garden is wild. '.repeat(2500);
      const code = codeOf(siskin.proofread(text, { signal: stop.signal }));
      await new Promise((done) => setTimeout(done, 300));
      stop.abort();
      return { code: await code, again: await siskin.proofread('It is') };
    });
    assert.equal(code, 'aborted');
    assert.equal(again.correctedInput, 'It is', 'the model goes on');
  });

  test('rewrites, whole and in pieces', async () => {
    const { whole, streamed, code } = await page.evaluate(async () => {
      const text = 'It is';
      const whole = await siskin.rewrite(text);
      let streamed = '';
      for await (const piece of await siskin.rewrite(text, { stream: true })) streamed += piece;
      return { whole, streamed, code: await codeOf(siskin.rewrite(text, { tone: 'rude' })) };
    });
    assert.equal(streamed.trim(), whole);
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
