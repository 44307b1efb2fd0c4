// These tests use the extension's own pages as a person does: the first run with its download, the
// options, and the side panel. A proxy records every request of the browser meanwhile.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { act, waitForCard } from './helpers/assistant.mjs';
import { BadFile } from './helpers/bad_server.mjs';
import {
  NEED_EXTENSION,
  makeExtension,
  makeFolder,
  openBrowser,
  startApi,
  startProxy,
} from './helpers/extension.mjs';
import { MODELS_DIR, ROOT, SMOLLM2, cannotRunExtension, shoot } from './helpers/harness.mjs';
import { checkAccess, checkLayout } from './helpers/page_checks.mjs';
import { eventually } from './helpers/site.mjs';

const SIZE = 98_362_432;
/** At most this much is fetched twice: a chunk is verified as a whole, and several are on the way. */
const LOST = 40 << 20;
const TINY = join(ROOT, 'tests/fixtures/models/chat-tiny.gguf');
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Content-Range, Content-Length, ETag',
};
const ARTICLE =
  '<!doctype html><title>The siskin</title><link rel="icon" href="data:,"><main><h1>The siskin</h1><p>The siskin is a small ' +
  'green bird that lives in forests of the north.</p><input type="password" value="hunter2">' +
  '<textarea>Some selected words in a field.</textarea></main>';

const text = (page, selector) => page.locator(selector).innerText();

describe("the extension's pages", { skip: cannotRunExtension(SMOLLM2, NEED_EXTENSION) }, () => {
  let server, proxy, folder, file, api;
  before(async () => {
    file = new BadFile(join(MODELS_DIR, SMOLLM2));
    file.headers = CORS;
    const tiny = new BadFile(TINY);
    tiny.headers = CORS;
    server = await startServer({
      routes: {
        '/model.gguf': file.handler,
        '/tiny.gguf': tiny.handler,
        '/article': (_request, response) => {
          response.removeHeader('Content-Security-Policy');
          response.writeHead(200, { 'Content-Type': 'text/html' }).end(ARTICLE);
        },
      },
    });
    api = await startApi(() => [
      'Hello <img src=x onerror="document.title=\'run\'"> ',
      '[link](javascript:alert(1)) **bold**',
    ]);
    proxy = await startProxy();
    folder = await makeExtension({ url: `${server.url}/model.gguf`, sha256: undefined });
  });
  after(async () => {
    await server?.close();
    api?.close();
    proxy?.close();
    if (folder) await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });
  const open = (profile, more) => openBrowser(folder, profile, { proxy: proxy.server, ...more });

  test('first run: nothing is fetched before the button; cancel, cut, resume', async (t) => {
    const profile = await makeFolder(t);
    const browser = await open(profile);
    t.after(() => browser.close());
    const page = await browser.opened('first_run/first_run.html');
    const start = page.getByRole('button', { name: /^(Download|Resume|Try again)/ });
    await start.waitFor();
    assert.match(await text(page, 'label[for=model-small]'), /98 MB from localhost:\d+ · Apache-2/);
    await page.getByRole('radio', { name: /SmolLM2/ }).check();
    await checkAccess(page);
    await checkLayout(page);
    await page.waitForTimeout(500);
    assert.deepEqual(proxy.asked, []);

    // The server is down.
    file.refusals = Array.from({ length: 3 }, () => ({ status: 503 }));
    await start.click();
    await page.getByRole('alert').filter({ hasText: 'http_status' }).waitFor();
    assert.equal(await start.innerText(), 'Try again');

    // It is slow, and the person changes their mind.
    file.delay_ms = 8;
    await start.click();
    await page.waitForFunction(() => document.querySelector('progress').value > 0.1);
    assert.match(await text(page, '.figures'), /\d MB of 98 MB.*\/s, .* left/s);
    await shoot(page, 'extension-first-run');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText(/MB of 98 MB is here already/).waitFor();
    const sent_bytes = file.sent_bytes;
    await page.waitForTimeout(500);
    assert.ok(file.sent_bytes - sent_bytes < 1 << 20, 'nothing is fetched after cancel');

    // Another day. The connection is cut in the middle, and comes back.
    await page.reload();
    assert.equal(await start.innerText(), 'Resume the download');
    file.delay_ms = 0;
    let cuts = 0;
    file.onSlice = (sent) => sent > 60e6 && cuts++ < 4;
    await start.click();
    await page.getByText(/SmolLM2 135M Instruct is on this computer, 98 MB/).waitFor();
    assert.ok(cuts >= 4, `the connection was cut ${cuts} times`);
    assert.ok(file.sent_bytes < SIZE + LOST, `${file.sent_bytes} bytes were sent`);
    assert.equal(await start.isVisible(), false);
    const { 'settings.ready': ready } = await browser.worker.evaluate(() =>
      chrome.storage.local.get('settings.ready'),
    );
    assert.equal(ready, true);

    // The panel answers with it.
    file.onSlice = () => false;
    const requests_before = file.requests.length;
    const panel = await browser.open('panel/panel.html');
    await panel.locator('#prompt').fill('What is the capital of France?');
    await panel.keyboard.press('Enter');
    await panel.locator('.assistant .meta button').first().waitFor({ timeout: 60_000 });
    assert.match(await text(panel, '.assistant .text'), /Paris/);
    assert.equal(await text(panel, '#where'), 'SmolLM2 135M Instruct, on this computer');

    // A long answer is stopped, and stays.
    await panel.locator('#prompt').fill('Write a very long story about a small bird.');
    await panel.keyboard.press('Enter');
    await panel.locator('.assistant').nth(1).locator('.text p').first().waitFor();
    await panel.getByRole('button', { name: 'Stop' }).click();
    const second = panel.locator('.assistant').nth(1);
    await second.getByText(/stopped/).waitFor();
    const stopped = await second.locator('.text').innerText();
    await panel.waitForTimeout(400);
    assert.equal(await second.locator('.text').innerText(), stopped);
    await checkAccess(panel);
    await panel.setViewportSize({ width: 360, height: 700 });
    await checkLayout(panel);
    await shoot(panel, 'extension-panel');

    // The page beside it, when it is asked for.
    const article = await browser.context.newPage();
    await article.goto(`${server.url}/article`);
    const click = (id) => panel.evaluate((id) => document.getElementById(id).click(), id);
    await click('add-page');
    await panel.locator('#context-title').getByText('The siskin').waitFor({ state: 'attached' });
    await article.locator('textarea').evaluate((field) => {
      field.focus();
      field.setSelectionRange(5, 19);
    });
    await click('add-selection');
    await eventually(
      async () => (await panel.locator('#context-size').textContent()) === '14 characters',
      'the selection',
    );
    await article.locator('input').focus();
    await article.locator('input').evaluate((field) => field.select());
    await click('add-selection');
    await eventually(
      async () => /Nothing is selected/.test(await panel.locator('#context-problem').innerText()),
      'a word on the password field',
    );
    // The assistant works with the same engine.
    await article.locator('textarea').focus();
    await act(browser.context, article, 'correct');
    await waitForCard(
      article,
      (card) => (card && /No mistakes|leave/.test(card.status)) || card?.inserted.length > 0,
    );

    await panel.bringToFront();
    await panel.getByRole('button', { name: 'New chat' }).click();
    assert.equal(await panel.locator('.assistant').count(), 0);
    assert.equal(await panel.locator('#context').isVisible(), false);

    assert.deepEqual(browser.complaints, []);
    assert.equal(file.requests.length, requests_before, 'nothing is fetched again');
  });

  test('options: each is kept over a restart of the browser', async (t) => {
    const profile = await makeFolder(t);
    let browser = await open(profile);
    let page = await browser.open('options/options.html');
    await page.getByRole('radio', { name: /SmolLM2/ }).check();
    await page.getByLabel('Compute on').selectOption('cpu');

    await page.getByLabel('Site', { exact: true }).fill('not a site');
    await page.keyboard.press('Enter');
    await page.getByText('Write a site such as example.org.').waitFor();
    for (const site of ['https://Bank.example/login', 'mail.example']) {
      await page.getByLabel('Site', { exact: true }).fill(site);
      await page.keyboard.press('Enter');
    }
    await page.getByRole('button', { name: 'Remove mail.example' }).click();
    for (const word of ['Zeisig', '<b>Siskin</b>']) {
      await page.getByLabel('Word', { exact: true }).fill(word);
      await page.getByRole('button', { name: 'Add word' }).click();
    }

    await page.getByLabel('Address of an OpenAI').fill('ftp://example.org');
    await page.getByRole('button', { name: 'Turn on' }).click();
    await page.getByText(/Write an address that begins with https/).waitFor();
    await page.getByLabel('Address of an OpenAI').fill(api.url);
    await page.getByRole('textbox', { name: 'Model' }).fill('some-model');
    await page.getByLabel('Key').fill('sk-test');
    // The warning can be declined.
    await page.getByRole('button', { name: 'Turn on' }).click();
    await page
      .getByRole('dialog')
      .getByText(/leaves this computer/)
      .waitFor();
    await shoot(page, 'extension-server');
    await page.keyboard.press('Escape');
    assert.equal(await text(page, '#server-state'), 'Off');
    await page.getByRole('button', { name: 'Turn on' }).click();
    await page.getByRole('button', { name: 'Send it there' }).click();
    await page.getByText(/On: text is sent to localhost/).waitFor();
    await checkAccess(page);
    await page.setViewportSize({ width: 360, height: 700 });
    await checkLayout(page);
    await browser.close();

    browser = await open(profile);
    t.after(() => browser.close());
    page = await browser.open('options/options.html');
    await page.getByText(/On: text is sent to localhost/).waitFor();
    assert.equal(await page.getByRole('radio', { name: /SmolLM2/ }).isChecked(), true);
    assert.equal(await page.getByLabel('Compute on').inputValue(), 'cpu');
    assert.equal(await text(page, '#sites'), 'bank.example');
    assert.deepEqual(await page.locator('#words li').allInnerTexts(), ['Zeisig', '<b>Siskin</b>']);
    assert.equal(await page.getByLabel('Address of an OpenAI').inputValue(), api.url);
    assert.equal(await page.getByRole('textbox', { name: 'Model' }).inputValue(), 'some-model');
    assert.equal(await page.getByLabel('Key').inputValue(), 'sk-test');
    assert.deepEqual(browser.complaints, []);
  });

  test('options: a file is copied, shown as stored, and removed', async (t) => {
    const browser = await open(await makeFolder(t));
    t.after(() => browser.close());
    const page = await browser.open('options/options.html');
    await page.getByRole('radio', { name: /A file of mine/ }).check();
    await page.locator('#file-input').setInputFiles(TINY);
    await page.locator('#file-state').getByText('chat-tiny.gguf').waitFor();
    const row = page.locator('#storage li').filter({ hasText: 'The file you chose' });
    await row.waitFor();
    const panel = await browser.open('panel/panel.html');
    await panel.locator('#where').getByText('chat-tiny.gguf, on this computer').waitFor();
    await panel.locator('#prompt').fill('Hello');
    await panel.keyboard.press('Enter');
    await panel.locator('.assistant .meta button').first().waitFor();
    await panel.close();
    await row.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await row.waitFor({ state: 'detached' });
    await page.getByText('The copy of the file is gone. Choose it again.').waitFor();
    assert.deepEqual(browser.complaints, []);
  });

  test('options: any address of a GGUF file, which is fetched when it is asked for', async (t) => {
    const browser = await open(await makeFolder(t));
    t.after(() => browser.close());
    const page = await browser.open('options/options.html');
    await page.locator('#model-url').check();
    const address = page.getByLabel('Address of the GGUF file');
    await address.fill('ftp://example.org/model.gguf');
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.getByText(/Write the address of a GGUF file/).waitFor();
    await address.fill(`${server.url}/tiny.gguf`);
    await page.keyboard.press('Enter');
    const start = page.getByRole('button', { name: 'Download' });
    await start.waitFor();
    const isOfTiny = (it) => it.endsWith('/tiny.gguf');
    assert.ok(!proxy.asked.some(isOfTiny), 'nothing is fetched before the click');
    await start.click();
    await page.getByText(/tiny\.gguf is on this computer/).waitFor();
    assert.ok(proxy.asked.some(isOfTiny));
    const panel = await browser.open('panel/panel.html');
    await panel.locator('#where').getByText('tiny.gguf, on this computer').waitFor();
    await panel.locator('#prompt').fill('Hello');
    await panel.keyboard.press('Enter');
    await panel.locator('.assistant .meta button').first().waitFor();
    assert.deepEqual(browser.complaints, []);
  });

  test('a server answers while there is no model, and its markup is text', async (t) => {
    const browser = await open(await makeFolder(t));
    t.after(() => browser.close());
    const panel = await browser.open('panel/panel.html');
    await panel.getByText('One step is left').waitFor();
    assert.equal(await panel.locator('#prompt').isVisible(), false);
    await browser.set({
      fallback: { on: true, baseURL: api.url, model: 'm', apiKey: 'sk-test', until: 'cached' },
    });
    await panel
      .locator('#where')
      .getByText(/Your text is sent to localhost/)
      .waitFor();
    await panel.locator('#prompt').fill('Hello');
    await panel.keyboard.press('Enter');
    await panel
      .locator('.assistant .notes')
      .getByText(/answered by localhost/)
      .waitFor();
    const answer = panel.locator('.assistant .text');
    assert.match(await answer.innerText(), /Hello <img src=x onerror=.*\[link\]\(javascript/);
    assert.equal(await answer.locator('strong').innerText(), 'bold');
    assert.equal(await answer.locator('img, a').count(), 0);
    assert.equal(await panel.title(), 'Siskin');
    const { headers, body, url } = api.sent.at(-1);
    assert.equal(url, '/v1/chat/completions');
    assert.equal(headers.authorization, 'Bearer sk-test');
    assert.equal(body.messages.at(-1).content, 'Hello');
    const page = await browser.open('first_run/first_run.html');
    await page
      .getByText(/Until the model is here, localhost:\d+ answers in the side panel/)
      .waitFor();
    assert.deepEqual(browser.complaints, []);
  });

  test("Chrome's own model answers where it was chosen", async (t) => {
    const browser = await open(await makeFolder(t));
    t.after(() => browser.close());
    await browser.context.addInitScript(() => {
      window.LanguageModel = {
        availability: async () => 'available',
        create: async ({ initialPrompts }) => ({
          async *promptStreaming([{ content }]) {
            yield `${initialPrompts.length} before: `;
            yield content.toUpperCase();
          },
          destroy: () => (window.destroyed = true),
        }),
      };
    });
    const page = await browser.open('options/options.html');
    await page.getByLabel('Compute on').selectOption({ label: "Chrome's own model" });
    const panel = await browser.open('panel/panel.html');
    await panel.locator('#prompt').fill('hello');
    await panel.keyboard.press('Enter');
    await panel.locator('.assistant .notes').getByText("Chrome's own model").waitFor();
    assert.equal(await panel.locator('.assistant .text').innerText(), '1 before: HELLO');
    assert.equal(await panel.evaluate(() => window.destroyed), true);
    assert.deepEqual(browser.complaints, []);
  });

  test('all of this made no request but for the model and to the server that was turned on', () => {
    const ours = ['model.gguf', 'tiny.gguf', 'article'].map((it) => `GET ${server.url}/${it}`);
    const theirs = `POST ${api.url}/chat/completions`;
    assert.ok(proxy.asked.includes(ours[0]), 'the download was recorded');
    assert.ok(proxy.asked.includes(theirs), 'the question to the server was recorded');
    const others = proxy.asked.filter(
      (it) => ![...ours, theirs, theirs.replace('POST', 'OPTIONS')].includes(it),
    );
    assert.deepEqual(others, []);
  });
});
