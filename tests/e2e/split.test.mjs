// These tests load a model that llama.cpp has split into several files, by the first one's address.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, cannotRun, start } from './helpers/harness.mjs';

const FILES = join(ROOT, 'tests/fixtures/split');
const FIRST = '/split/chat-tiny-00001-of-00003.gguf';

describe('a split model', { skip: cannotRun(), timeout: 60_000 }, () => {
  let site, page, complaints, close;
  before(async () => {
    site = await start({
      '/split/': FILES,
      '/alone/chat-tiny-00001-of-00003.gguf': join(FILES, 'chat-tiny-00001-of-00003.gguf'),
      '/whole.gguf': join(ROOT, 'tests/fixtures/models/chat-tiny.gguf'),
    });
    ({ page, complaints, close } = await site.open());
    await page.evaluate(async () => {
      Object.assign(window, await import('/lib/siskin.js'));
      /** Returns what the model says after a text, and what its load told last. */
      window.answer = async (source) => {
        let progress;
        const siskin = await Siskin.load(source, {
          backend: 'cpu',
          onProgress: (told) => (progress = told),
        });
        const { choices } = await siskin.completions.create({
          prompt: 'Hello',
          temperature: 0,
          max_tokens: 12,
        });
        await siskin.unload();
        return { text: choices[0].text, progress };
      };
    });
  });
  after(async () => {
    await close?.();
    await site?.stop();
  });

  test('it answers as the whole one, and at the second visit without a request', async () => {
    const { whole, split } = await page.evaluate(
      async (first) => ({
        whole: await answer('/whole.gguf'),
        split: await answer(first),
      }),
      FIRST,
    );
    assert.ok(whole.text.length > 0);
    assert.equal(split.text, whole.text);
    assert.equal(split.progress.loaded_bytes, 154_720 + 168_448 + 167_392);
    assert.equal(split.progress.total_bytes, split.progress.loaded_bytes);

    const requests = [];
    page.on('request', (request) => requests.push(request.url()));
    const again = await page.evaluate((first) => answer(first), FIRST);
    assert.equal(again.text, whole.text);
    assert.equal(again.progress.from_cache, true);
    const asked = requests.filter((url) => url.includes('/split/'));
    assert.deepEqual(asked, []);
    assert.deepEqual(complaints, []);
  });

  test('what is stored is counted, fetched and removed by the address of the first file', async () => {
    const seen = await page.evaluate(async (first) => {
      await models.remove(first);
      const none = [await models.has(first), await models.size(first)];
      await models.prefetchChunk(first);
      const one = [await models.has(first), await models.size(first)];
      await models.prefetch(first);
      const all = [await models.has(first), await models.size(first)];
      const listed = (await models.list()).filter(({ url }) => url.includes('/split/')).length;
      const { ok, cached, model } = await Siskin.check(first, { backend: 'cpu' });
      await models.remove(first);
      const left = [await models.has(first), await models.size(first)];
      return { none, one, all, listed, left, check: { ok, cached, size: model.size_bytes } };
    }, FIRST);
    assert.deepEqual(seen, {
      none: [false, 0],
      one: [false, 154_720],
      all: [true, 490_560],
      listed: 3,
      left: [false, 0],
      check: { ok: true, cached: true, size: 490_560 },
    });
  });

  test('files in a blob load in their order, and in another one are refused', async () => {
    const { whole, right, wrong, alone } = await page.evaluate(async (first) => {
      const blobs = await Promise.all(
        ['00001', '00002', '00003'].map(async (number) =>
          (await fetch(first.replace('00001', number))).blob(),
        ),
      );
      const fails = (source) =>
        answer(source).then(
          () => 'fine',
          ({ code, message }) => `${code}: ${message}`,
        );
      const [a, b, c] = blobs;
      return {
        whole: (await answer('/whole.gguf')).text,
        right: (await answer(new Blob(blobs))).text,
        wrong: [await fails(new Blob([a, c, b])), await fails(b), await fails(new Blob([a, b]))],
        alone: await fails('/alone/chat-tiny-00001-of-00003.gguf'),
      };
    }, FIRST);
    assert.equal(right, whole);
    assert.match(wrong[0], /^gguf_split: File 3 of 3 came where file 2 was expected/);
    assert.match(wrong[1], /^gguf_split: This is file 2 of a model that is split into 3/);
    assert.match(wrong[2], /^gguf_split: Only 2 of the model's 3 files came/);
    assert.match(alone, /^http_status: .*404.*-00002-of-00003/);
  });
});
