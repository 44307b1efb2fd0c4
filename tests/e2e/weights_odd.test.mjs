// These tests change weights on the disk while they are used: a new version on the server, another
// tab that reads, a file that is refused.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BadFile } from './helpers/bad_server.mjs';
import { MODELS_DIR, PROGRAM, SMOLLM2, cannotRun, start } from './helpers/harness.mjs';

const MODEL = join(MODELS_DIR, SMOLLM2);

describe('weights on the disk', { skip: cannotRun(SMOLLM2, PROGRAM), timeout: 120_000 }, () => {
  let site, folder, bad;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'siskin-odd-'));
    await mkdir(join(folder, 'shards'));
    site = await start({
      '/shards/': join(folder, 'shards'),
      '/bad/': (request, response) => bad.handler(request, response),
      '/tab_reads.js': fileURLToPath(new URL('./pages/tab_reads.js', import.meta.url)),
      '/tab_writes.js': fileURLToPath(new URL('./pages/tab_writes.js', import.meta.url)),
      '/old_files.js': fileURLToPath(new URL('./pages/old_files.js', import.meta.url)),
    });
  });
  after(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  /** Opens a page with an empty store. */
  async function open() {
    const { page, close } = await site.open();
    await page.evaluate(async () => {
      Object.assign(window, await import('/lib/siskin.js'));
      window.codeOf = (promise) =>
        promise.then(
          () => 'fine',
          ({ code }) => code,
        );
      /** Returns the folders of models, with the names of their files. */
      window.stored = async () => {
        const root = await (
          await navigator.storage.getDirectory()
        ).getDirectoryHandle('siskin', { create: true });
        const folders = {};
        for await (const [name, handle] of root.entries()) {
          folders[name] = [];
          for await (const file of handle.keys()) folders[name].push(file);
        }
        return folders;
      };
    });
    return { page, close };
  }

  test('a model in shards of which a part is here, and a new version on the server', async () => {
    const out = join(folder, 'shards');
    const upload = async (size) => {
      await rm(out, { recursive: true });
      execFileSync(PROGRAM, ['shard', MODEL, '--max', size, '--out', out]);
    };
    const { page, close } = await open();
    await upload('24MiB');
    await page.evaluate(() => models.prefetchChunk('/shards/manifest.json'));
    await upload('32MiB');
    const { complete, folders } = await page.evaluate(async () => {
      await (await Siskin.load('/shards/manifest.json', { contextTokens: 256 })).unload();
      return {
        complete: await models.has('/shards/manifest.json'),
        folders: Object.keys(await stored()).length,
      };
    });
    assert.deepEqual([complete, folders], [true, 1]);
    await close();
  });

  test('a record and a part are written while another tab reads them', async () => {
    const { page, close } = await open();
    const said = await page.evaluate(async () => {
      const { openStore } = await import('/src/storage/store.js');
      const store = await openStore('disk');
      const said = [];
      for (const [name, length] of [
        ['record.json', 10],
        ['0', 100_000],
      ]) {
        await store.write('a', name, new Uint8Array(length));
        const worker = new Worker('/tab_reads.js');
        const reading = new Promise((resolve) => (worker.onmessage = resolve));
        worker.postMessage({ folder: 'a', name, ms: 400 });
        await reading;
        await store.write('a', name, new Uint8Array(length).fill(7));
        said.push((await store.read('a', [name])).every((byte) => byte === 7));
        worker.terminate();
      }
      return said;
    });
    assert.deepEqual(said, [true, true]);
    await close();
  });

  test('a record is read while another tab writes it again and again', async () => {
    const { page, close } = await open();
    const said = await page.evaluate(async () => {
      const { openStore } = await import('/src/storage/store.js');
      const store = await openStore('disk');
      await store.write('a', 'record.json', new Uint8Array(1000));
      const worker = new Worker('/tab_writes.js', { type: 'module' });
      await new Promise((resolve) => (worker.onmessage = resolve));
      const lengths = new Set();
      for (let reads = 0; reads < 500; reads++)
        lengths.add((await store.read('a', ['record.json'])).length);
      worker.terminate();
      return [...lengths];
    });
    assert.deepEqual(said, [1000]);
    await close();
  });

  test('a browser whose files answer with promises', async () => {
    const { page, close } = await open();
    const said = await page.evaluate(async () => {
      const worker = new Worker('/old_files.js', { type: 'module' });
      const next = () => new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
      await next();
      worker.postMessage('begin');
      return next();
    });
    assert.deepEqual(said, [90_000, true]);
    await close();
  });

  test('a file that is refused while more of it arrives leaves nothing behind', async () => {
    const path = join(folder, 'garbage.gguf');
    await writeFile(path, Buffer.alloc(64 << 20, 7));
    bad = Object.assign(new BadFile(path), { delay_ms: 1 });
    const { page, close } = await open();
    assert.equal(await page.evaluate(() => codeOf(Siskin.load('/bad/garbage.gguf'))), 'not_gguf');
    await page.waitForTimeout(500);
    assert.deepEqual(await page.evaluate(() => stored()), {});
    await close();
  });
});
