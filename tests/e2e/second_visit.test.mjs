// A real model's first visit and the next ones, from a disk: how soon it answers, and how much memory that takes.
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { BadFile } from './bad_server.mjs';
import { MODELS_DIR, QWEN, cannotRun } from './harness.mjs';
import { launch } from './killable.mjs';

const MODEL = join(MODELS_DIR, QWEN);

describe('visits', { skip: cannotRun(QWEN), timeout: 300_000 }, () => {
  const file = new BadFile(MODEL);
  let server;
  let profile;
  before(async () => {
    server = await startServer({ routes: { '/bad/model.gguf': file.handler } });
    profile = await mkdtemp(join(tmpdir(), 'siskin-profile-'));
  });
  after(async () => {
    await server?.close();
    await rm(profile, { recursive: true, force: true });
  });

  /** Runs in a browser of its own. */
  async function visit(run) {
    const { page, kill } = await launch(profile, `${server.url}/`);
    try {
      return await run(page);
    } finally {
      await kill();
    }
  }

  async function renderers(page) {
    const devtools = await page.context().browser().newBrowserCDPSession();
    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
    await devtools.detach();
    return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  }

  const bytesOf = (id, name) => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(readFileSync(`/proc/${id}/status`, 'utf8'))[1]) * 1024;

  /** What the page's process takes at most while `run` runs, above what it takes at rest. */
  async function growth(page, run) {
    const ids = await renderers(page);
    const resting = new Map(ids.map((id) => [id, bytesOf(id, 'VmRSS')]));
    // Begins the peak anew.
    for (const id of ids) writeFileSync(`/proc/${id}/clear_refs`, '5');
    const result = await run();
    return { result, grown_bytes: Math.max(...ids.map((id) => bytesOf(id, 'VmHWM') - resting.get(id))) };
  }

  /** In the page. */
  async function loadAndAsk(url) {
    const { Siskin } = await import('/lib/index.js');
    const start_ms = performance.now();
    let from_cache;
    const siskin = await Siskin.load(url, { contextTokens: 1024, onProgress: (progress) => (from_cache = progress.from_cache) });
    const ready = Date.now();
    const load_ms = performance.now() - start_ms;
    const chunks = await siskin.chat.completions.create({ messages: [{ role: 'user', content: 'Hello' }], temperature: 0, max_tokens: 2, stream: true });
    let first_ms = 0;
    for await (const { choices } of chunks) if (choices[0].delta.content) first_ms ||= performance.now() - start_ms;
    await siskin.unload();
    return { load_ms, first_ms, from_cache, ready };
  }

  /** In the page: the files in which the model is stored, one after the other. */
  async function readPlainly() {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('siskin');
    const start_ms = performance.now();
    let bytes = 0;
    for await (const folder of root.values()) {
      for await (const handle of folder.values()) bytes += (await (await handle.getFile()).arrayBuffer()).byteLength;
    }
    return { read_ms: performance.now() - start_ms, bytes };
  }

  for (const from_cache of [false, true]) {
    test(from_cache ? 'the second takes little memory' : 'the first takes little memory, and is ready when the last byte is there', async (t) => {
      await visit(async (page) => {
        let last_byte = 0;
        file.onSlice = () => void (last_byte = Date.now());
        const { result, grown_bytes } = await growth(page, () => page.evaluate(loadAndAsk, '/bad/model.gguf'));
        const share = grown_bytes / statSync(MODEL).size;
        t.diagnostic(`load ${Math.round(result.load_ms)} ms, peak memory ${Math.round(grown_bytes / 1e6)} MB: ${share.toFixed(2)} of the model's size`);
        assert.equal(result.from_cache, from_cache);
        assert.ok(share < 1.25, `${grown_bytes} bytes`);
        if (from_cache) return;
        t.diagnostic(`ready ${result.ready - last_byte} ms after the last byte`);
        assert.ok(result.ready - last_byte < 1000);
      });
    });
  }

  test('the first token comes soon after what a plain read of the file takes', async (t) => {
    const ratios = [];
    for (let round = 0; round < 3; round++) {
      await visit(async (page) => {
        const { load_ms, first_ms, from_cache } = await page.evaluate(loadAndAsk, '/bad/model.gguf');
        const { read_ms, bytes } = await page.evaluate(readPlainly);
        assert.ok(from_cache && bytes > statSync(MODEL).size);
        ratios.push(first_ms / read_ms);
        t.diagnostic(`load ${Math.round(load_ms)} ms, first token ${Math.round(first_ms)} ms, plain read ${Math.round(read_ms)} ms: ratio ${(first_ms / read_ms).toFixed(2)}`);
      });
    }
    const [, median] = ratios.sort((a, b) => a - b);
    assert.ok(median < 2.5, `the ratio is ${median}`);
  });
});
