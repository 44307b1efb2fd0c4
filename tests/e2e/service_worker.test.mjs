// These tests check the service worker: versions of a site side by side, prefetched models, and its
// removal.
import assert from 'node:assert/strict';
import { appendFile, cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, afterEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startServer } from '../../scripts/serve.mjs';
import { BadFile } from './helpers/bad_server.mjs';
import { MODELS_DIR, ROOT, SMOLLM2, cannotRun, openChromium } from './helpers/harness.mjs';
import {
  CHUNK_BYTES,
  MODEL_BYTES,
  MODEL_PATH,
  MODEL_SHA256,
  NEED_SITE,
  SITE,
  eventually,
  makeSite,
  publish,
  removeSite,
  siteRoutes,
} from './helpers/site.mjs';

describe('the service worker', { skip: cannotRun(SMOLLM2, NEED_SITE), timeout: 480_000 }, () => {
  let folder, model, server, app, page, context, stop;
  before(async () => (folder = await makeSite()));
  after(() => folder && removeSite(folder));
  beforeEach(async () => {
    model = new BadFile(join(MODELS_DIR, SMOLLM2));
    // The server sends about 60 MB/s.
    model.delay_ms = 4;
    server = await startServer({
      routes: {
        ...siteRoutes(folder),
        [MODEL_PATH]: model.handler,
        '/models/other.gguf': model.handler,
      },
    });
    app = `${server.url}/app/`;
    ({ page, context, stop } = await openChromium(app));
  });
  afterEach(async () => {
    await stop();
    await server.close();
  });

  const register = (page, options = {}) =>
    page.evaluate((options) => offline.register({ url: '../sw.js', ...options }), options);
  const keptVersion = (page) =>
    eventually(
      () => page.evaluate(async () => (await offline.status()).version),
      "the site's files on the disk",
    );
  const ask = (page, options = {}) =>
    page.evaluate(
      async ({ path, options }) => {
        const siskin = await Siskin.load(path, options);
        const { choices } = await siskin.chat.completions.create({
          messages: [{ role: 'user', content: 'Hello' }],
          max_tokens: 5,
        });
        const { build, threads } = siskin.info;
        await siskin.unload();
        return { build, threads, text: choices[0].message.content };
      },
      { path: MODEL_PATH, options },
    );

  /** Ends the service worker as a browser does that needs its memory. */
  async function kill() {
    const devtools = await context.newCDPSession(page);
    const running = new Set();
    devtools.on('ServiceWorker.workerVersionUpdated', ({ versions }) => {
      for (const { versionId, runningStatus } of versions)
        if (runningStatus === 'stopped') running.delete(versionId);
        else running.add(versionId);
    });
    await devtools.send('ServiceWorker.enable');
    await eventually(() => running.size > 0, 'a running service worker');
    await devtools.send('ServiceWorker.stopAllWorkers');
    await eventually(() => running.size === 0, 'its end');
    await devtools.detach();
  }

  /** Records all messages about precaching, in the page. */
  const listen = (page) =>
    page.evaluate(() => {
      window.said = [];
      navigator.serviceWorker.addEventListener(
        'message',
        ({ data }) => data.siskin === 'precache' && said.push(data.progress),
      );
      navigator.serviceWorker.startMessages();
    });
  const loadedBytes = () => page.evaluate(() => said.at(-1)?.loaded_bytes ?? 0);
  const precached = () => page.evaluate((path) => models.has(path), MODEL_PATH);

  test('an update with an open tab: it keeps its version, a new tab gets the new one', async () => {
    await register(page);
    const first = await keptVersion(page);
    await page.reload();
    assert.equal(await page.evaluate(() => version), 1);
    await page.evaluate(() => {
      window.worker = new Worker('worker.js', { type: 'module' });
      return new Promise((resolve) => (worker.onmessage = resolve));
    });

    // Only the old version's engine can have threads, and only it has another service worker.
    await writeFile(
      join(folder, 'lib/wasm/siskin_threads.js'),
      "throw new Error('version 2 has no threads');\n",
    );
    await appendFile(join(folder, 'sw.js'), '// version 2\n');
    await publish(folder, 2);
    await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration();
      const changed = new Promise((resolve) =>
        navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }),
      );
      await registration.update();
      await changed;
    });
    const second = await page.evaluate(() => offline.update());
    assert.notEqual(second, first);
    await kill();

    const newer = await context.newPage();
    await newer.goto(app);
    assert.deepEqual(await newer.evaluate(async () => [version, await late()]), [2, 2]);
    assert.equal((await ask(newer, { threads: 2 })).build, 'relaxed');
    await kill();
    assert.deepEqual(await page.evaluate(async () => [version, await late()]), [1, 1]);
    await kill();
    const imported = () =>
      page.evaluate(
        () =>
          new Promise((resolve) => {
            worker.onmessage = ({ data }) => resolve(data);
            worker.postMessage('import');
          }),
      );
    assert.equal(await imported(), 1, 'what a worker of a worker imports');
    const old = await ask(page, { threads: 2 });
    assert.deepEqual([old.build, old.threads], ['threads', 2]);

    // The upload is incomplete: the list is new, and a file is not.
    await publish(folder, 3);
    await writeFile(join(folder, 'app/late.js'), 'export const version = 2.5;\n');
    assert.equal(
      await page.evaluate(() => offline.update().catch(({ code }) => code)),
      'offline_failed',
    );
    await rm(join(folder, 'app/late.js'));
    const third = await context.newPage();
    await third.goto(app);
    assert.deepEqual(
      await third.evaluate(async () => [version, await late(), (await offline.status()).version]),
      [2, 2, second],
    );
    for (const name of ['lib/wasm/siskin_threads.js', 'sw.js'])
      await cp(join(SITE, name), join(folder, name));
    await publish(folder, 1);
  });

  test('two tabs and the service worker at once: one download', async (t) => {
    await listen(page);
    await register(page, { precache: [MODEL_PATH] });
    await eventually(async () => (await loadedBytes()) > 0, 'the first chunk');
    const other = await context.newPage();
    await other.goto(app);
    const answers = await Promise.all([ask(page), ask(other)]);
    for (const { text } of answers) assert.ok(text.length > 0);
    await eventually(
      () => page.evaluate(async () => (await offline.status()).precache.length === 0),
      'the end of precaching',
    );
    t.diagnostic(`${model.sent_bytes} bytes served of a file of ${MODEL_BYTES}`);
    assert.ok(
      model.sent_bytes >= MODEL_BYTES && model.sent_bytes <= MODEL_BYTES + CHUNK_BYTES,
      `${model.sent_bytes} bytes were served`,
    );
  });

  test('killed in the middle of precaching, it goes on where it was', async (t) => {
    const kills = 3;
    await page.evaluate(
      (path) => navigator.serviceWorker.register(`../sw.js?precache=${path}`, { type: 'module' }),
      MODEL_PATH,
    );
    for (let killed = 0; killed < kills; killed += 1) {
      await listen(page);
      const before = model.sent_bytes;
      // The service worker is ended in the middle of a chunk, each time at another place.
      await eventually(
        () => model.sent_bytes > before + (1.3 + killed / 3) * CHUNK_BYTES,
        'the next chunks',
      );
      await kill();
      assert.ok(!(await precached()), 'killed before the end');
      const at_kill = model.sent_bytes;
      await sleep(500);
      assert.ok(model.sent_bytes - at_kill <= CHUNK_BYTES / 2, 'nothing is fetched without it');
      await page.reload();
    }
    await eventually(precached, 'the whole model');
    t.diagnostic(`${model.sent_bytes - MODEL_BYTES} bytes fetched twice in ${kills} kills`);
    assert.ok(
      model.sent_bytes <= MODEL_BYTES + kills * CHUNK_BYTES,
      `${model.sent_bytes} bytes were served`,
    );
    await server.close();
    assert.ok((await ask(page)).text.length > 0, 'the model is right');
  });

  test('precaching waits for answers, and on connections that save data', async () => {
    await register(page);
    await listen(page);
    const worker = context.serviceWorkers()[0];
    const connection = (value) =>
      worker.evaluate(
        (value) => Object.defineProperty(navigator, 'connection', { value, configurable: true }),
        value,
      );
    const paused = (why) =>
      eventually(() => page.evaluate((why) => said.at(-1)?.paused === why, why), `a pause: ${why}`);
    await connection({ saveData: true });
    await page.evaluate((path) => offline.precache([path]), MODEL_PATH);
    await paused('save_data');
    await connection({ saveData: false, type: 'cellular' });
    await page.evaluate((path) => offline.precache([path]), MODEL_PATH);
    await paused('metered');
    await connection(undefined);
    await page.evaluate((path) => offline.precache([path]), MODEL_PATH);
    await paused('unknown_connection');
    assert.equal(model.sent_bytes, 0);

    await page.evaluate((path) => offline.precache([path], { anyConnection: true }), MODEL_PATH);
    await eventually(() => model.sent_bytes > CHUNK_BYTES, 'the chunks, after a yes');
    await page.evaluate((path) => offline.precache([path]), MODEL_PATH);
    const sent_bytes = model.sent_bytes;
    await eventually(() => model.sent_bytes > sent_bytes + CHUNK_BYTES, 'more: the yes holds');

    await connection({ saveData: false, type: 'wifi' });
    await ask(page);
    assert.equal(model.sent_bytes, MODEL_BYTES);
    await page.evaluate(async (path) => {
      window.siskin = await Siskin.load(path);
      // The answer must not end by itself before the test has looked.
      const ends = {};
      for (const name of ['<|im_end|>', '<|endoftext|>'])
        ends[(await siskin.tokenize(name, { special: true }))[0]] = -100;
      window.chunks = await siskin.chat.completions.create({
        messages: [{ role: 'user', content: 'Write a long story.' }],
        max_tokens: 1500,
        stream: true,
        logit_bias: ends,
      });
      await offline.precache(['/models/other.gguf']);
    }, MODEL_PATH);
    await paused('busy');
    await sleep(3000);
    assert.ok(
      await page.evaluate(async () => !(await chunks.next()).done),
      'the answer is still being written',
    );
    assert.equal(model.sent_bytes, MODEL_BYTES, 'nothing is fetched meanwhile');
    await page.evaluate(() => chunks.return());
    await eventually(
      () => model.sent_bytes > MODEL_BYTES,
      'the next chunk, when the answer has ended',
    );
  });

  test('signed addresses are not written down for later', async () => {
    await register(page);
    const refused = await page.evaluate(() =>
      offline.precache(['/models/m.gguf?Signature=s']).catch(({ code }) => code),
    );
    assert.equal(refused, 'invalid_argument');
    assert.deepEqual(await page.evaluate(async () => (await offline.status()).precache), []);
  });

  /** Returns who answered a request of the page: the service worker, or the browser itself. */
  async function answeredBy(page, path, init = {}) {
    const [response] = await Promise.all([
      page.waitForResponse((response) => response.url().endsWith(path)),
      page.evaluate(
        ([path, init]) => fetch(path, init).then((found) => found.text()),
        [path, init],
      ),
    ]);
    return response.fromServiceWorker() ? 'service worker' : 'browser';
  }

  test('it answers listed files and stored models, and leaves the rest to the browser', async () => {
    await register(page);
    await keptVersion(page);
    await page.reload();
    await ask(page);
    assert.equal(await answeredBy(page, '/app/part.js'), 'service worker');
    assert.equal(await answeredBy(page, MODEL_PATH), 'service worker');
    for (const [path, init] of [
      ['/app/api/data'],
      ['/shell.json'],
      ['/models/other.gguf', { headers: { Range: 'bytes=0-3' } }],
      [MODEL_PATH, { cache: 'no-store', headers: { Range: 'bytes=0-3' } }],
      ['/app/part.js', { method: 'POST' }],
    ])
      assert.equal(await answeredBy(page, path, init), 'browser', path);
    await writeFile(join(folder, 'app/unlisted.html'), '<!doctype html><title>Unlisted</title>');
    const other = await context.newPage();
    const visit = await other.goto(`${server.url}/app/unlisted.html`);
    assert.equal(visit.fromServiceWorker(), false, 'a page that is not listed');
    await rm(join(folder, 'app/unlisted.html'));
  });

  test("a site's own service worker calls the handlers", async () => {
    await writeFile(
      join(folder, 'own.js'),
      `import { handleFetch, handleMessage } from './lib/sw_handlers.js';
       addEventListener('install', () => skipWaiting());
       addEventListener('fetch', (event) => {
         if (!handleFetch(event, answer)) event.respondWith(answer(event.request));
       });
       const answer = async (request) =>
         request.url.endsWith('/app/hello') ? new Response('hello') : fetch(request);
       addEventListener('message', (event) => {
         if (!handleMessage(event)) event.source.postMessage('own ' + event.data);
       });`,
    );
    await register(page, { url: '../own.js' });
    await keptVersion(page);
    await page.reload();
    const said = await page.evaluate(async (path) => {
      const answer = new Promise((resolve) =>
        navigator.serviceWorker.addEventListener('message', ({ data }) => resolve(data)),
      );
      navigator.serviceWorker.controller.postMessage('question');
      const said = [await answer, await (await fetch('hello')).text()];
      await offline.precache([path], { anyConnection: true });
      return said;
    }, MODEL_PATH);
    assert.deepEqual(said, ['own question', 'hello']);
    await eventually(precached, 'the whole model');
    await server.close();
    await page.reload();
    assert.ok((await ask(page)).text.length > 0, 'the site and the model are there');
    await rm(join(folder, 'own.js'));
  });

  test('the switch of docs/design/offline.md ends it in every browser', async () => {
    const docs = await readFile(join(ROOT, 'docs/design/offline.md'), 'utf8');
    const [, switch_off] = /```js\n(\/\/ sw\.js\n[^]*?)```/.exec(docs);
    await register(page);
    await keptVersion(page);
    await ask(page);
    await writeFile(join(folder, 'sw.js'), switch_off);
    await page.reload();
    await eventually(
      () => page.evaluate(async () => !(await navigator.serviceWorker.getRegistration())),
      'the end of the registration',
    );
    await page.reload();
    const left = await page.evaluate(
      async (path) => [
        navigator.serviceWorker.controller,
        await caches.keys(),
        await models.has(path),
      ],
      MODEL_PATH,
    );
    assert.deepEqual(left, [null, [], true]);
    await cp(join(SITE, 'sw.js'), join(folder, 'sw.js'));
  });

  test('isolation is arranged where it is asked for and gains threads', async () => {
    const plain = await startServer({ isolation: false, routes: siteRoutes(folder) });
    const script = async (options, init = '') => {
      const { page, stop } = await openChromium('about:blank');
      await page.addInitScript(init);
      await page.addInitScript((options) => {
        addEventListener('load', () => offline.register({ url: '../sw.js', ...options }));
      }, options);
      const documents = [];
      page.on('request', (request) => request.isNavigationRequest() && documents.push(1));
      await page.goto(`${plain.url}/app/`);
      // What is evaluated counts as the visitor's activity, which prevents a reload.
      await sleep(3000);
      const find = async () => {
        const registration = await navigator.serviceWorker.getRegistration();
        return registration?.active?.state === 'activated' && registration.active.scriptURL;
      };
      const url = await eventually(() => page.evaluate(find).catch(() => false), 'its start');
      const isolated = await page.evaluate(() => crossOriginIsolated);
      await stop();
      return [new URL(url).search, isolated, documents.length - 1];
    };
    try {
      assert.deepEqual(await script({}), ['', false, 0]);
      assert.deepEqual(await script({ isolate: true }), ['?isolate=true', true, 1]);
      for (const nothing_gained of [
        "Object.defineProperty(navigator, 'hardwareConcurrency', { value: 1 });",
        'WebAssembly.validate = () => false;',
        "Object.defineProperty(globalThis, 'crossOriginIsolated', { value: true });",
      ]) {
        const [search, , loads] = await script({ isolate: true }, nothing_gained);
        assert.deepEqual([search, loads], ['', 0], nothing_gained);
      }
    } finally {
      await plain.close();
    }
  });

  test('a model that is not there is told of and given up', async () => {
    await register(page);
    await listen(page);
    await page.evaluate(() => offline.precache(['/models/absent.gguf']));
    const { error } = await eventually(
      () => page.evaluate(() => said.find(({ error }) => error)),
      'the error',
    );
    assert.equal(error.code, 'http_status');
    assert.deepEqual(await page.evaluate(async () => (await offline.status()).precache), []);
  });

  test('files are served in ranges too', async () => {
    await register(page);
    await keptVersion(page);
    await page.reload();
    await server.close();
    const parts = await page.evaluate(async () => {
      const get = async (range) => {
        const response = await fetch('../app/part.js', { headers: { Range: range } });
        return [response.status, response.headers.get('Content-Range'), await response.text()];
      };
      return [
        await get('bytes=0-5'),
        await get('bytes=-3'),
        await get('bytes=99-'),
        await get('lines=1-2'),
      ];
    });
    assert.deepEqual(parts, [
      [206, 'bytes 0-5/26', 'export'],
      [206, 'bytes 23-25/26', '1;\n'],
      [416, 'bytes */26', ''],
      [200, null, 'export const version = 1;\n'],
    ]);
  });

  test('a stored model is served whole and in ranges; a wrong byte is not', async () => {
    await register(page);
    await ask(page);
    await page.reload();
    assert.equal(model.sent_bytes, MODEL_BYTES);
    const digest = () =>
      page.evaluate(async (path) => {
        const response = await fetch(path);
        const hash = new Uint8Array(
          await crypto.subtle.digest('SHA-256', await response.arrayBuffer()),
        );
        return [
          response.status,
          response.headers.get('Content-Length'),
          Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join(''),
        ];
      }, MODEL_PATH);
    assert.deepEqual(await digest(), [200, String(MODEL_BYTES), MODEL_SHA256]);
    assert.equal(model.sent_bytes, MODEL_BYTES, 'nothing was fetched');

    await page.evaluate(async () => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('siskin');
      for await (const folder of root.values()) {
        if (folder.name === 'prefixes') continue;
        const file = await folder.getFileHandle('17');
        const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
        bytes[12345] ^= 4;
        const writable = await file.createWritable();
        await writable.write(bytes);
        await writable.close();
      }
    });
    assert.deepEqual(await digest(), [200, String(MODEL_BYTES), MODEL_SHA256]);
    assert.equal(model.sent_bytes, MODEL_BYTES + CHUNK_BYTES, 'one chunk was fetched');

    const fresh = await page.evaluate(async (path) => {
      const response = await fetch(path, { cache: 'no-store', headers: { Range: 'bytes=0-3' } });
      return response.text();
    }, MODEL_PATH);
    assert.equal(fresh, 'GGUF');
    assert.equal(
      model.sent_bytes,
      MODEL_BYTES + CHUNK_BYTES + 4,
      'whoever asks for the server gets it',
    );

    await server.close();
    const bytes = await readFile(join(MODELS_DIR, SMOLLM2));
    for (const [range, first, end] of [
      ['bytes=0-3', 0, 4],
      [`bytes=${CHUNK_BYTES - 2}-${CHUNK_BYTES + 1}`, CHUNK_BYTES - 2, CHUNK_BYTES + 2],
      ['bytes=-5', MODEL_BYTES - 5, MODEL_BYTES],
      [`bytes=${MODEL_BYTES - 1}-${MODEL_BYTES + 9}`, MODEL_BYTES - 1, MODEL_BYTES],
    ]) {
      const got = await page.evaluate(
        async ([path, range]) => {
          const response = await fetch(path, { headers: { Range: range } });
          return [
            response.status,
            response.headers.get('Content-Range'),
            [...new Uint8Array(await response.arrayBuffer())],
          ];
        },
        [MODEL_PATH, range],
      );
      assert.deepEqual(got, [
        206,
        `bytes ${first}-${end - 1}/${MODEL_BYTES}`,
        [...bytes.subarray(first, end)],
      ]);
    }
    const beyond = await page.evaluate(
      async (path) => (await fetch(path, { headers: { Range: 'bytes=99999999-' } })).status,
      MODEL_PATH,
    );
    assert.equal(beyond, 416);
  });

  test('a site that takes its list away comes from the network again', async () => {
    await register(page);
    await keptVersion(page);
    await rm(join(folder, 'shell.json'));
    await writeFile(join(folder, 'app/part.js'), 'export const version = 4;\n');
    await page.reload();
    assert.equal(await page.evaluate(() => version), 1);
    assert.equal(await page.evaluate(() => offline.update()), null);
    await page.reload();
    assert.equal(await page.evaluate(() => version), 4);
    await publish(folder, 1);
  });

  test('one call removes it; models stay', async () => {
    await register(page);
    await keptVersion(page);
    await ask(page);
    await page.reload();
    const left = await page.evaluate(async (path) => {
      await offline.remove({ url: '../sw.js' });
      return {
        workers: (await navigator.serviceWorker.getRegistrations()).length,
        caches: await caches.keys(),
        registered: (await offline.status()).registered,
        model: await models.has(path),
      };
    }, MODEL_PATH);
    assert.deepEqual(left, { workers: 0, caches: [], registered: false, model: true });
    await page.reload();
    assert.equal(await page.evaluate(() => navigator.serviceWorker.controller), null);
  });

  test('errors: no service workers, a missing script, calls before registration', async () => {
    const codes = await page.evaluate(async () => {
      const codeOf = (promise) =>
        promise.then(
          () => 'no error',
          ({ code }) => code,
        );
      const codes = [
        await codeOf(offline.update()),
        await codeOf(offline.precache(['x.gguf'])),
        await codeOf(offline.register({ url: '../absent.js' })),
      ];
      Object.defineProperty(navigator, 'serviceWorker', { value: undefined });
      codes.push(
        await codeOf(offline.register({ url: '../sw.js' })),
        (await offline.status()).registered,
      );
      return codes;
    });
    assert.deepEqual(codes, [
      'offline_failed',
      'offline_failed',
      'offline_failed',
      'offline_unsupported',
      false,
    ]);
  });
});
