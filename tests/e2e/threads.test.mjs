// These tests let a thread of the engine fail in the middle of its work, and check that the answer
// ends instead of waiting for it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ROOT, SMOLLM2, cannotRun, start, workersLeft } from './helpers/harness.mjs';
import { withExportedTable } from './helpers/wasm_file.mjs';

const WASM = join(ROOT, 'pkg/dist/wasm');
const send = (type, body) => (_request, response) =>
  response.writeHead(200, { 'Content-Type': type }).end(body);

/**
 * Returns routes of an engine whose threads trap in their first job: they find no function in the
 * table through which a job is called.
 *
 * @param {string} call how `run_thread`, which traps, is called
 */
async function trappingThreads(call) {
  const wasm = await readFile(join(WASM, 'siskin_threads_bg.wasm'));
  const script = await readFile(join(WASM, 'siskin_threads.js'), 'utf8');
  const failing = script.replace(
    'export function run_thread(seat) {',
    `export function run_thread(seat) {
      for (let i = 0; i < wasm.functions.length; i++) wasm.functions.set(i, null);
      ${call}
    }
    function trap(seat) {`,
  );
  assert.notEqual(failing, script, 'run_thread is found');
  return {
    '/lib/wasm/siskin_threads_bg.wasm': send(
      'application/wasm',
      withExportedTable(wasm, 'functions'),
    ),
    '/lib/wasm/siskin_threads.js': send('text/javascript', failing),
  };
}

/** Asks an engine of three threads, and then one of a single thread. */
async function ask({ url, max_ms }) {
  const { Siskin } = await import('/lib/siskin.js');
  const request = { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 3 };
  const siskin = await Siskin.load(url, { threads: 3, backend: 'cpu' });
  const { build, threads } = siskin.info;
  const start_ms = performance.now();
  const error = await Promise.race([
    siskin.chat.completions.create(request).catch((error) => error),
    new Promise((resolve) => setTimeout(resolve, max_ms, { code: 'still waiting' })),
  ]);
  const ended_ms = performance.now() - start_ms;
  const later = await Promise.race([
    siskin.tokenize('x').catch((error) => error),
    new Promise((resolve) => setTimeout(resolve, 5000, { code: 'still waiting' })),
  ]);
  const alone = await Siskin.load(url, { threads: 1, backend: 'cpu' });
  const { choices } = await alone.chat.completions.create(request);
  return {
    build,
    threads,
    code: error.code,
    message: error.message,
    later: later.code,
    ended_ms,
    text: choices[0].message.content,
  };
}

describe('a thread that fails', { skip: cannotRun(SMOLLM2), timeout: 120_000 }, () => {
  for (const [name, call, min_ms, max_ms] of [
    ['by a trap', 'trap(seat);', 0, 5000],
    // So does one that the browser ends: nobody is told.
    [
      'without a word',
      `try {
        trap(seat);
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      }`,
      9000,
      40_000,
    ],
  ])
    test(`${name}: the answer ends with worker_failed`, async (t) => {
      const site = await start(await trappingThreads(call));
      try {
        const { page } = await site.open();
        const result = await page.evaluate(ask, { url: `/models/${SMOLLM2}`, max_ms });
        t.diagnostic(`after ${Math.round(result.ended_ms)} ms: ${result.message}`);
        assert.deepEqual([result.build, result.threads], ['threads', 3]);
        assert.deepEqual([result.code, result.later], ['worker_failed', 'worker_failed']);
        assert.match(result.message, /a thread of the pool failed.*load the model again/is);
        assert.ok(result.ended_ms >= min_ms, `after ${result.ended_ms} ms already`);
        assert.ok(result.text.length > 0);
        assert.equal(await workersLeft(page, 1), 1, 'the crashed engine leaves no worker behind');
      } finally {
        await site.stop();
      }
    });
});

describe('a browser without relaxed SIMD', { skip: cannotRun(SMOLLM2), timeout: 120_000 }, () => {
  test('computes with threads all the same', async () => {
    const worker = await readFile(join(ROOT, 'pkg/dist/worker.js'), 'utf8');
    // The probe holds this instruction (i8x16.relaxed_swizzle).
    const without = `{
      const { validate } = WebAssembly;
      WebAssembly.validate = (wasm) => !wasm.join().includes('253,128,2') && validate(wasm);
    }`;
    const site = await start({ '/lib/worker.js': send('text/javascript', `${without}${worker}`) });
    try {
      const { page } = await site.open();
      const { build, threads, text } = await page.evaluate(async (url) => {
        const { Siskin } = await import('/lib/siskin.js');
        const siskin = await Siskin.load(url, { threads: 2, backend: 'cpu' });
        const { choices } = await siskin.chat.completions.create({
          messages: [{ role: 'user', content: 'What is the capital of France?' }],
          temperature: 0,
          max_tokens: 8,
        });
        await siskin.unload();
        return { ...siskin.info, text: choices[0].message.content };
      }, `/models/${SMOLLM2}`);
      assert.deepEqual([build, threads], ['threads-simd', 2]);
      assert.match(text, /Paris/);
    } finally {
      await site.stop();
    }
  });
});
