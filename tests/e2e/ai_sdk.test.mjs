// These tests ask a model in the page through the AI SDK, bundled by esbuild: the app of
// tests/package/apps/ai-sdk.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { installPackages, run } from '../package/helpers.mjs';
import { ROOT, SMOLLM2, cannotRun, start } from './helpers/harness.mjs';

describe('the AI SDK', { skip: cannotRun(SMOLLM2) }, () => {
  let site;
  let page;
  let folder;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'siskin-ai-sdk-'));
    const modules = join(await installPackages('ai-sdk'), 'node_modules');
    await run(
      join(modules, '.bin/esbuild'),
      [
        join(ROOT, 'tests/package/apps/ai-sdk/main.js'),
        '--bundle',
        '--format=esm',
        '--define:process.env.NODE_ENV="production"',
        `--outfile=${join(folder, 'app.js')}`,
      ],
      { env: { ...process.env, NODE_PATH: modules } },
    );
    site = await start({ '/app/': folder });
    ({ page } = await site.open());
    await page.evaluate(async (url) => {
      const [{ Siskin }, { createSiskin }, app] = await Promise.all([
        import('/lib/siskin.js'),
        import('/lib/ai_sdk.js'),
        import('/app/app.js'),
      ]);
      const siskin = await Siskin.load(url, { contextTokens: 1024 });
      const provider = createSiskin(siskin);
      // The model's own template knows neither tools nor thoughts.
      const chatTemplate =
        '{% if tools %}<tool_call> {{ tools | tojson }}{% endif %}{% for m in messages %}' +
        "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
        "{{ '<|im_start|>assistant\\n' }}{% if thinks %}{{ '<think>\\n' }}{# </think> #}{% endif %}";
      const other = await Siskin.load(url, { contextTokens: 1024, chatTemplate });
      const models = {
        model: provider.languageModel(),
        caller: createSiskin(other).languageModel(),
        embeddingModel: provider.embeddingModel(),
      };
      window.ask = (name) => app[name](models);
    }, `/models/${SMOLLM2}`);
  });
  after(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  test('generateText and streamText give the same text', async () => {
    const whole = await page.evaluate(() => ask('generate'));
    assert.match(whole.text, /Paris/);
    assert.ok(['stop', 'length'].includes(whole.finishReason), whole.finishReason);
    assert.ok(whole.usage.inputTokens > 5 && whole.usage.outputTokens > 2);
    const streamed = await page.evaluate(() => ask('stream'));
    assert.ok(streamed.pieces.length > 3);
    assert.equal(streamed.pieces.join(''), whole.text);
    assert.equal(streamed.text, whole.text);
    assert.equal(streamed.finishReason, whole.finishReason);
    assert.equal(streamed.usage.outputTokens, whole.usage.outputTokens);
  });

  test('an aborted stream ends, and the model stops', async () => {
    const { types, pieces } = await page.evaluate(() => ask('abort'));
    assert.ok(types.includes('abort'), types);
    assert.ok(pieces < 10, `${pieces} pieces`);
    assert.match((await page.evaluate(() => ask('generate'))).text, /Paris/);
  });

  test('embedMany gives vectors that know what is alike', async () => {
    const { alike, other, tokens } = await page.evaluate(() => ask('embed'));
    assert.ok(alike > other + 0.05, `${alike} and ${other}`);
    assert.ok(tokens > 15 && tokens < 40);
  });

  test('Output.object is held to its schema, whole and streamed', async () => {
    const { output, streamed, parts } = await page.evaluate(() => ask('object'));
    assert.deepEqual(Object.keys(output), ['merchant', 'kind', 'prices']);
    assert.ok(['food', 'fuel'].includes(output.kind) && output.merchant.length <= 20, output);
    assert.ok(output.prices.every((price) => price >= 0));
    assert.deepEqual(streamed, output);
    assert.ok(parts > 1);
  });

  test('tools are called with what their schemas allow, whole and streamed', async () => {
    const called = await page.evaluate(() => ask('tools'));
    const { whole, finishReason, results, streamed, types, ran } = called;
    assert.equal(finishReason, 'tool-calls');
    assert.ok(whole.length > 0);
    for (const { name, input } of whole) {
      assert.equal(name, 'get_weather');
      assert.ok(['Oslo', 'Rome'].includes(input.city) && input.days <= 7, JSON.stringify(input));
    }
    assert.deepEqual(streamed, whole);
    assert.deepEqual(ran, [...whole, ...whole]);
    assert.deepEqual(
      results,
      whole.map(() => 'It is done.'),
    );
    for (const type of ['tool-input-start', 'tool-input-delta', 'tool-call', 'tool-result'])
      assert.ok(types.includes(type), types);
  });

  test('thoughts are reasoning parts', async () => {
    const { reasoningText, text, types } = await page.evaluate(() => ask('reasoning'));
    assert.ok(reasoningText.length > 0);
    assert.ok(!reasoningText.includes('</think>'), reasoningText);
    assert.ok(text.length > 0);
    const order = ['reasoning-start', 'reasoning-delta', 'reasoning-end', 'text-start'];
    assert.deepEqual(
      types.filter((type) => order.includes(type)),
      order,
    );
  });

  test('useChat answers without a server', async () => {
    const messages = await page.evaluate(() => ask('chat'));
    assert.deepEqual(
      messages.map(({ role }) => role),
      ['user', 'assistant'],
    );
    const text = messages[1].parts.filter(({ type }) => type === 'text').map(({ text }) => text);
    assert.match(text.join(''), /Paris/);
  });
});
