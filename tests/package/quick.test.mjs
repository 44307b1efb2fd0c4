// These tests use the packed package as a new user would, in the ways that need little time. They
// are a part of ./build.sh test; the other files of this folder are ./build.sh test package.
import assert from 'node:assert/strict';
import { cp, link, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { cannotRunExtension, openExtension } from '../e2e/helpers/harness.mjs';
import {
  MODEL,
  assertWorks,
  cannotPack,
  makeApp,
  run,
  serve,
  serveModel,
  startTool,
  tryOnPage,
  unpack,
} from './helpers.mjs';

describe('the packed package', { skip: cannotPack(), timeout: 300_000 }, () => {
  test('on a plain page', async (t) => {
    const folder = await makeApp(t, 'plain');
    await unpack(join(folder, 'siskin'));
    const { url } = await serve(t, folder, { isolated: true });
    const parameters = { model: await serveModel(t), siskin: './siskin/dist/siskin.js' };
    const { result, complaints } = await tryOnPage(t, `${url}/`, parameters);
    assertWorks(result, true);
    assert.deepEqual(complaints, []);
  });

  for (const isolated of [true, false])
    test(`from another origin, ${isolated ? 'with' : 'without'} isolation`, async (t) => {
      const folder = await makeApp(t, 'plain');
      const cdn = await makeApp(t, 'plain');
      await unpack(join(cdn, 'siskin'));
      const { url } = await serve(t, folder, { isolated });
      const { url: elsewhere, paths } = await serve(t, cdn, { cors: true });
      const { result, complaints } = await tryOnPage(t, `${url}/`, {
        model: await serveModel(t),
        siskin: `${elsewhere}/siskin/dist/siskin.js`,
      });
      assertWorks(result, isolated);
      assert.equal(paths.includes('/siskin/dist/thread.js'), isolated);
      assert.deepEqual(complaints, []);
    });

  test('in an app that esbuild bundles: modules, and a script that is none', async (t) => {
    const folder = await makeApp(t, 'esbuild');
    const esbuild = join(folder, 'node_modules/.bin/esbuild');
    const build = (...values) => run(esbuild, ['--bundle', ...values], { cwd: folder });
    const dist = join(folder, 'node_modules/siskin/dist');
    const model = await serveModel(t);

    await build('main.js', 'sw.js', '--format=esm', '--splitting', '--outdir=esm');
    assert.match(await readFile(join(folder, 'esm/sw.js'), 'utf8'), /addEventListener/);
    for (const name of ['worker.js', 'thread.js', 'reader.js', 'wasm'])
      await cp(join(dist, name), join(folder, 'esm', name), { recursive: true });
    await cp(join(folder, 'index.html'), join(folder, 'esm/index.html'));
    const esm = await serve(t, join(folder, 'esm'), { isolated: true });
    assertWorks((await tryOnPage(t, `${esm.url}/`, { model })).result, true);

    await build('iife.js', '--format=iife', '--outfile=iife/main.js');
    await cp(dist, join(folder, 'iife/siskin'), { recursive: true });
    await cp(join(folder, 'index.html'), join(folder, 'iife/index.html'));
    const iife = await serve(t, join(folder, 'iife'), { isolated: true });
    assertWorks((await tryOnPage(t, `${iife.url}/`, { model })).result, true);
  });

  test('in an app that Vite 8 serves, and builds', async (t) => {
    const folder = await makeApp(t, 'vite', 'vite/8');
    const vite = join(folder, 'node_modules/.bin/vite');
    const model = await serveModel(t);
    const url = await startTool(t, [vite, '--port', '0'], { cwd: folder });
    assertWorks((await tryOnPage(t, `${url}/`, { model })).result, true);

    await run(vite, ['build'], { cwd: folder });
    const built = await serve(t, join(folder, 'dist'), { isolated: true });
    assertWorks((await tryOnPage(t, `${built.url}/`, { model })).result, true);
  });

  test('in an extension, whose files hold the model', { skip: cannotRunExtension() }, async (t) => {
    const folder = await makeApp(t, 'extension');
    await unpack(join(folder, 'package'));
    await cp(join(folder, 'package/dist'), join(folder, 'siskin'), { recursive: true });
    await link(MODEL, join(folder, 'model.gguf')).catch(() =>
      cp(MODEL, join(folder, 'model.gguf')),
    );
    const { page, stop } = await openExtension(folder, 'panel.html');
    t.after(stop);
    // Nothing can be imported late in a service worker, so both calls must know that without it.
    const [worker] = page.context().serviceWorkers();
    const said = await worker.evaluate(() => Promise.all(globalThis.said));
    assert.deepEqual(said, ['unsupported', 'unsupported']);
    assertWorks(await page.evaluate(() => globalThis.result), true);
  });
});
