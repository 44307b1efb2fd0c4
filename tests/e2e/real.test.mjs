// The real Qwen2.5 in a real browser says what it should.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QWEN, cannotRun, start } from './harness.mjs';

describe('Qwen2.5-Coder-0.5B', { skip: cannotRun(QWEN), timeout: 600_000 }, () => {
  let site;
  let page;
  before(async () => {
    site = await start();
    ({ page } = await site.open());
    await page.evaluate(async (url) => {
      const { Siskin } = await import('/lib/index.js');
      const start_ms = performance.now();
      window.siskin = await Siskin.load(url, { contextTokens: 1024 });
      window.load_ms = performance.now() - start_ms;
      window.ask = async (content) => siskin.chat.completions.create({ messages: [{ role: 'user', content }], temperature: 0, max_tokens: 60 });
    }, `/models/${QWEN}`);
  });
  after(() => site?.stop());

  const ask = (content) => page.evaluate((content) => ask(content), content);

  test('knows the capital of France', async (t) => {
    const { choices, timings } = await ask('What is the capital of France? Answer in one word.');
    assert.match(choices[0].message.content, /^Paris\.?$/);
    assert.equal(choices[0].finish_reason, 'stop');
    const { load_ms, memory_bytes } = await page.evaluate(async () => ({ load_ms: window.load_ms, memory_bytes: await siskin.memoryBytes() }));
    t.diagnostic(`load ${Math.round(load_ms)} ms, wasm memory ${Math.round(memory_bytes / 1e6)} MB, prefill ${timings.prefill_tokens_per_second.toFixed(1)} tokens/s`);
  });

  test('corrects a sentence', async (t) => {
    const { choices, timings } = await ask("Correct the grammar: he go to school yesterday and don't had no lunch.");
    assert.match(choices[0].message.content, /went to school/);
    t.diagnostic(`${choices[0].message.content} (decode ${timings.decode_tokens_per_second.toFixed(1)} tokens/s)`);
  });
});
