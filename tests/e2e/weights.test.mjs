// These tests fetch weights from servers that misbehave, and store, verify, repair, share and
// remove them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { BadFile } from './helpers/bad_server.mjs';
import { MODELS_DIR, PROGRAM, ROOT, SMOLLM2, cannotRun, start } from './helpers/harness.mjs';

const CHUNK_BYTES = 8 << 20;
const MODEL = join(MODELS_DIR, SMOLLM2);
const SHA256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
const SIZE = 98_362_432;
const CROSS_ORIGIN = {
  'Access-Control-Allow-Origin': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
};

describe('weights', { skip: cannotRun(SMOLLM2, PROGRAM), timeout: 240_000 }, () => {
  let site;
  let folder;
  let manifest_sha256;
  /** `shards` holds the shards' bytes by name. */
  const shards = new Map();
  /** The tests of servers share one file; each serves it in its own way. */
  let bad;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'siskin-shards-'));
    const said = execFileSync(
      PROGRAM,
      ['shard', MODEL, '--max', '24MiB', '--out', join(folder, 'out')],
      { encoding: 'utf8' },
    );
    [, manifest_sha256] = /sha256 of manifest\.json: ([0-9a-f]{64})/.exec(said);
    const routes = {
      '/shards/': join(folder, 'out'),
      '/bad/': (request, response) => bad.handler(request, response),
    };
    const manifest = JSON.parse(await readFile(join(folder, 'out/manifest.json'), 'utf8'));
    for (const { file } of manifest.shards) {
      const shard = new BadFile(join(folder, 'out', file));
      shards.set(file, shard);
      routes[`/shards/${file}`] = shard.handler;
    }
    site = await start(routes);
  });
  after(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  /** Opens a page with an empty store, and functions to use it. */
  async function open(options = {}) {
    const opened = await site.open(options);
    await opened.page.evaluate(prepare);
    return opened;
  }

  async function prepare() {
    Object.assign(window, await import('/lib/siskin.js'));
    window.outcome = (promise) =>
      promise.then(
        () => 'fine',
        ({ code, message }) => `${code}: ${message}`,
      );
    /** Loads the model and answers. */
    window.answer = async (source, options = {}) => {
      const siskin = await Siskin.load(source, { contextTokens: 256, ...options });
      const { choices } = await siskin.chat.completions.create({
        messages: [{ role: 'user', content: 'Say hello.' }],
        temperature: 0,
        max_tokens: 6,
      });
      await siskin.unload();
      return choices[0].message.content;
    };
    /** Flips a bit of a stored model. */
    window.flip = async (at) => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('siskin');
      const folders = [];
      for await (const handle of root.values())
        if (handle.name !== 'prefixes') folders.push(handle);
      if (folders.length !== 1) throw new Error(`${folders.length} models are stored`);
      const part = await folders[0].getFileHandle(String(Math.floor(at / 2 ** 21)));
      const bytes = new Uint8Array(await (await part.getFile()).arrayBuffer());
      bytes[at % 2 ** 21] ^= 1;
      const file = await part.createWritable();
      await file.write(bytes);
      await file.close();
    };
  }

  const sentByShards = () =>
    [...shards.values()].reduce((sum, { sent_bytes }) => sum + sent_bytes, 0);

  test('a model in shards loads by its manifest, a second time without a request', async () => {
    const { page, complaints, close } = await open();
    const { first, second, list, pinned } = await page.evaluate(async (sha256) => {
      const first = await answer('/shards/manifest.json', { sha256 });
      const list = await models.list();
      const pinned = await outcome(
        Siskin.load('/shards/manifest.json', {
          sha256: sha256.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
        }),
      );
      return {
        first,
        second: await answer(
          new File([await (await fetch('/models/SmolLM2-135M-Instruct.Q4_1.gguf')).blob()], 'a'),
        ),
        list,
        pinned,
      };
    }, manifest_sha256);
    assert.equal(first, second, 'the shards are the model');
    assert.equal(list.length, 1);
    assert.equal(list[0].complete, true);
    assert.equal(list[0].size_bytes, SIZE);
    assert.equal(list[0].stored_bytes, SIZE);
    assert.match(list[0].url, /\/shards\/manifest\.json$/);
    assert.match(pinned, /^integrity: .*SHA-256/);

    const requests = [];
    page.on('request', (request) => requests.push(request.url()));
    const { again, from_cache } = await page.evaluate(async (sha256) => {
      let from_cache;
      const again = await answer('/shards/manifest.json', {
        sha256,
        onProgress: (progress) => (from_cache = progress.from_cache),
      });
      return { again, from_cache };
    }, manifest_sha256);
    assert.equal(again, first);
    assert.equal(from_cache, true);
    assert.deepEqual(
      requests.filter((url) => url.includes('/shards/')),
      [],
    );
    assert.deepEqual(complaints, []);
    await close();
  });

  test('a bit turned on the way is noticed, and its chunk fetched again', async (t) => {
    const { page, close } = await open();
    const [first] = shards.values();
    const before = sentByShards();
    first.flips.set(9_000_000, 1);
    await page.evaluate(
      (sha256) => models.prefetch('/shards/manifest.json', { sha256 }),
      manifest_sha256,
    );
    const sent = sentByShards() - before;
    t.diagnostic(`${sent - SIZE} bytes more than the model`);
    assert.equal(sent, SIZE + CHUNK_BYTES);
    assert.equal(first.flips.get(9_000_000), 0, 'a bit was turned');

    await page.evaluate(() => models.remove('/shards/manifest.json'));
    first.flips.set(9_000_000, Infinity);
    const said = await page.evaluate(() => outcome(answer('/shards/manifest.json')));
    first.flips.clear();
    assert.match(said, /^integrity: Chunk 1 \(bytes 8388608 to 16777215\)/);
    await close();
  });

  for (const path of ['/shards/manifest.json', '/bad/flip.gguf']) {
    test(`a bit turned on the disk is noticed, and mended by one chunk: ${path}`, async () => {
      const { page, close } = await open();
      bad = new BadFile(MODEL);
      const whole = await page.evaluate((path) => answer(path), path);
      const before = sentByShards() + bad.sent_bytes;
      await page.evaluate(() => flip(50_000_000));
      assert.equal(await page.evaluate((path) => answer(path), path), whole);
      assert.equal(sentByShards() + bad.sent_bytes - before, CHUNK_BYTES);
      assert.equal(await page.evaluate((path) => answer(path), path), whole);
      assert.equal(sentByShards() + bad.sent_bytes - before, CHUNK_BYTES, 'it stays mended');
      await close();
    });
  }

  /**
   * Each entry is a fault of the server; the hash of the whole file tells whether the bytes that
   * arrived are right.
   */
  const SERVERS = {
    'knows no ranges': { ranges: false },
    'sends no ETag': { etag: undefined },
    'compresses all': { gzip: 'whole' },
    'compresses ranges': { gzip: 'ranges' },
    'is busy at first': {
      refusals: [{ status: 503 }, { status: 429, headers: { 'Retry-After': '1' } }],
    },
  };
  for (const [name, fault] of Object.entries(SERVERS)) {
    test(`a server that ${name}`, async () => {
      const { page, close } = await open();
      bad = Object.assign(new BadFile(MODEL), structuredClone(fault));
      const start_ms = Date.now();
      const { size, list } = await page.evaluate(async (sha256) => {
        const reports = [];
        await models.prefetch('/bad/model.gguf', {
          sha256,
          onProgress: (progress) => reports.push(progress),
        });
        return { size: reports.at(-1).loaded_bytes, list: await models.list() };
      }, SHA256);
      assert.equal(size, SIZE);
      assert.equal(list[0].complete, true);
      if (fault.refusals)
        assert.ok(Date.now() - start_ms >= 1000, 'it waited as long as it was told');
      await close();
    });
  }

  test('redirects to another host, which may hide its headers', async () => {
    // The demo's own page may connect to its own host only.
    const { page, complaints, close } = await open({ bypassCSP: true });
    const far = new BadFile(MODEL);
    const other = await startServer({ host: '127.0.0.1', routes: { '/far/': far.handler } });
    const url = other.url.replace('localhost', '127.0.0.1');
    for (const headers of [
      CROSS_ORIGIN,
      { ...CROSS_ORIGIN, 'Access-Control-Expose-Headers': 'Content-Range, ETag' },
    ]) {
      bad = Object.assign(new BadFile(MODEL), { redirect: `${url}/far/model.gguf` });
      Object.assign(far, { headers, sent_bytes: 0 });
      await page.evaluate(async (sha256) => {
        await models.prefetch('/bad/model.gguf', { sha256 });
        await models.remove('/bad/model.gguf');
      }, SHA256);
      assert.equal(far.sent_bytes, SIZE);
      assert.ok(bad.requests.length < 10, `the way was asked ${bad.requests.length} times`);
    }
    assert.deepEqual(complaints, []);
    await other.close();
    await close();
  });

  test('a file that is replaced half-way is fetched anew, once', async () => {
    const { page, close } = await open();
    const warnings = [];
    page.on('console', (message) => {
      // The demo, on whose page this runs, asks for a graphics card; Chromium says that it has none.
      const is_own = message.text() !== 'No available adapters.';
      if (message.type() === 'warning' && is_own) warnings.push(message.text());
    });
    bad = new BadFile(MODEL);
    bad.onSlice = (sent_bytes) => void (sent_bytes > 40_000_000 && (bad.etag = '"two"'));
    const text = await page.evaluate((sha256) => answer('/bad/replaced.gguf', { sha256 }), SHA256);
    assert.ok(text.length > 0);
    assert.equal(
      warnings.filter((text) => /starts over.*replaced|starts over.*changing/.test(text)).length,
      1,
      warnings.join('\n'),
    );

    await page.evaluate(() => models.remove('/bad/replaced.gguf'));
    bad = new BadFile(MODEL);
    bad.onSlice = (sent_bytes) => void (bad.etag = `"${Math.floor(sent_bytes / 20_000_000)}"`);
    assert.match(
      await page.evaluate(() => outcome(answer('/bad/replaced.gguf'))),
      /^file_changed: /,
    );
    assert.deepEqual(await page.evaluate(() => models.list()), []);
    await close();
  });

  test('a file with another hash, and one that is no model, are not stored', async () => {
    const { page, close } = await open();
    bad = new BadFile(MODEL);
    assert.match(
      await page.evaluate(
        (sha256) => outcome(answer('/bad/model.gguf', { sha256 })),
        SHA256.replace('b', 'a'),
      ),
      new RegExp(`^integrity: .*${SHA256}`),
    );
    bad = new BadFile(join(ROOT, 'README.md'));
    assert.match(await page.evaluate(() => outcome(answer('/bad/model.gguf'))), /^not_gguf: /);
    assert.deepEqual(await page.evaluate(() => models.list()), []);
    await close();
  });

  test('an abort keeps what arrived', async () => {
    const { page, close } = await open();
    bad = new BadFile(MODEL);
    const { code, stored_bytes } = await page.evaluate(async () => {
      const controller = new AbortController();
      const onProgress = ({ loaded_bytes }) => loaded_bytes > 40_000_000 && controller.abort();
      const code = (
        await outcome(answer('/bad/model.gguf', { signal: controller.signal, onProgress }))
      ).split(':')[0];
      await new Promise((resolve) => setTimeout(resolve, 1200));
      return { code, stored_bytes: await models.size('/bad/model.gguf') };
    });
    assert.equal(code, 'aborted');
    assert.ok(stored_bytes > 30_000_000 && stored_bytes < SIZE, `${stored_bytes} bytes are kept`);
    const sent = bad.sent_bytes;
    const { first, whole } = await page.evaluate(async (sha256) => {
      const reports = [];
      const controller = new AbortController();
      await models.prefetch('/bad/model.gguf', {
        sha256,
        onProgress: ({ loaded_bytes }) => reports.push(loaded_bytes),
      });
      controller.abort();
      return { first: reports[0], whole: await models.has('/bad/model.gguf') };
    }, SHA256);
    assert.equal(first, stored_bytes);
    assert.equal(bad.sent_bytes - sent, SIZE - stored_bytes);
    assert.ok(whole);
    await close();
  });

  test('storage_full: it tells what is missing; memory and evict are ways out', async () => {
    const { page, close } = await open();
    bad = new BadFile(MODEL);
    await page.evaluate(() => models.prefetch('/bad/earlier.gguf'));
    const before = bad.sent_bytes;
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Storage.overrideQuotaForOrigin', {
      origin: site.url,
      quotaSize: 150_000_000,
    });
    const { said, has, size } = await page.evaluate(async () => {
      const said = await outcome(answer('/bad/later.gguf'));
      return {
        said,
        has: await models.has('/bad/earlier.gguf'),
        size: await models.size('/bad/later.gguf'),
      };
    });
    const sent = bad.sent_bytes - before;
    const memory = await page.evaluate(() => answer('/bad/later.gguf', { storage: 'memory' }));
    const missing_bytes = Number(/^storage_full: .* (\d+) bytes too few/.exec(said)?.[1]);
    // One chunk at most was in flight when the quota was exceeded.
    assert.ok(
      sent > 30_000_000 &&
        sent < SIZE &&
        missing_bytes >= SIZE - sent &&
        missing_bytes <= SIZE - sent + CHUNK_BYTES,
      `${sent} bytes were sent. ${said}`,
    );
    assert.ok(has, 'the earlier model is intact');
    assert.equal(size, 0, 'nothing is left of the other');
    assert.ok(memory.length > 0);
    const names = await page.evaluate(async () => {
      await answer('/bad/later.gguf', { evict: true });
      return (await models.list()).map(({ name }) => name);
    });
    assert.deepEqual(names, ['later.gguf']);
    await close();
  });

  test('two tabs share one download, and the second shows how far it is', async (t) => {
    const { page, close } = await open();
    const second = await page.context().newPage();
    await second.goto(`${site.url}/`);
    await second.evaluate(prepare);
    bad = Object.assign(new BadFile(MODEL), { delay_ms: 2 });
    const [one, two] = await Promise.all(
      [page, second].map((page) =>
        page.evaluate(async () => {
          const reports = [];
          const text = await answer('/bad/shared.gguf', {
            onProgress: ({ loaded_bytes, total_bytes, from_cache }) =>
              reports.push({ loaded_bytes, total_bytes, from_cache }),
          });
          return { text, reports };
        }),
      ),
    );
    assert.equal(one.text, two.text);
    assert.equal(bad.sent_bytes, SIZE);
    for (const { reports } of [one, two]) {
      const steps = new Set(reports.map(({ loaded_bytes }) => loaded_bytes));
      t.diagnostic(`${steps.size} different reports`);
      assert.ok(steps.size > 10, 'progress is seen');
      assert.equal(reports.at(-1).loaded_bytes, SIZE);
      assert.ok(reports.every(({ from_cache }) => !from_cache));
    }
    await close();
  });

  test('a tab that is closed leaves its download to the other', async () => {
    const { page, close } = await open();
    const second = await page.context().newPage();
    await second.goto(`${site.url}/`);
    await second.evaluate(prepare);
    bad = Object.assign(new BadFile(MODEL), { delay_ms: 2 });
    const begun = page.evaluate(
      () =>
        new Promise((resolve) =>
          models.prefetch('/bad/left.gguf', {
            onProgress: ({ loaded_bytes }) => loaded_bytes > 20_000_000 && resolve(),
          }),
        ),
    );
    await begun;
    const text = second.evaluate(() => answer('/bad/left.gguf'));
    await second.waitForTimeout(300);
    await page.close();
    assert.ok((await text).length > 0);
    assert.ok(bad.sent_bytes <= SIZE + CHUNK_BYTES, `${bad.sent_bytes} bytes were sent`);
    await close();
  });

  test('models: one chunk at a time, removing, and what cannot be', async () => {
    const { page, close } = await open();
    bad = new BadFile(MODEL);
    const { steps, end, in_use, after } = await page.evaluate(async () => {
      const steps = [];
      for (let complete = false; !complete;) {
        const step = await models.prefetchChunk('/bad/idle.gguf');
        complete = step.complete;
        steps.push(step.loaded_bytes);
      }
      const end = await models.has('/bad/idle.gguf');
      await models.remove('/bad/idle.gguf');
      const after = [
        await models.has('/bad/idle.gguf'),
        await models.size(),
        (await models.list()).length,
      ];
      const controller = new AbortController();
      const fetching = outcome(models.prefetch('/bad/idle.gguf', { signal: controller.signal }));
      await new Promise((resolve) => setTimeout(resolve, 200));
      const in_use = await outcome(models.remove('/bad/idle.gguf'));
      controller.abort();
      return { steps, end, after, in_use: [in_use, await fetching] };
    });
    assert.deepEqual(
      steps,
      Array.from({ length: 12 }, (_, i) => Math.min(SIZE, (i + 1) * CHUNK_BYTES)),
    );
    assert.ok(end);
    assert.deepEqual(after, [false, 0, 0]);
    assert.match(in_use[0], /^in_use: /);
    assert.match(in_use[1], /^aborted: /);
    await close();
  });

  test('without OPFS the Cache API serves; without both nothing is stored', async () => {
    const { page, close } = await open();
    const warnings = [];
    page.on('console', (message) => {
      // The demo, on whose page this runs, asks for a graphics card; Chromium says that it has none.
      const is_own = message.text() !== 'No available adapters.';
      if (message.type() === 'warning' && is_own) warnings.push(message.text());
    });
    bad = new BadFile(MODEL);
    await page.addInitScript(() => delete FileSystemFileHandle.prototype.createWritable);
    await page.reload();
    await page.evaluate(prepare);
    const cached = await page.evaluate(async (sha256) => {
      await models.prefetch('/bad/cached.gguf', { sha256 });
      await models.prefetch('/bad/cached.gguf', { sha256 });
      const stored = {
        keys: (await (await caches.open('siskin')).keys()).length,
        size: await models.size(),
        has: await models.has('/bad/cached.gguf'),
      };
      await models.remove('/bad/cached.gguf');
      return { ...stored, left: (await (await caches.open('siskin')).keys()).length };
    }, SHA256);
    assert.deepEqual(cached, { keys: 48, size: SIZE, has: true, left: 0 });
    assert.equal(bad.sent_bytes, SIZE);
    assert.deepEqual(warnings, []);

    await page.addInitScript(() => Object.defineProperty(window, 'caches', { value: undefined }));
    await page.reload();
    await page.evaluate(prepare);
    assert.match(
      await page.evaluate(() => outcome(models.prefetch('/bad/cached.gguf'))),
      /^storage_failed: /,
    );
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /cannot keep models/);
    await close();
  });
});
