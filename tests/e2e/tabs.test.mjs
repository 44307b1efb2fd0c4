// These tests open tabs of one origin that share an engine, and take the tab that owns it away.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { launchChromium } from '../../scripts/chromium.mjs';
import { startServer } from '../../scripts/serve.mjs';
import {
  SMOLLM2,
  cannotRun,
  countOwnWorkers,
  ownWorkers,
  workerCount,
  workersLeft,
} from './helpers/harness.mjs';
import { cannotRunFirefox, openFirefox } from './helpers/firefox.mjs';
import { eventually } from './helpers/site.mjs';

const MODEL = `/models/${SMOLLM2}`;
const ROUTES = {
  '/tab': (_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><html lang="en"><title>Tab</title></html>');
  },
};

/** Loads the shared model in a tab. */
const load = (page, options = {}) =>
  page.evaluate(
    async ({ url, options }) => {
      const { Siskin } = await import('/lib/siskin.js');
      window.seen = [];
      window.siskin = await Siskin.load(url, {
        shared: true,
        threads: 1,
        onProgress: (progress) => window.seen.push(progress),
        ...options,
      });
      window.start = (content, max_tokens, seed = 1) => {
        window.text = '';
        window.failure = undefined;
        const answer = async () => {
          const chunks = await window.siskin.chat.completions.create({
            messages: [{ role: 'user', content }],
            stream: true,
            max_tokens,
            seed,
          });
          for await (const chunk of chunks) window.text += chunk.choices[0].delta.content;
          return window.text;
        };
        window.answer = answer().catch((error) => (window.failure = error.code));
      };
      return window.siskin.info;
    },
    { url: MODEL, options },
  );

const start = (page, ...given) => page.evaluate((given) => window.start(...given), given);
const answer = (page) => page.evaluate(() => window.answer);
const writing = (page, length = 40) =>
  eventually(() => page.evaluate((n) => window.text.length > n, length), 'the answer begins');
const ask = async (page, ...given) => {
  await start(page, ...given);
  return answer(page);
};

describe('five tabs', { skip: cannotRun(SMOLLM2), timeout: 280_000 }, () => {
  let server;
  let browser;
  let context;
  let devtools;
  const story = ['Tell a story of a bird.', 120];
  let whole;
  before(async () => {
    server = await startServer({ port: 0, routes: ROUTES });
    browser = await launchChromium();
    devtools = await browser.newBrowserCDPSession();
    context = await browser.newContext();
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  async function openTab() {
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    await countOwnWorkers(page);
    await page.goto(`${server.url}/tab`);
    return page;
  }

  const renderers = async () =>
    (await devtools.send('SystemInfo.getProcessInfo')).processInfo.filter(
      ({ type }) => type === 'renderer',
    );

  /** Returns the memory of all tabs, where what they share counts once. */
  async function tabBytes() {
    let kib = 0;
    for (const { id } of await renderers())
      kib += Number(/^Pss:\s*(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8'))[1]);
    return kib * 1024;
  }

  /** Returns the process of a tab: the one that works when the tab is told to. */
  async function processOf(page) {
    const times = new Map((await renderers()).map(({ id, cpuTime }) => [id, cpuTime]));
    await page.evaluate(() => {
      for (const end_ms = performance.now() + 1000; performance.now() < end_ms;);
    });
    const worked = (await renderers()).map(({ id, cpuTime }) => [cpuTime - times.get(id), id]);
    return worked.sort(([a], [b]) => b - a)[0][1];
  }

  /** Opens tabs that share an engine; the first owns it. */
  async function share(count) {
    const tabs = [];
    for (let i = 0; i < count; i++) tabs.push(await openTab());
    for (const tab of tabs) await load(tab);
    return tabs;
  }
  const closeAll = async () => {
    for (const page of context.pages()) await page.close();
  };

  test('take the memory of one, and their answers do not mix', async (t) => {
    const tabs = [];
    for (let i = 0; i < 5; i++) tabs.push(await openTab());
    const empty_bytes = await tabBytes();
    await load(tabs[0]);
    const one_bytes = (await tabBytes()) - empty_bytes;
    const infos = await Promise.all(tabs.slice(1).map((tab) => load(tab)));
    const five_bytes = (await tabBytes()) - empty_bytes;
    t.diagnostic(`one tab ${one_bytes >> 20} MiB, five ${five_bytes >> 20} MiB`);
    assert.equal(await workerCount(tabs[0]), 1);
    // One engine takes more than its file of 98 MB.
    assert.ok(one_bytes > 90e6, `${one_bytes}`);
    assert.ok(five_bytes < one_bytes + 60e6, `${five_bytes} bytes, one tab ${one_bytes}`);
    assert.ok(infos.every(({ size_bytes }) => size_bytes === 98_362_432));
    assert.equal((await tabs[4].evaluate(() => window.seen.at(-1))).loaded_bytes, 98_362_432);
    whole = await ask(tabs[0], ...story);
    assert.ok(whole.length > 200, whole);
    const prompts = ['Name a colour.', 'Name a bird.', 'Name a town.', 'Name a tree.'];
    const alone = [];
    for (const prompt of prompts) alone.push(await ask(tabs[1], prompt, 12));
    const texts = await Promise.all(prompts.map((prompt, i) => ask(tabs[i + 1], prompt, 12)));
    assert.deepEqual(texts, alone);
    // One tab aborts, and another's request has its turn.
    await start(tabs[2], ...story);
    await writing(tabs[2]);
    const next = ask(tabs[3], prompts[2], 12);
    await tabs[2].evaluate(() => window.siskin.unload());
    assert.equal(await answer(tabs[2]), 'aborted');
    assert.equal(await next, alone[2]);
    await closeAll();
  });

  test('go on when the owner closes, also in the middle of an answer', async () => {
    const [owner, ...others] = await share(3);
    await start(others[0], ...story);
    await start(others[1], ...story);
    await writing(others[0]);
    const kept = await others[0].evaluate(() => window.text);
    await owner.close();
    assert.equal(await answer(others[0]), whole, 'the answer under way goes on');
    assert.ok(whole.startsWith(kept));
    assert.equal(await answer(others[1]), whole, 'the one that waited is written');
    assert.equal(await workerCount(others[0]), 1);
    await closeAll();
  });

  test('go on when the owner unloads, whose memory is free then', async () => {
    const [owner, other] = await share(2);
    await start(other, ...story);
    await writing(other);
    await owner.evaluate(() => window.siskin.unload());
    assert.equal(await ownWorkers(owner), 0);
    assert.equal(await answer(other), whole);
    assert.equal(await ask(owner, 'Name a bird.', 3), 'not_loaded');
    // It may come back, as one of the others.
    await load(owner);
    assert.deepEqual([await ownWorkers(owner), await ownWorkers(other)], [0, 1]);
    await closeAll();
  });

  test('go on when the owner crashes', async () => {
    const [owner, other] = await share(2);
    await start(other, ...story);
    await writing(other);
    const session = await context.newCDPSession(owner);
    session.send('Page.crash').catch(() => {});
    assert.equal(await answer(other), whole);
    await closeAll();
  });

  test('go on when the owner is frozen, which is one of the others when it thaws', async (t) => {
    const [owner, ...others] = await share(3);
    const process_id = await processOf(owner);
    await start(owner, 'Tell a story of a tree.', 60);
    await start(others[0], ...story);
    await writing(owner, 10);
    const frozen_ms = Date.now();
    process.kill(process_id, 'SIGSTOP');
    assert.equal(await answer(others[0]), whole);
    t.diagnostic(`${Date.now() - frozen_ms} ms until another tab had answered`);
    assert.equal(await ask(others[1], ...story), whole);
    process.kill(process_id, 'SIGCONT');
    const text = await answer(owner);
    assert.ok(text.length > 60, text);
    await eventually(async () => (await ownWorkers(owner)) === 0, 'the old engine ends');
    assert.equal(await workerCount(owner), 1);
    await closeAll();
  });

  test('hear of an error of the loading, and may try again', async () => {
    const tabs = [await openTab(), await openTab()];
    const bad = (page) =>
      page.evaluate(async () => {
        const { Siskin } = await import('/lib/siskin.js');
        const failing = (source) => Siskin.load(source, { shared: true }).catch(({ code }) => code);
        return [await failing('/tab'), await failing(new Blob(['x']))];
      });
    const codes = await Promise.all(tabs.map(bad));
    assert.deepEqual(codes, Array(2).fill(['html_not_model', 'invalid_argument']));
    assert.equal(await workersLeft(tabs[0], 0), 0);
    await load(tabs[1]);
    await closeAll();
  });
});

describe('tabs in Firefox', { skip: cannotRunFirefox(SMOLLM2), timeout: 120_000 }, () => {
  test('share an engine, and go on when its owner closes', async () => {
    const server = await startServer({ port: 0, routes: ROUTES });
    const { browser, page: owner, stop } = await openFirefox(`${server.url}/tab`);
    try {
      const other = await browser.newPage();
      await other.goto(`${server.url}/tab`);
      await load(owner);
      await load(other);
      const texts = [await ask(owner, 'Name a bird.', 40), await ask(other, 'Name a bird.', 40)];
      assert.equal(texts[0], texts[1]);
      await start(other, 'Name a bird.', 40);
      await writing(other, 5);
      await owner.close();
      assert.equal(await answer(other), texts[0]);
    } finally {
      await stop();
      await server.close();
      await sleep(0);
    }
  });
});
