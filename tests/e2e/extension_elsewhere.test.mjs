// These tests let Chrome's own model (a fake of it) and a server answer the card in the engine's
// place. There is no model on the computer.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import {
  act,
  clickCard,
  controlOf,
  openAssistant,
  openPage,
  plainFolder,
  waitForCard,
  workerOf,
} from './helpers/assistant.mjs';
import { ROOT, cannotRunExtension, shoot } from './helpers/harness.mjs';

const needs = [[join(ROOT, 'pkg/extension/content.js'), './build.sh extension makes it']];
const WRONG = 'She have two cats. The keys are on the table.';
const RIGHT = 'She has two cats. The keys are on the table.';
/** Chrome's own model, as far as the extension uses it. */
const FAKE = `globalThis.LanguageModel = {
  availability: async () => 'available',
  create: async () => ({
    async *promptStreaming([{ content }]) {
      for (const word of content.replace('Text:', '').trim().replace('have', 'has').split(/(?= )/))
        yield word;
    },
    destroy() {},
  }),
};\n`;

describe('answers from elsewhere', { skip: cannotRunExtension(...needs), timeout: 90_000 }, () => {
  let server;
  let api;
  let context;
  let stop;
  let site;
  /** What the server was sent. */
  const sent = [];
  before(async () => {
    server = await startServer({
      routes: { '/fields/': plainFolder(join(ROOT, 'tests/e2e/pages/fields')) },
    });
    site = server.url.replace('127.0.0.1', 'localhost');
    api = createServer(async (request, response) => {
      response.setHeader('Access-Control-Allow-Origin', '*');
      response.setHeader('Access-Control-Allow-Headers', '*');
      if (request.method === 'OPTIONS') return response.end();
      let body = '';
      for await (const piece of request) body += piece;
      sent.push({ headers: request.headers, body: JSON.parse(body) });
      const content = sent.at(-1).body.messages.at(-1).content.replace('Text:', '').trim();
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      const say = (delta, finish_reason) =>
        response.write(
          `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`,
        );
      say({ content: content.replace('have', 'has') }, null);
      say({}, 'stop');
      return response.end('data: [DONE]\n\n');
    });
    await new Promise((done) => api.listen(0, '127.0.0.1', done));
    ({ context, stop } = await openAssistant(
      { backend: 'chrome', ready: false },
      {
        change: async (folder) => {
          const path = join(folder, 'extension/offscreen.js');
          await writeFile(path, FAKE + (await readFile(path, 'utf8')));
        },
      },
    ));
  });
  after(async () => {
    await stop?.();
    await server?.close();
    api?.close();
    api?.closeAllConnections();
  });
  const isDone = (it) => controlOf(it, 'Retry')?.is_enabled;
  const correct = async (notice) => {
    const { page, complaints } = await openPage(context, `${site}/fields/plain.html`);
    await page.locator('#area').fill(WRONG);
    await act(context, page, 'formal', 0);
    const formal = await waitForCard(page, isDone);
    assert.deepEqual([formal.deleted, formal.inserted], [['have'], ['has']]);
    assert.equal(formal.notice, notice);
    await clickCard(page, 'Correct');
    const card = await waitForCard(page, (it) => it?.title === 'Correct' && isDone(it));
    assert.deepEqual([card.deleted, card.inserted], [['have'], ['has']]);
    await shoot(page, `extension-elsewhere${notice ? '-server' : ''}`);
    await clickCard(page, /^Accept/);
    await page.waitForFunction((text) => area.value === text, RIGHT);
    assert.deepEqual(complaints, []);
    await page.close();
  };

  test("Chrome's own model answers the card, without a download", async () => {
    await correct(undefined);
    assert.deepEqual(sent, []);
  });

  test('a server answers the card where it was turned on, which says so', async () => {
    const host = `localhost:${api.address().port}`;
    const fallback = { on: true, baseURL: `http://${host}/v1`, model: 'm', until: 'cached' };
    const worker = await workerOf(context);
    await worker.evaluate(
      (fallback) =>
        chrome.storage.local.set({
          'settings.backend': 'auto',
          'settings.fallback': { ...fallback, apiKey: 'sk-test' },
        }),
      fallback,
    );
    await correct(`Your text is sent to ${host}.`);
    assert.equal(sent[0].headers.authorization, 'Bearer sk-test');
    assert.match(sent[0].body.messages.at(-1).content, /She have two cats/);
    // Turned off, it is asked nothing more, and there is no model yet.
    const before = sent.length;
    await worker.evaluate(() => chrome.storage.local.remove('settings.fallback'));
    const { page } = await openPage(context, `${site}/fields/plain.html`);
    await page.locator('#area').fill(WRONG);
    await act(context, page, 'correct', 0);
    await waitForCard(page, (it) => /no model yet/.test(it?.status ?? ''));
    assert.equal(sent.length, before);
    await page.close();
  });
});
