// The second visit, with a real model: how soon the first token comes, and how much memory that takes.
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MODELS_DIR, QWEN, cannotRun, start } from './harness.mjs';

const URL_PATH = `/models/${QWEN}`;

describe('a second visit', { skip: cannotRun(QWEN), timeout: 300_000 }, () => {
  let site;
  let first;
  before(async () => {
    site = await start();
    first = await site.open();
  });
  after(() => site?.stop());

  /** A page of its own process in the same profile, as a visitor comes back. */
  async function visit() {
    const page = await first.page.context().newPage();
    await page.goto(`${site.url}/`);
    return page;
  }

  /** The processes of pages, and their memory in kB. */
  async function renderers() {
    const devtools = await first.page.context().browser().newBrowserCDPSession();
    const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
    await devtools.detach();
    return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  }

  const memory = (id, name) => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(readFileSync(`/proc/${id}/status`, 'utf8'))[1]) * 1024;

  async function loadAndAsk(url) {
    const { Siskin } = await import('/lib/index.js');
    const start_ms = performance.now();
    const reports = [];
    const siskin = await Siskin.load(url, { contextTokens: 1024, onProgress: (progress) => reports.push(progress) });
    const load_ms = performance.now() - start_ms;
    const chunks = await siskin.chat.completions.create({ messages: [{ role: 'user', content: 'Hello' }], temperature: 0, max_tokens: 2, stream: true });
    let first_ms = 0;
    for await (const { choices } of chunks) if (choices[0].delta.content) first_ms ||= performance.now() - start_ms;
    const memory_bytes = await siskin.memoryBytes();
    await siskin.unload();
    return { load_ms, first_ms, memory_bytes, from_cache: reports.at(-1).from_cache };
  }

  /** The stored parts one after the other, as they come. */
  async function readPlainly() {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('siskin');
    const start_ms = performance.now();
    let bytes = 0;
    for await (const folder of root.values()) {
      for await (const handle of folder.values()) bytes += (await (await handle.getFile()).arrayBuffer()).byteLength;
    }
    return { read_ms: performance.now() - start_ms, bytes };
  }

  for (const [name, is_second] of [['first', false], ['second', true]]) {
    test(`the ${name} visit takes little memory`, async (t) => {
      const page = await visit();
      const before = await renderers();
      const resting = Object.fromEntries(before.map((id) => [id, memory(id, 'VmRSS')]));
      // So that the peak is that of the load.
      for (const id of before) writeFileSync(`/proc/${id}/clear_refs`, '5');
      const { load_ms, first_ms, memory_bytes, from_cache } = await page.evaluate(loadAndAsk, URL_PATH);
      assert.equal(from_cache, is_second);
      const { size } = statSync(join(MODELS_DIR, QWEN));
      const grown = Object.fromEntries(before.map((id) => [id, memory(id, 'VmHWM')]));
      t.diagnostic(JSON.stringify({ size, load_ms, first_ms, memory_bytes, resting, grown }));
      await page.close();
    });
  }

  test('the first token comes soon after what a plain read of the file takes', async (t) => {
    const ratios = [];
    for (let round = 0; round < 3; round++) {
      const page = await visit();
      const { load_ms, first_ms, from_cache } = await page.evaluate(loadAndAsk, URL_PATH);
      const { read_ms, bytes } = await page.evaluate(readPlainly);
      await page.close();
      assert.ok(from_cache);
      ratios.push(first_ms / read_ms);
      t.diagnostic(`load ${Math.round(load_ms)} ms, first token ${Math.round(first_ms)} ms, plain read of ${bytes} bytes ${Math.round(read_ms)} ms: ratio ${(first_ms / read_ms).toFixed(2)}`);
    }
    const median = ratios.sort((a, b) => a - b)[1];
    assert.ok(median < 2.5, `the ratio is ${median}`);
  });
});
