// These tests check the answers of the real Qwen2.5 in a real browser.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MODELS_DIR, QWEN, cannotRun, cpuSeconds, recordTasks, start } from './helpers/harness.mjs';

const CONTEXT_TOKENS = 1024;
/** The KV cache holds keys and values of 24 layers with two heads of 64, two bytes each. */
const CACHE_BYTES = CONTEXT_TOKENS * 24 * 2 * 2 * 64 * 2;

describe('Qwen2.5-Coder-0.5B', { skip: cannotRun(QWEN), timeout: 600_000 }, () => {
  let site;
  let page;
  let tasks;
  before(async () => {
    site = await start();
    ({ page } = await site.open());
    tasks = await recordTasks(page);
    await page.evaluate(
      async ({ url, contextTokens }) => {
        const { Siskin } = await import('/lib/siskin.js');
        const start_ms = performance.now();
        window.siskin = await Siskin.load(url, { contextTokens });
        window.load_ms = performance.now() - start_ms;
        window.ask = async (content) =>
          siskin.chat.completions.create({
            messages: [{ role: 'user', content }],
            temperature: 0,
            max_tokens: 60,
          });
      },
      { url: `/models/${QWEN}`, contextTokens: CONTEXT_TOKENS },
    );
  });
  after(() => site?.stop());

  const ask = (content) => page.evaluate((content) => ask(content), content);

  test('knows the capital of France', async (t) => {
    const { choices, timings } = await ask('What is the capital of France? Answer in one word.');
    assert.match(choices[0].message.content, /^Paris\.?$/);
    assert.equal(choices[0].finish_reason, 'stop');
    const { load_ms, memory_bytes } = await page.evaluate(async () => ({
      load_ms: window.load_ms,
      memory_bytes: await siskin.memoryBytes(),
    }));
    assert.ok(
      memory_bytes < 1.15 * statSync(join(MODELS_DIR, QWEN)).size + CACHE_BYTES,
      `${memory_bytes} bytes of wasm memory`,
    );
    t.diagnostic(
      `load ${Math.round(load_ms)} ms, wasm memory ${Math.round(memory_bytes / 1e6)} MB, ` +
        `prefill ${timings.prefill_tokens_per_second.toFixed(1)} tokens/s`,
    );
  });

  test('corrects a sentence', async (t) => {
    const { choices, timings } = await ask(
      "Correct the grammar: he go to school yesterday and don't had no lunch.",
    );
    assert.match(choices[0].message.content, /went to school/);
    t.diagnostic(
      `${choices[0].message.content} (decode ${timings.decode_tokens_per_second.toFixed(1)} ` +
        'tokens/s)',
    );
  });

  test('no task of the page takes 50 ms while the model loads and writes', async (t) => {
    await page.evaluate(async () => {
      let text = '';
      const request = {
        messages: [{ role: 'user', content: 'Count from one to a hundred in words.' }],
        temperature: 0,
        max_tokens: 100,
        stream: true,
      };
      for await (const { choices } of await siskin.chat.completions.create(request))
        document.body.dataset.text = text += choices[0].delta.content ?? '';
    });
    const durations_ms = await tasks.stop();
    assert.ok(durations_ms.length > 100, `${durations_ms.length} tasks were seen`);
    t.diagnostic(
      `${durations_ms.length} tasks, the longest ${Math.max(...durations_ms).toFixed(1)} ms`,
    );
    assert.deepEqual(
      durations_ms.filter((ms) => ms >= 50),
      [],
    );
  });

  test('rests when it has nothing to do', async (t) => {
    await page.waitForTimeout(500);
    const before = await cpuSeconds(page);
    await page.waitForTimeout(2000);
    const spent = (await cpuSeconds(page)) - before;
    t.diagnostic(`${spent.toFixed(3)} s of processor time in 2 s`);
    assert.ok(spent < 0.2, `${spent} s of processor time in 2 s of rest`);
  });
});
