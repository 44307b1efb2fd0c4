// These tests build apps with the packed package, and run them in Chromium.
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  assertWorks,
  cannotPack,
  makeApp,
  run,
  serve,
  serveModel,
  startTool,
  tryOnPage,
} from './helpers.mjs';

/** Next.js would tell its makers of each build. */
const NEXT = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' };

describe('apps with the packed package', { skip: cannotPack(), timeout: 900_000 }, () => {
  // Vite 8 is in quick.test.mjs.
  for (const version of [5, 6, 7])
    test(`Vite ${version}: built, and in its dev server with the documented settings`, async (t) => {
      const folder = await makeApp(t, 'vite', `vite/${version}`);
      const vite = join(folder, 'node_modules/.bin/vite');
      const model = await serveModel(t);
      await run(vite, ['build'], { cwd: folder });
      const built = await serve(t, join(folder, 'dist'), { isolated: true });
      assertWorks((await tryOnPage(t, `${built.url}/`, { model })).result, true);

      const env = { ...process.env, SISKIN_VITE_SETTINGS: '1' };
      const url = await startTool(t, [vite, '--port', '0'], { cwd: folder, env });
      assertWorks((await tryOnPage(t, `${url}/`, { model })).result, true);
    });

  test('Vite 7 in its dev server without settings: the error says what to set', async (t) => {
    const folder = await makeApp(t, 'vite', 'vite/7');
    const vite = join(folder, 'node_modules/.bin/vite');
    const url = await startTool(t, [vite, '--port', '0'], { cwd: folder });
    const { result } = await tryOnPage(t, `${url}/`, { model: '/model.gguf' });
    assert.equal(result.code, 'worker_failed');
    assert.match(result.message, /script did not load from http.*worker\.js/);
    assert.match(result.message, /optimizeDeps: \{ exclude: \['siskin'\] \}/);
  });

  test('webpack 5, without settings', async (t) => {
    const folder = await makeApp(t, 'webpack');
    await run(process.execPath, ['build.js'], { cwd: folder });
    await cp(join(folder, 'index.html'), join(folder, 'dist/index.html'));
    const { url } = await serve(t, join(folder, 'dist'), { isolated: true });
    assertWorks((await tryOnPage(t, `${url}/`, { model: await serveModel(t) })).result, true);
  });

  test('Rollup, with copied files', async (t) => {
    const folder = await makeApp(t, 'rollup');
    await run(join(folder, 'node_modules/.bin/rollup'), ['-c'], { cwd: folder });
    const dist = join(folder, 'node_modules/siskin/dist');
    for (const name of ['worker.js', 'thread.js', 'reader.js', 'wasm'])
      await cp(join(dist, name), join(folder, 'dist', name), { recursive: true });
    await cp(join(folder, 'index.html'), join(folder, 'dist/index.html'));
    const { url } = await serve(t, join(folder, 'dist'), { isolated: true });
    assertWorks((await tryOnPage(t, `${url}/`, { model: await serveModel(t) })).result, true);
  });

  for (const flag of ['--turbopack', '--webpack'])
    test(`Next.js, built with ${flag}`, async (t) => {
      const folder = await makeApp(t, 'next');
      const next = join(folder, 'node_modules/.bin/next');
      await run(next, ['build', flag], { cwd: folder, env: NEXT });
      const url = await startTool(t, [next, 'start', '--port', '0'], { cwd: folder, env: NEXT });
      const { page, result } = await tryOnPage(t, `${url}/`, { model: await serveModel(t) });
      assertWorks(result, true);
      assert.equal(await page.locator('#server').innerText(), 'unsupported');
    });
});
