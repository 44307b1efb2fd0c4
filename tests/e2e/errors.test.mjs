// These tests let loading fail in every way, and check the code, the message, and that the page
// keeps working.
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tinyGguf } from './helpers/gguf.mjs';
import {
  MODELS_DIR,
  ROOT,
  SMOLLM2,
  cannotRun,
  countOwnWorkers,
  loadListed,
  shoot,
  start,
  workersLeft,
} from './helpers/harness.mjs';

const model = join(MODELS_DIR, SMOLLM2);
const send = (status, headers, body) => (_request, response) =>
  response.writeHead(status, headers).end(body);

/** Sends the beginning of the real model, with a Content-Length of `promised` bytes. */
function part(bytes, promised, end) {
  return async (_request, response) => {
    response.writeHead(200, { 'Content-Length': promised });
    for await (const chunk of createReadStream(model, { end: bytes - 1 })) response.write(chunk);
    end(response);
  };
}

/** Each entry is path: [what responds, the code, what the message must mention]. */
const CASES = {
  '/bad/page.gguf': [
    send(
      200,
      { 'Content-Type': 'text/html' },
      '<!doctype html><title>Log in</title><p>Please log in.',
    ),
    'html_not_model',
    /page/i,
  ],
  '/bad/absent.gguf': [send(404, {}, 'no'), 'http_status', /404.*check the address/i],
  '/bad/forbidden.gguf': [send(403, {}, 'no'), 'http_status', /403.*login/i],
  '/bad/broken_server.gguf': [send(503, {}, 'no'), 'http_status', /503.*later/i],
  '/bad/dropped.gguf': [
    part(4_000_000, 98_362_432, (response) => setTimeout(() => response.destroy(), 200)),
    'network',
    /connection.*try again/i,
  ],
  '/bad/refused.gguf': [(request) => request.socket.destroy(), 'network', /could not reach/i],
  '/bad/truncated.gguf': [
    part(4_000_000, 4_000_000, (response) => response.end()),
    'gguf_truncated',
    /./,
  ],
  '/bad/truncated_header.gguf': [
    part(500, 500, (response) => response.end()),
    'gguf_truncated',
    /./,
  ],
  '/bad/empty.gguf': [send(200, { 'Content-Length': 0 }, ''), 'gguf_truncated', /./],
  '/bad/magic.gguf': [send(200, {}, Buffer.alloc(5000, 7)), 'not_gguf', /GGUF/],
  '/bad/version.gguf': [
    send(
      200,
      {},
      Buffer.concat([Buffer.from('GGUF'), Buffer.from([9, 0, 0, 0]), Buffer.alloc(64)]),
    ),
    'gguf_version',
    /./,
  ],
  '/bad/counts.gguf': [
    send(
      200,
      {},
      Buffer.concat([
        Buffer.from('GGUF'),
        Buffer.from([3, 0, 0, 0]),
        Buffer.alloc(16, 0xff),
        Buffer.alloc(64),
      ]),
    ),
    'gguf_malformed',
    /./,
  ],
  '/bad/architecture.gguf': [
    send(200, {}, tinyGguf({ 'general.architecture': 'penguin' })),
    'architecture',
    /penguin/,
  ],
  '/bad/no_architecture.gguf': [
    send(200, {}, tinyGguf({ 'general.name': 'Nameless' })),
    'metadata',
    /general\.architecture/,
  ],
};

describe('errors', { skip: cannotRun(SMOLLM2) }, () => {
  let site;
  let page;
  before(async () => {
    site = await start(
      Object.fromEntries(Object.entries(CASES).map(([path, [answer]]) => [path, answer])),
    );
    ({ page } = await site.open());
    await countOwnWorkers(page);
    await page.reload();
  });
  after(() => site?.stop());

  for (const [path, [, code, sentence]] of Object.entries(CASES)) {
    test(`${code}: ${path}`, async () => {
      const error = await page.evaluate(async (path) => {
        const { Siskin } = await import('/lib/siskin.js');
        return Siskin.load(path).then(
          () => null,
          ({ name, code, message }) => ({ name, code, message }),
        );
      }, path);
      assert.equal(error?.name, 'SiskinError');
      assert.equal(error.code, code, error.message);
      assert.match(error.message, sentence);

      await page.locator('#url-input').fill(`${site.url}${path}`);
      await page.keyboard.press('Enter');
      await page.locator('#load-error').waitFor({ state: 'visible' });
      assert.equal(await page.locator('#load-error-code').innerText(), code);
      const shown = await page.locator('#load-error-message').innerText();
      assert.match(shown, /^[A-Z"`]\S* \S+ \S+.*\.$/s, 'a sentence');
      assert.ok(shown.toLowerCase().includes(error.message.toLowerCase()), shown);
      assert.notEqual(await page.locator('#load-error-title').innerText(), 'Something went wrong');
      await shoot(page, `error-${code}`);
      await page.getByRole('button', { name: 'Choose another model' }).click();
    });
  }

  test('a file that is no model, and a stream that breaks or gives no bytes', async () => {
    const head = [...(await readFile(model)).subarray(0, 1000)];
    const codes = await page.evaluate(async (head) => {
      const { Siskin } = await import('/lib/siskin.js');
      const codeOf = (source) =>
        Siskin.load(source).then(
          () => 'no error',
          (error) => error.code,
        );
      const bytes = Uint8Array.from(head);
      let pulls = 0;
      const broken = new ReadableStream({
        pull: (controller) =>
          pulls++ ? controller.error(new Error('lost')) : controller.enqueue(bytes),
      });
      const strings = new ReadableStream({ pull: (controller) => controller.enqueue('text') });
      const locked = new ReadableStream();
      locked.getReader();
      return [
        await codeOf(new File(['hello'], 'a.gguf')),
        await codeOf(new Blob([bytes])),
        await codeOf(broken),
        await codeOf(strings),
        await codeOf(locked),
        await codeOf(new Response('no', { status: 410 })),
      ];
    }, head);
    assert.deepEqual(codes, [
      'not_gguf',
      'gguf_truncated',
      'network',
      'invalid_argument',
      'invalid_argument',
      'http_status',
    ]);
  });

  test('the page is alive after all that: a good model loads and answers', async (t) => {
    const start_ms = Date.now();
    // The page counts them itself: of some dozens of failed loads Chromium 156 keeps a worker with
    // its thread although it was ended, whether the thread is ended before it or with it.
    await page.waitForFunction(() => window.running === 0, undefined, { timeout: 5000 });
    t.diagnostic(`the last worker was ended after ${Date.now() - start_ms} ms`);
    await loadListed(page, 'SmolLM2');
    await page.locator('#prompt').fill('Say hello.');
    await page.keyboard.press('Enter');
    await page.locator('.assistant .notes').waitFor();
    assert.ok((await page.locator('.assistant .text').innerText()).length > 0);
  });

  test('a crash rejects what is open, and the next load works', async () => {
    const trap = fileURLToPath(new URL('./pages/trap_engine.js', import.meta.url));
    const crashing = await start(
      Object.fromEntries(
        ['simd', 'relaxed', 'threads'].map((build) => [`/src/wasm/siskin_${build}.js`, trap]),
      ),
    );
    try {
      const { page } = await crashing.open();
      const result = await page.evaluate(async () => {
        const { Siskin } = await import('/src/siskin.js');
        const siskin = await Siskin.load(new Blob(['x']));
        const request = { messages: [{ role: 'user', content: 'Hello' }] };
        const caught = ({ code, message }) => ({ code, message });
        const open = [
          siskin.chat.completions.create(request).catch(caught),
          siskin.chat.completions.create(request).catch(caught),
        ];
        const errors = await Promise.all(open);
        errors.push(await siskin.tokenize('x').catch(caught));
        await Siskin.load(new Blob(['x']));
        return errors;
      });
      assert.deepEqual(
        result.map(({ code }) => code),
        Array(3).fill('worker_failed'),
      );
      assert.match(result[0].message, /load the model again/i);
    } finally {
      await crashing.stop();
    }
  });

  test('threads that do not start leave their work to the others', async () => {
    const script = await readFile(join(ROOT, 'pkg/dist/wasm/siskin_threads.js'), 'utf8');
    const failing = send(
      200,
      { 'Content-Type': 'text/javascript' },
      `${script}\nif (name === 'siskin thread') throw new Error('no thread');\n`,
    );
    const alone = await start({ '/lib/wasm/siskin_threads.js': failing });
    try {
      const { page } = await alone.open();
      const { build, threads, text } = await page.evaluate(async (url) => {
        const { Siskin } = await import('/lib/siskin.js');
        const siskin = await Siskin.load(url, { threads: 3, backend: 'cpu' });
        const { choices } = await siskin.chat.completions.create({
          messages: [{ role: 'user', content: 'Hello' }],
          max_tokens: 3,
        });
        return { ...siskin.info, text: choices[0].message.content };
      }, `/models/${SMOLLM2}`);
      assert.deepEqual([build, threads], ['threads', 1]);
      assert.ok(text.length > 0);
      assert.equal(await workersLeft(page, 1), 1);
    } finally {
      await alone.stop();
    }
  });

  test('wasm_failed and worker_failed: parts of the package are missing', async () => {
    const gone = send(404, {}, 'no');
    for (const [path, code] of [
      ['/lib/wasm/', 'wasm_failed'],
      ['/lib/worker.js', 'worker_failed'],
    ]) {
      const missing = await start({ [path]: gone });
      try {
        const { page } = await missing.open();
        const error = await page.evaluate(async () => {
          const { Siskin } = await import('/lib/siskin.js');
          return Siskin.load(new Blob(['GGUF'])).then(
            () => null,
            ({ code, message }) => ({ code, message }),
          );
        });
        assert.equal(error?.code, code);
      } finally {
        await missing.stop();
      }
    }
  });

  test('no_simd: a browser without SIMD is refused, one with plain SIMD gets simd', async () => {
    const result = await page.evaluate(async (url) => {
      const { startEngine } = await import('/src/engine/wasm_build.js');
      const validate = WebAssembly.validate;
      WebAssembly.validate = () => false;
      const code = await startEngine().then(
        () => 'no error',
        (error) => error.code,
      );
      let calls = 0;
      WebAssembly.validate = () => calls++ > 0;
      const { module } = await startEngine(1);
      WebAssembly.validate = validate;
      const engine = new module.Engine({});
      engine.push(new Uint8Array(await (await fetch(url)).arrayBuffer()));
      const { build } = await engine.finish();
      engine.start({
        messages: [{ role: 'user', content: 'Hello' }],
        max_tokens: 3,
        temperature: 0,
      });
      let text = '';
      for (let event = await engine.next(); event; event = await engine.next()) text += event.text;
      engine.free();
      return { code, build, text };
    }, `/models/${SMOLLM2}`);
    assert.equal(result.code, 'no_simd');
    assert.equal(result.build, 'simd');
    assert.ok(result.text.length > 0);
  });
});
