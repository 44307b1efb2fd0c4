// These tests use the built-in AI interfaces in a page, over a tiny model whose tokens are bytes,
// in Chromium and Firefox.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { ROOT, cannotRun, openChromium } from './helpers/harness.mjs';
import { cannotRunFirefox, openFirefox } from './helpers/firefox.mjs';

const MODEL = '/tiny.gguf';
const ROUTES = { [MODEL]: join(ROOT, 'tests/fixtures/models/chat-tiny.gguf') };

for (const [browser, skip, open] of [
  ['Chromium', cannotRun(), openChromium],
  ['Firefox', cannotRunFirefox(), openFirefox],
])
  describe(`siskin/builtin-ai in ${browser}`, { skip, timeout: 60_000 }, () => {
    let server;
    let opened;
    let page;
    before(async () => {
      server = await startServer({ port: 0, routes: ROUTES });
      opened = await open(`${server.url}/bench.html`);
      page = opened.page;
      await page.evaluate(async (model) => {
        const { installBuiltinAi } = await import('/lib/builtin_ai.js');
        window.uninstall = installBuiltinAi({
          model,
          loadOptions: { backend: 'cpu', threads: 1, contextTokens: 2048 },
          force: true,
        });
      }, MODEL);
    });
    after(async () => {
      await opened?.stop();
      await server?.close();
    });

    test('a download waits for a click, and is told of', async () => {
      const early = await page.evaluate(async () => [
        await LanguageModel.availability(),
        await LanguageModel.create().catch(({ name }) => name),
      ]);
      assert.deepEqual(early, ['downloadable', 'NotAllowedError']);
      await page.mouse.click(5, 5);
      const { progress, after } = await page.evaluate(async () => {
        const progress = [];
        window.session = await LanguageModel.create({
          monitor: (monitor) => {
            monitor.ondownloadprogress = (event) => {
              progress.push([event.constructor.name, event.loaded, event.total]);
            };
          },
        });
        return { progress, after: await LanguageModel.availability() };
      });
      assert.deepEqual(progress[0], ['ProgressEvent', 0, 1]);
      assert.deepEqual(progress.at(-1), ['ProgressEvent', 1, 1]);
      assert.equal(after, 'available');
    });

    test('a prompt is answered, whole and in pieces, and its tokens are counted', async () => {
      const { usages, text, pieces } = await page.evaluate(async () => {
        const session = await LanguageModel.create({
          initialPrompts: [{ role: 'system', content: 'Be short.' }],
          samplingMode: 'most-predictable',
        });
        const usages = [session.contextUsage];
        const stop = new AbortController();
        const stream = session.promptStreaming('Hi', { signal: stop.signal });
        const pieces = [];
        const read = (async () => {
          for await (const piece of stream) if (pieces.push(piece) === 3) stop.abort();
        })();
        const aborted = await read.catch(({ name }) => name);
        usages.push(aborted, session.contextUsage);
        return { usages, pieces, text: '' };
      });
      // <|im_start|>system\nBe short.<|im_end|>\n, and <|im_start|>assistant\n.
      const begun = 1 + 'system\nBe short.'.length + 2 + 1 + 'assistant\n'.length;
      assert.deepEqual(usages, [begun, 'AbortError', begun]);
      assert.ok(pieces.length >= 3 && text === '');
    });
  });
