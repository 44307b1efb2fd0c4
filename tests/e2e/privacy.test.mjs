// These tests check what the README says of privacy: once the weights are stored, a chat makes no
// request at all.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer } from '../../scripts/serve.mjs';
import { SMOLLM2, cannotRun, loadListed, openChromium } from './helpers/harness.mjs';
import {
  MODEL_PATH,
  NEED_SITE,
  eventually,
  makeSite,
  removeSite,
  siteRoutes,
} from './helpers/site.mjs';

const TURNS = [
  'What is the capital of France?',
  'And of Italy?',
  'Write a poem about a small green bird.',
  'Make it shorter.',
  'Thank you. What is 2 + 2?',
];

describe('privacy', { skip: cannotRun(SMOLLM2, NEED_SITE), timeout: 180_000 }, () => {
  let folder, server;
  before(async () => {
    folder = await makeSite();
    server = await startServer({ routes: siteRoutes(folder) });
  });
  after(async () => {
    await server?.close();
    await removeSite(folder);
  });

  test('a chat of several turns makes no request from page or workers', async (t) => {
    /**
     * Requests are recorded both in the browser and on the server: each would suffice, and neither
     * misses what the other sees.
     */
    const asked = [];
    const served = [];
    server.server.on('request', ({ url }) => served.push(url));
    const { page, context, complaints, stop } = await openChromium('about:blank');
    context.on('request', (request) =>
      asked.push(
        `${request.serviceWorker() ? 'service worker ' : ''}${new URL(request.url()).pathname}`,
      ),
    );
    try {
      // This is the second visit, so the service worker serves it.
      await page.goto(`${server.url}/demo/`);
      await eventually(
        () =>
          page.evaluate(
            async () => (await (await import('/lib/siskin.js')).offline.status()).version,
          ),
        "the site's files on the disk",
      );
      await page.reload();
      await loadListed(page, 'SmolLM2');
      // The recorder sees requests if there are any.
      for (const path of [
        '/demo/',
        '/lib/worker.js',
        '/lib/wasm/siskin_threads_bg.wasm',
        '/lib/thread.js',
        MODEL_PATH,
        'service worker /shell.json',
      ])
        assert.ok(asked.includes(path), `${path} was recorded`);
      for (const path of ['/demo/', '/lib/worker.js', MODEL_PATH, '/shell.json', '/sw.js'])
        assert.ok(served.includes(path), `${path} was served`);

      await sleep(3000);
      asked.length = 0;
      served.length = 0;
      let tokens = 0;
      for (const [index, text] of TURNS.entries()) {
        await page.locator('#prompt').fill(text);
        await page.keyboard.press('Enter');
        const notes = await page.locator('.assistant').nth(index).locator('.notes').innerText();
        tokens += Number(/(\d+) tokens?/.exec(notes)[1]);
      }
      await page.getByRole('button', { name: 'New chat' }).click();
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.keyboard.press('Escape');
      await sleep(1000);
      t.diagnostic(`${TURNS.length} turns, ${tokens} tokens, ${asked.length} requests`);
      assert.ok(tokens > 50, `${tokens} tokens were written`);
      assert.deepEqual(asked, []);
      assert.deepEqual(served, []);
      assert.deepEqual(complaints, []);
    } finally {
      await stop();
    }
  });
});
