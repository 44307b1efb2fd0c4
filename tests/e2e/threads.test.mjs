// These tests let a thread of the engine fail in the middle of its work, and check that nobody waits
// for it. Threads work first on the weights, while the model loads; a thread that fails during an
// answer is tests/kernels/pool.rs.
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

/** Loads a model with three threads, which repack its weights, and then with a single thread. */
async function load({ url, max_ms }) {
  const { Siskin } = await import('/lib/siskin.js');
  const start_ms = performance.now();
  const error = await Promise.race([
    Siskin.load(url, { threads: 3, backend: 'cpu' }).then(
      () => ({ code: 'no error' }),
      (error) => error,
    ),
    new Promise((resolve) => setTimeout(resolve, max_ms, { code: 'still waiting' })),
  ]);
  const ended_ms = performance.now() - start_ms;
  const alone = await Siskin.load(url, { threads: 1, backend: 'cpu' });
  const { choices } = await alone.chat.completions.create({
    messages: [{ role: 'user', content: 'Hello' }],
    max_tokens: 3,
  });
  return { code: error.code, message: error.message, ended_ms, text: choices[0].message.content };
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
    test(`${name}: the load ends with worker_failed`, async (t) => {
      const site = await start(await trappingThreads(call));
      try {
        const { page } = await site.open();
        const result = await page.evaluate(load, { url: `/models/${SMOLLM2}`, max_ms });
        t.diagnostic(`after ${Math.round(result.ended_ms)} ms: ${result.message}`);
        assert.equal(result.code, 'worker_failed');
        assert.match(result.message, /a thread of the pool failed.*load the model again/is);
        assert.ok(result.ended_ms >= min_ms, `after ${result.ended_ms} ms already`);
        assert.ok(result.text.length > 0);
        assert.equal(await workersLeft(page, 1), 1, 'the crashed engine leaves no worker behind');
      } finally {
        await site.stop();
      }
    });
});

describe('a thread that does not start', { skip: cannotRun(SMOLLM2), timeout: 120_000 }, () => {
  test('is done without', async () => {
    const site = await start({
      '/lib/thread.js': send('text/javascript', 'onmessage = () => {};'),
    });
    try {
      const { page } = await site.open();
      const { info, text } = await page.evaluate(async (url) => {
        const { Siskin } = await import('/lib/siskin.js');
        const siskin = await Siskin.load(url, { threads: 2, backend: 'cpu' });
        const { choices } = await siskin.chat.completions.create({
          messages: [{ role: 'user', content: 'Hello' }],
          max_tokens: 3,
        });
        await siskin.unload();
        return { info: siskin.info, text: choices[0].message.content };
      }, `/models/${SMOLLM2}`);
      assert.deepEqual([info.build, info.threads], ['threads', 1]);
      assert.ok(text.length > 0);
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
      const [alone, together] = await page.evaluate(async (url) => {
        const { Siskin } = await import('/lib/siskin.js');
        const answers = [];
        for (const threads of [1, 2]) {
          const siskin = await Siskin.load(url, { threads, backend: 'cpu' });
          const { choices } = await siskin.chat.completions.create({
            messages: [{ role: 'user', content: 'What is the capital of France?' }],
            temperature: 0,
            max_tokens: 24,
          });
          await siskin.unload();
          answers.push({ ...siskin.info, text: choices[0].message.content });
        }
        return answers;
      }, `/models/${SMOLLM2}`);
      assert.deepEqual([alone.build, alone.threads], ['simd', 1]);
      assert.deepEqual([together.build, together.threads], ['threads-simd', 2]);
      assert.equal(together.text, alone.text);
      assert.ok(alone.text.length > 20, alone.text);
    } finally {
      await site.stop();
    }
  });
});
