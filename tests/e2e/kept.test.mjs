// These tests check what models are known by and where they lie: signed addresses, keys, hashes,
// new versions on the server, old browsers' stores, frozen tabs and hidden ones.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { BadFile } from './helpers/bad_server.mjs';
import { MODELS_DIR, ROOT, SMOLLM2, cannotRun, start } from './helpers/harness.mjs';

const MODEL = join(MODELS_DIR, SMOLLM2);
const SIZE = 98_362_432;
const SHA256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
const TOKEN = 'the-secret-part';
/** Safari 16.4 to 18 lacks these, in pages and workers. */
const OLD_BROWSER = `
delete globalThis.FileSystemFileHandle?.prototype.createWritable;
delete globalThis.StorageManager?.prototype.estimate;
`;

describe('kept models', { skip: cannotRun(SMOLLM2), timeout: 180_000 }, () => {
  let site, folder, bad, small;
  let old_browser = false;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'siskin-kept-'));
    small = join(folder, 'small.gguf');
    await writeFile(small, randomBytes(20_000_000));
    const worker = await readFile(join(ROOT, 'pkg/dist/worker.js'), 'utf8');
    site = await start({
      '/bad/': (request, response) => bad.handler(request, response),
      '/lib/worker.js': (_request, response) =>
        response
          .writeHead(200, { 'Content-Type': 'text/javascript' })
          .end((old_browser ? OLD_BROWSER : '') + worker),
    });
  });
  after(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });
  beforeEach(() => (bad = new BadFile(small)));

  /** The service worker of the demo would be a newer browser than the one that is played. */
  async function open() {
    const opened = await site.open({ serviceWorkers: 'block' });
    await opened.page.evaluate(prepare);
    return opened;
  }

  async function prepare() {
    Object.assign(window, await import('/lib/siskin.js'));
    window.answer = async (source, options = {}) => {
      const reports = [];
      const siskin = await Siskin.load(source, {
        contextTokens: 256,
        backend: 'cpu',
        onProgress: (progress) => reports.push(progress),
        ...options,
      });
      const { choices } = await siskin.chat.completions.create({
        messages: [{ role: 'user', content: 'Say hello.' }],
        temperature: 0,
        max_tokens: 6,
      });
      await siskin.unload();
      return { text: choices[0].message.content, from_cache: reports[0].from_cache };
    };
    /** Returns all that this origin has on the disk, as text, but for parts of models. */
    window.disk = async () => {
      const texts = [JSON.stringify({ ...localStorage })];
      const read = async (directory) => {
        for await (const [name, handle] of directory.entries()) {
          texts.push(name);
          if (handle.kind === 'directory') await read(handle);
          else if (!/^\d+$/.test(name)) texts.push(await (await handle.getFile()).text());
        }
      };
      await read(await navigator.storage.getDirectory());
      for (const name of await caches.keys())
        for (const { url } of await (await caches.open(name)).keys()) texts.push(url);
      return texts.join('\n');
    };
  }

  test('signed addresses of a file download it once, and no token is on the disk', async () => {
    bad = new BadFile(MODEL);
    const { page, close } = await open();
    const { texts, cached, disk, list } = await page.evaluate(async (token) => {
      const address = (n) => `/bad/m.gguf?Expires=${n}&Signature=${token}${n}`;
      const first = await answer(address(1));
      const second = await answer(address(2));
      return {
        texts: [first.text, second.text],
        cached: [first.from_cache, second.from_cache, await models.has(address(3))],
        disk: await disk(),
        list: await models.list(),
      };
    }, TOKEN);
    assert.equal(texts[0], texts[1]);
    assert.deepEqual(cached, [false, true, true]);
    assert.equal(bad.sent_bytes, SIZE);
    assert.ok(disk.includes('/bad/m.gguf'), 'the address without its signature is there');
    assert.ok(!disk.includes(TOKEN));
    assert.match(list[0].url, /\/bad\/m\.gguf$/);
    await close();
  });

  test('a signed address that expired half-way goes on with a new one', async () => {
    const { page, close } = await open();
    const signed = (n) => `/bad/m.gguf?X-Amz-Signature=${n}`;
    const step = (n) => page.evaluate((url) => models.prefetchChunk(url), signed(n));
    for (const n of [1, 2, 3]) await step(n);
    assert.equal(bad.sent_bytes, 20_000_000);
    assert.deepEqual(
      new Set(bad.requests.map(({ url }) => url.split('=')[1])),
      new Set(['1', '2', '3']),
    );
    assert.ok(await page.evaluate((url) => models.has(url), signed(4)));
    await close();
  });

  test('a key, or a hash, finds a model whatever its address', async () => {
    bad = new BadFile(MODEL);
    const { page, close } = await open();
    const found = await page.evaluate(async (sha256) => {
      await models.prefetch('/bad/one.gguf', { sha256 });
      const by_hash = [
        await models.has('/bad/two.gguf'),
        await models.has('/bad/two.gguf', { sha256 }),
        (await answer('/bad/two.gguf', { sha256 })).from_cache,
      ];
      await models.remove('/bad/three.gguf', { sha256 });
      const left = (await models.list()).length;
      await models.prefetch('/bad/four.gguf', { cacheKey: 'mine' });
      const by_key = [
        await models.has('/bad/five.gguf'),
        await models.has('/bad/five.gguf', { cacheKey: 'mine' }),
        (await answer('/bad/five.gguf', { cacheKey: 'mine' })).from_cache,
        (await models.list())[0].cache_key,
        await models.size('/bad/six.gguf', { cacheKey: 'mine' }),
      ];
      await models.remove('/bad/six.gguf', { cacheKey: 'mine' });
      return { by_hash, left, by_key, at_last: (await models.list()).length };
    }, SHA256);
    assert.deepEqual(found, {
      by_hash: [false, true, true],
      left: 0,
      by_key: [false, true, true, 'mine', SIZE],
      at_last: 0,
    });
    assert.equal(bad.sent_bytes, 2 * SIZE);
    await close();
  });

  test('revalidate fetches what has changed, and keeps it where nobody can be asked', async () => {
    const { page, close } = await open();
    const prefetch = () =>
      page.evaluate(() => models.prefetch('/bad/m.gguf', { revalidate: true }));
    await prefetch();
    await prefetch();
    assert.equal(bad.sent_bytes, 20_000_001, 'one byte is asked for');
    bad.etag = '"two"';
    await prefetch();
    assert.equal(bad.sent_bytes, 40_000_002);
    await prefetch();
    assert.equal(bad.sent_bytes, 40_000_003);
    bad.refusals = Array(9).fill({ status: 503 });
    await prefetch();
    assert.equal(bad.refusals.length, 8);
    bad.refusals = [];
    bad.etag = '"three"';
    await page.evaluate(() => models.prefetch('/bad/m.gguf'));
    assert.equal(bad.sent_bytes, 40_000_003, 'without the option nobody is asked');
    await close();
  });

  test('a browser that cannot write OPFS in pages, and has no estimate', async () => {
    bad = new BadFile(MODEL);
    const { page, complaints, close } = await open();
    await page.addInitScript(OLD_BROWSER);
    old_browser = true;
    try {
      await page.reload();
      await page.evaluate(prepare);
      const kept = await page.evaluate(async () => [
        'createWritable' in FileSystemFileHandle.prototype || 'estimate' in navigator.storage,
        (await answer('/bad/m.gguf')).from_cache,
        (await answer('/bad/m.gguf')).from_cache,
        await models.has('/bad/m.gguf'),
        // What the first answer left for the next visit is no part of the model.
        (await (await caches.open('siskin')).keys()).filter(
          ({ url }) => !url.includes('/prefixes/'),
        ).length,
      ]);
      assert.deepEqual(kept, [false, false, true, true, 48]);
      assert.equal(bad.sent_bytes, SIZE);
    } finally {
      old_browser = false;
    }

    const newer = await page.context().newPage();
    await page.close();
    await newer.goto(`${site.url}/`);
    await newer.evaluate(prepare);
    const moved = await newer.evaluate(async () => [
      (await models.list()).map(({ name, complete }) => [name, complete]),
      await caches.has('siskin'),
      (await answer('/bad/m.gguf')).from_cache,
    ]);
    assert.deepEqual(moved, [[['m.gguf', true]], false, true]);
    assert.equal(bad.sent_bytes, SIZE, 'it was moved, not fetched');
    assert.deepEqual(complaints, []);
    await close();
  });

  test('a browser that lost the way to write OPFS moves models to the Cache API', async () => {
    const { page, close } = await open();
    await page.evaluate(() => models.prefetch('/bad/m.gguf'));
    await page.addInitScript(OLD_BROWSER);
    await page.reload();
    await page.evaluate(prepare);
    const moved = await page.evaluate(async () => {
      const has = await models.has('/bad/m.gguf');
      const root = await navigator.storage.getDirectory();
      const names = [];
      for await (const name of root.keys()) names.push(name);
      await models.remove('/bad/m.gguf');
      return [has, names, await models.size()];
    });
    assert.deepEqual(moved, [true, [], 0]);
    assert.equal(bad.sent_bytes, 20_000_000);
    await close();
  });

  test('storage that lasts is asked for with persist alone', async () => {
    const { page, close } = await open();
    const asked = await page.evaluate(async () => {
      let asked = 0;
      StorageManager.prototype.persist = async () => (asked++, true);
      StorageManager.prototype.persisted = async () => false;
      const counts = [];
      const after = async (promise) => {
        await promise.catch(() => {});
        counts.push(asked);
      };
      await after(models.prefetch('/bad/m.gguf'));
      await after(Siskin.load('/bad/m.gguf'));
      await after(models.prefetch('/bad/m.gguf', { persist: true }));
      await after(Siskin.load('/bad/m.gguf', { persist: true }));
      return counts;
    });
    assert.deepEqual(asked, [0, 0, 1, 2]);
    await close();
  });

  test('a tab that holds the lock and does nothing is worked round', async (t) => {
    const { page, close } = await open();
    const frozen = await page.context().newPage();
    await frozen.goto(`${site.url}/`);
    await page.evaluate(() => models.prefetchChunk('/bad/m.gguf'));
    const name = await page.evaluate(async () => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('siskin');
      for await (const folder of root.keys()) return folder;
      return undefined;
    });
    await frozen.evaluate((name) => {
      window.stolen = new Promise((resolve) =>
        navigator.locks.request(`siskin ${name}`, () => new Promise(() => {})).catch(resolve),
      );
    }, name);
    // The holder is asked by an interval, which goes ten times as fast here.
    await page.evaluate(() => {
      const { setInterval } = window;
      window.setInterval = (run, ms, ...values) => setInterval(run, ms / 10, ...values);
    });
    const start_ms = Date.now();
    await page.evaluate(() => models.prefetch('/bad/m.gguf'));
    const took_ms = Date.now() - start_ms;
    t.diagnostic(`it took ${took_ms} ms`);
    assert.ok(took_ms > 3000 && took_ms < 18_000, `${took_ms} ms`);
    assert.equal(await frozen.evaluate(async () => (await stolen).name), 'AbortError');
    assert.equal(bad.sent_bytes, 20_000_000);
    await close();
  });

  test('a hidden tab, whose timers fire once a second, prefetches as fast', async (t) => {
    bad = new BadFile(MODEL);
    const { page, close } = await open();
    const took_ms = await page.evaluate(async (sha256) => {
      const { setTimeout } = window;
      window.setTimeout = (run, ms, ...values) =>
        setTimeout(run, Math.max(1000, ms ?? 0), ...values);
      const start_ms = performance.now();
      await models.prefetch('/bad/m.gguf', { sha256 });
      return performance.now() - start_ms;
    }, SHA256);
    t.diagnostic(`it took ${Math.round(took_ms)} ms`);
    // Its hash is computed in 94 pieces.
    assert.ok(took_ms < 40_000, `${took_ms} ms`);
    await close();
  });
});
