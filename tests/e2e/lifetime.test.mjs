// These tests load and let go of models, as pages do that live long: what is let go of is gone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CHROMIUM, SWITCHES, launchChromium, playwright } from '../../scripts/chromium.mjs';
import { startServer } from '../../scripts/serve.mjs';
import {
  SMOLLM2,
  cannotRun,
  countOwnWorkers,
  ownWorkers,
  workerCount,
  workersLeft,
} from './helpers/harness.mjs';

const MODEL = `/models/${SMOLLM2}`;

const send = (type, text) => (request, response) => {
  response.setHeader('Content-Type', type);
  response.end(typeof text === 'string' ? text : text(request));
};
const ROUTES = {
  '/tab': send('text/html', '<!doctype html><html lang="en"><title>Tab</title></html>'),
  // A module of an application, which a development server replaces by another version.
  '/app.js': send('text/javascript', ({ url }) => {
    const context = url.includes('longer') ? 1024 : 512;
    return (
      "import { Siskin } from '/lib/siskin.js';\n" +
      `export const siskin = await Siskin.load('${MODEL}', { contextTokens: ${context} });\n` +
      'export const dispose = () => siskin.unload();\n'
    );
  }),
};

const ask = (page, content = 'Name a bird.') =>
  page.evaluate(async (content) => {
    const messages = [{ role: 'user', content }];
    const request = { messages, max_tokens: 8, temperature: 0 };
    const { choices } = await window.siskin.chat.completions.create(request);
    return choices[0].message.content;
  }, content);

describe('the life of a model', { skip: cannotRun(SMOLLM2), timeout: 280_000 }, () => {
  let server;
  let browser;
  let page;
  before(async () => {
    server = await startServer({ port: 0, routes: ROUTES });
    browser = await launchChromium();
    page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(`${server.url}/tab`);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Returns the memory of the browser's pages, after the garbage was collected. */
  async function pageBytes() {
    const session = await page.context().newCDPSession(page);
    await session.send('HeapProfiler.collectGarbage');
    await session.detach();
    const devtools = await browser.newBrowserCDPSession();
    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
    await devtools.detach();
    return processInfo
      .filter(({ type }) => type === 'renderer')
      .reduce((sum, { id }) => {
        const status = readFileSync(`/proc/${id}/status`, 'utf8');
        return sum + Number(/^VmRSS:\s*(\d+)/m.exec(status)[1]) * 1024;
      }, 0);
  }

  test('twenty times over leaves nothing behind', async (t) => {
    const sizes = [];
    let loaded_bytes = 0;
    for (let cycle = 0; cycle < 20; cycle++) {
      await page.evaluate(async (url) => {
        const { Siskin } = await import('/lib/siskin.js');
        window.siskin = await Siskin.load(url, { threads: 1, contextTokens: 512 });
      }, MODEL);
      await ask(page);
      if (cycle === 0) loaded_bytes = await pageBytes();
      await page.evaluate(() => window.siskin.unload());
      assert.equal(await workersLeft(page, 0), 0);
      if (cycle % 5 === 4) sizes.push(await pageBytes());
    }
    const shown = [loaded_bytes, ...sizes].map((size) => size >> 20);
    t.diagnostic(`${shown[0]} MiB loaded; ${shown.slice(1).join(', ')} MiB after 5, 10, 15, 20`);
    // An engine takes more than its file of 98 MB.
    assert.ok(sizes[0] < loaded_bytes - 80e6, `${shown}`);
    assert.ok(sizes[3] - sizes[0] < 20e6, `${shown}`);
  });

  test('unload resolves when the worker is gone', async () => {
    for (const options of [{ threads: 1 }, {}]) {
      await page.evaluate(
        async ({ url, options }) => {
          const { Siskin } = await import('/lib/siskin.js');
          window.siskin = await Siskin.load(url, options);
        },
        { url: MODEL, options },
      );
      await page.evaluate(() => window.siskin.unload());
      const start_ms = Date.now();
      assert.equal(await workersLeft(page, 0), 0);
      assert.ok(Date.now() - start_ms < 500);
    }
  });

  test('a module that is replaced finds its engine, and lets go of it when disposed of', async () => {
    const replace = (version, more = '') =>
      page.evaluate(
        async ([version, more]) => {
          const before = window.app;
          window.app = await import(`/app.js?${version}${more}`);
          window.siskin = window.app.siskin;
          window.dispose = () => before?.dispose();
        },
        [version, more],
      );
    await replace(1);
    const first = await ask(page);
    await replace(2);
    assert.equal(await workerCount(page), 1 + (await threads()));
    await page.evaluate(() => window.dispose());
    assert.equal(await ask(page), first, 'the engine stays for the new module');
    await replace(3, 'longer');
    await page.evaluate(() => window.dispose());
    assert.equal(await workersLeft(page, 1 + (await threads())), 1 + (await threads()));
    assert.equal(await page.evaluate(() => window.siskin.info.context_tokens), 1024);
    await page.evaluate(() => window.siskin.unload());
  });
  const threads = () => page.evaluate(() => window.siskin.info.threads - 1);

  test('eight requests at once are answered, each its own', async () => {
    const { alone, together } = await page.evaluate(async (url) => {
      const { Siskin } = await import('/lib/siskin.js');
      const siskin = await Siskin.load(url);
      const create = async (content) =>
        (
          await siskin.chat.completions.create({
            messages: [{ role: 'user', content }],
            max_tokens: 6,
            temperature: 0,
          })
        ).choices[0].message.content;
      const prompts = ['bird', 'tree', 'river', 'town', 'colour', 'song', 'fruit', 'name'];
      const alone = [];
      for (const prompt of prompts) alone.push(await create(`Name a ${prompt}.`));
      const together = await Promise.all(prompts.map((prompt) => create(`Name a ${prompt}.`)));
      await siskin.unload();
      return { alone, together };
    }, MODEL);
    assert.deepEqual(together, alone);
    assert.ok(new Set(alone).size > 4, `${alone}`);
  });
});

describe('the back-forward cache', { skip: cannotRun(SMOLLM2), timeout: 200_000 }, () => {
  let server;
  let browser;
  before(async () => {
    server = await startServer({ port: 0, routes: ROUTES });
    browser = await playwright().launch({
      executablePath: CHROMIUM,
      headless: false,
      args: SWITCHES,
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
    });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  async function open(context, options) {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await countOwnWorkers(page);
    await page.goto(`${server.url}/tab`);
    await page.evaluate(
      async ({ url, options }) => {
        const { Siskin } = await import('/lib/siskin.js');
        window.siskin = await Siskin.load(url, { threads: 1, ...options });
        window.returns = [];
        addEventListener('pageshow', ({ persisted }) => window.returns.push(persisted));
      },
      { url: MODEL, options },
    );
    return page;
  }

  /** Goes to another page, and back; `meanwhile` runs there. */
  async function leave(page, meanwhile = async () => {}) {
    await page.goto(`${server.url}/tab?other`);
    await meanwhile();
    // What comes from the cache does not load.
    await page.goBack({ waitUntil: 'commit' });
    const returns = await page.evaluate(() => window.returns);
    assert.deepEqual(returns, [true], 'the page was in the cache');
  }

  test('a page that comes back answers', async () => {
    const page = await open(await browser.newContext(), {});
    const before = await ask(page);
    await leave(page, () => sleep(500));
    assert.equal(await ask(page), before);
    await page.context().close();
  });

  test('one that owned a shared engine comes back as one of the others', async () => {
    const context = await browser.newContext();
    const owner = await open(context, { shared: true });
    const other = await open(context, { shared: true });
    const before = await ask(owner);
    await leave(owner, async () => {
      assert.equal(await ask(other), before);
      assert.equal(await ownWorkers(other), 1, 'another tab owns it');
    });
    assert.equal(await ask(owner), before);
    assert.equal(await ownWorkers(owner), 0);
    assert.equal(await ask(other), before);
    await context.close();
  });
});
