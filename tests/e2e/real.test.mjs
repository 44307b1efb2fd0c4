// These tests check the answers of the real Qwen2.5 in a real browser.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MODELS_DIR, QWEN, cannotRun, cpuSeconds, recordTasks, start } from './helpers/harness.mjs';
import { OPENAI, openaiRoutes } from './helpers/openai.mjs';

const CONTEXT_TOKENS = 1024;
/** The KV cache holds keys and values of 24 layers with two heads of 64, two bytes each. */
const CACHE_BYTES = CONTEXT_TOKENS * 24 * 2 * 2 * 64 * 2;

describe('Qwen2.5-Coder-0.5B', { skip: cannotRun(QWEN, OPENAI), timeout: 600_000 }, () => {
  let site;
  let page;
  let tasks;
  before(async () => {
    site = await start(openaiRoutes);
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

  test('fills a gap', async () => {
    const { text, finish_reason } = await page.evaluate(async () => {
      const { choices } = await siskin.completions.create({
        prompt: 'def add(a, b):\n    return ',
        suffix: '\n\nprint(add(1, 2))\n',
        max_tokens: 24,
        temperature: 0,
      });
      return choices[0];
    });
    assert.match(text, /^ ?a \+ b\n/);
    // What follows in the training is the padding, or the next file: neither is text.
    assert.ok(!text.includes('<|'), text);
    assert.equal(finish_reason, 'stop');
  });

  test("calls tools with what their schemas allow, by OpenAI's client too", async (t) => {
    const { whole, streamed, ran, answer } = await page.evaluate(async () => {
      const { OpenAI } = await import('/openai/index.mjs');
      const openai = new OpenAI({
        fetch: siskin.fetch,
        baseURL: 'https://siskin.local/v1',
        apiKey: '-',
        dangerouslyAllowBrowser: true,
      });
      const parameters = {
        type: 'object',
        properties: {
          city: { type: 'string', maxLength: 20 },
          unit: { enum: ['celsius', 'fahrenheit'] },
        },
        required: ['city', 'unit'],
        additionalProperties: false,
      };
      const tool = { name: 'get_weather', description: 'Returns the weather.', parameters };
      const body = {
        model: 'any',
        messages: [{ role: 'user', content: 'How warm is it in Oslo, in celsius?' }],
        tools: [{ type: 'function', function: tool }],
        tool_choice: 'required',
        temperature: 0,
        max_tokens: 60,
      };
      const whole = await openai.chat.completions.create(body);
      const streamed = await openai.chat.completions.stream(body).finalChatCompletion();
      const ran = [];
      const call = (given) => ran.push(given) && 'It is 4 degrees in Oslo.';
      const { choices } = await siskin.chat.completions.runTools({
        ...body,
        tools: [{ type: 'function', function: { ...tool, function: call } }],
      });
      return { whole, streamed, ran, answer: choices[0].message.content };
    });
    const expected = { city: 'Oslo', unit: 'celsius' };
    for (const { choices } of [whole, streamed]) {
      const [call] = choices[0].message.tool_calls;
      assert.equal(choices[0].finish_reason, 'tool_calls');
      assert.equal(call.function.name, 'get_weather');
      assert.deepEqual(JSON.parse(call.function.arguments), expected);
    }
    assert.deepEqual(ran, [expected]);
    assert.ok(answer.length > 0);
    t.diagnostic(answer);
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
