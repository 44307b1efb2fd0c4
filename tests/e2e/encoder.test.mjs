// These tests load a tiny encoder (BERT with random weights) in Chromium: its embeddings are those
// of Hugging Face transformers, it writes no text, and a graphics card leaves it to the processor.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, cannotRun, start } from './helpers/harness.mjs';

const MODELS = join(ROOT, 'tests/fixtures/models');

describe('an encoder', { skip: cannotRun() }, () => {
  let site;
  let page;
  before(async () => {
    site = await start({ '/bert.gguf': join(MODELS, 'bert-tiny.gguf') }, { gpu: true });
    ({ page } = await site.open());
  });
  after(() => site?.stop());

  test('embeds as transformers does, and writes no text', async () => {
    // Some texts have token ids alone, and a request takes no text of no characters.
    const file = JSON.parse(readFileSync(join(MODELS, 'bert-tiny.json'), 'utf8'));
    const goldens = file.filter(({ text, mean }) => text && mean);
    const input = goldens.map(({ text }) => text);
    const texts = file.map(({ text }) => text);
    const { data, backend, code, ids } = await page.evaluate(
      async ({ input, texts }) => {
        const { Siskin } = await import('/lib/siskin.js');
        const siskin = await Siskin.load('/bert.gguf', { storage: 'memory' });
        const { data } = await siskin.embeddings.create({ input });
        const messages = [{ role: 'user', content: 'Hi' }];
        const answer = siskin.chat.completions.create({ messages });
        const code = await answer.catch((error) => error.code);
        const { backend } = siskin.info;
        const ids = [];
        for (const text of texts) ids.push([...(await siskin.tokenize(text))]);
        await siskin.unload();
        return { data, backend, code, ids };
      },
      { input, texts },
    );
    // The browser takes accents apart, where natively tables do. An embedding's text has [CLS] and
    // [SEP] around it.
    for (const [index, { text, ids: expected }] of file.entries())
      assert.deepEqual(ids[index], expected.slice(1, -1), JSON.stringify(text));
    assert.equal(backend, 'cpu');
    assert.equal(code, 'invalid_argument');
    assert.ok(goldens.length >= 5);
    for (const [index, { text, mean }] of goldens.entries()) {
      const { embedding } = data[index];
      const off = Math.max(...embedding.map((x, i) => Math.abs(x - mean[i])));
      assert.ok(off < 1e-3, `${JSON.stringify(text)}: ${off}`);
    }
  });

  test('is refused by name on a graphics card', async () => {
    const { code, message } = await page.evaluate(async () => {
      const { Siskin } = await import('/lib/siskin.js');
      return Siskin.load('/bert.gguf', { storage: 'memory', backend: 'gpu' }).then(
        () => ({}),
        ({ code, message }) => ({ code, message }),
      );
    });
    assert.equal(code, 'gpu_unsupported', message);
  });
});
