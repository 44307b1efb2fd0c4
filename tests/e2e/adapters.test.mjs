// These tests load a tiny model with a LoRA adapter in Chromium, on both backends: it computes what
// Hugging Face transformers does of the two merged, and requests choose.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, cannotRun, start } from './helpers/harness.mjs';

const MODELS = join(ROOT, 'tests/fixtures/models');
const golden = (name) => JSON.parse(readFileSync(join(MODELS, `${name}.json`), 'utf8'));
const PLAIN = golden('mistral-linear-tiny');
/** The scale that the goldens are for. */
const SCALE = 0.5;
/** Where the rounding of merged weights to f16 changes the likeliest token, it is not compared. */
const ROUNDED = golden('mistral-linear-tiny-lora').argmax;
const EXACT = golden('mistral-linear-tiny-lora-exact').argmax;

describe('adapters', { skip: cannotRun() }, () => {
  let site, page;
  before(async () => {
    const routes = {
      '/model.gguf': join(MODELS, 'mistral-linear-tiny.gguf'),
      '/lora.gguf': join(MODELS, 'mistral-linear-tiny-lora.gguf'),
      '/chat.gguf': join(MODELS, 'chat-tiny.gguf'),
    };
    site = await start(routes, { gpu: true });
    ({ page } = await site.open());
    await page.evaluate(async () => {
      const { Siskin, models } = await import('/lib/siskin.js');
      Object.assign(window, { Siskin, models });
      window.codeOf = (promise) =>
        promise.then(
          () => 'no error',
          ({ code, message }) => `${code}: ${message}`,
        );
    });
  });
  after(() => site?.stop());

  for (const backend of ['cpu', 'gpu'])
    test(`change what the model computes, as requests choose (${backend})`, async () => {
      const found = await page.evaluate(
        async ({ backend, prompt, scale }) => {
          const options = { storage: 'memory', slots: 2, backend };
          const adapters = [{ source: '/lora.gguf', scale }];
          const siskin = await Siskin.load('/model.gguf', { ...options, adapters });
          const complete = async (lora, text = prompt) => {
            const request = { prompt: text, temperature: 0, max_tokens: 12, lora };
            const { choices, usage } = await siskin.completions.create(request);
            const { cached_tokens } = usage.prompt_tokens_details;
            return { text: choices[0].text, cached_tokens };
          };
          const answers = {
            with: await complete(undefined),
            without: await complete([]),
            with_again: await complete([{ id: 0, scale }]),
            without_again: await complete([{ id: 0, scale: 0 }]),
          };
          const { most_likely } = await siskin.score(prompt);
          const refused = await codeOf(complete([{ id: 1, scale: 1 }]));
          const { fingerprint } = siskin.info;
          const ran_on = siskin.info.backend;
          await siskin.unload();
          // One that is loaded and not used, and a model without any.
          const unused = [{ source: '/lora.gguf', scale: 0 }];
          const off = await Siskin.load('/model.gguf', { ...options, adapters: unused });
          const plain_likely = (await off.score(prompt)).most_likely;
          await off.unload();
          const bare = await Siskin.load('/model.gguf', options);
          const { choices } = await bare.completions.create({
            prompt,
            temperature: 0,
            max_tokens: 12,
          });
          const same_file = bare.info.fingerprint === fingerprint;
          await bare.unload();
          const bare_text = choices[0].text;
          return { answers, most_likely, plain_likely, refused, ran_on, bare_text, same_file };
        },
        { backend, prompt: PLAIN.prompt, scale: SCALE },
      );
      assert.equal(found.ran_on, backend);
      const compared = [...EXACT.keys()].filter((i) => EXACT[i] === ROUNDED[i]);
      assert.ok(compared.length > 20);
      for (const i of compared) assert.equal(found.most_likely[i], EXACT[i], `token ${i}`);
      assert.deepEqual([...found.plain_likely], PLAIN.argmax);
      const { answers } = found;
      assert.notEqual(answers.with.text, answers.without.text);
      assert.equal(answers.without.text, found.bare_text);
      // Each finds its own conversation again.
      assert.deepEqual([answers.with.cached_tokens, answers.without.cached_tokens], [0, 0]);
      const last = PLAIN.prompt.length - 1;
      assert.equal(answers.with_again.cached_tokens, last);
      assert.equal(answers.without_again.cached_tokens, last);
      if (backend === 'cpu') {
        assert.equal(answers.with_again.text, answers.with.text);
        assert.equal(answers.without_again.text, answers.without.text);
      }
      assert.match(found.refused, /^invalid_argument: .*`lora`/);
      assert.equal(found.same_file, false, 'what is stored belongs to the adapters');
    });

  test('are stored as models are, or read from a file', async () => {
    const [stored, texts] = await page.evaluate(async (prompt) => {
      const complete = async (source) => {
        const adapters = [{ source }];
        const siskin = await Siskin.load('/model.gguf', { backend: 'cpu', adapters });
        const { choices } = await siskin.completions.create({
          prompt,
          temperature: 0,
          max_tokens: 8,
        });
        await siskin.unload();
        return choices[0].text;
      };
      const texts = [await complete('/lora.gguf')];
      const stored = await models.has('/lora.gguf');
      texts.push(await complete('/lora.gguf'));
      texts.push(await complete(await (await fetch('/lora.gguf')).blob()));
      await models.remove('/lora.gguf');
      return [stored, texts];
    }, PLAIN.prompt);
    assert.equal(stored, true);
    assert.equal(new Set(texts).size, 1, texts.join(' | '));
  });

  test('of another model, or none at all, are refused, and the model stays stored', async () => {
    const { refused, adapter_bytes, stored } = await page.evaluate(async () => {
      const load = (source, url = '/model.gguf', options = { backend: 'cpu' }) =>
        codeOf(Siskin.load(url, { ...options, adapters: [{ source }] }));
      const refused = [
        await load('/model.gguf'),
        await load('/lora.gguf', '/chat.gguf'),
        await load(new Response('x')),
        await load(new Blob(['no adapter at all, but some text that is long enough'])),
      ];
      const adapters = [{ source: '/lora.gguf' }];
      refused.push(await codeOf(Siskin.check('/chat.gguf', { backend: 'cpu', adapters })));
      const [bare, more] = [
        await Siskin.check('/model.gguf', { backend: 'cpu' }),
        await Siskin.check('/model.gguf', { backend: 'cpu', adapters }),
      ];
      const adapter_bytes = more.memory_bytes - bare.memory_bytes;
      return { refused, adapter_bytes, stored: await models.has('/model.gguf') };
    });
    assert.match(refused[0], /^invalid_argument: .*adapter/);
    assert.match(refused[1], /^invalid_argument: .*adapter/);
    assert.match(refused[2], /^invalid_argument: .*`adapters\[\]\.source`/);
    assert.match(refused[3], /^not_gguf: /);
    assert.match(refused[4], /^invalid_argument: .*adapter/);
    assert.ok(adapter_bytes > 1000, `${adapter_bytes} bytes`);
    assert.equal(stored, true);
  });
});
