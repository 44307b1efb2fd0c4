// These tests count what a page requests before the model's first byte: a first visit waits for
// each of these files.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { MODELS_DIR, SMOLLM2, cannotRun, openChromium } from './helpers/harness.mjs';

const MODEL = '/model.gguf';
const MAX_REQUESTS = 4;
const DELAY_MS = 150;

describe('the requests of a first visit', { skip: cannotRun(SMOLLM2), timeout: 120_000 }, () => {
  for (const isolation of [true, false])
    test(`at most ${MAX_REQUESTS} before the model's first, ${isolation ? 'with' : 'without'} threads`, async (t) => {
      const blank = (_request, response) =>
        response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>x');
      const server = await startServer({
        isolation,
        routes: { '/': blank, [MODEL]: join(MODELS_DIR, SMOLLM2) },
      });
      const { page, stop } = await openChromium(server.url);
      t.after(async () => {
        await stop();
        await server.close();
      });
      const seen = [];
      await page.context().route('**/*', async (route) => {
        seen.push({ path: new URL(route.request().url()).pathname, ms: performance.now() });
        await new Promise((done) => setTimeout(done, DELAY_MS));
        await route.continue();
      });
      const threads = await page.evaluate(async (model) => {
        const { Siskin } = await import('/lib/siskin.js');
        const siskin = await Siskin.load(model, { contextTokens: 256, backend: 'cpu' });
        return siskin.info.threads;
      }, MODEL);
      assert.equal(threads > 1, isolation);
      const first = seen.findIndex(({ path }) => path === MODEL);
      const before = seen.slice(0, first).map(({ path }) => path);
      t.diagnostic(before.join(' '));
      assert.ok(before.length <= MAX_REQUESTS, before.join(' '));
      // The engine's script and its wasm are asked for at once.
      const [glue, wasm] = ['.js', '.wasm'].map(
        (end) => seen.find(({ path }) => path.startsWith('/lib/wasm/') && path.endsWith(end)).ms,
      );
      assert.ok(Math.abs(glue - wasm) < DELAY_MS, `${glue} ms, ${wasm} ms`);
    });
});
