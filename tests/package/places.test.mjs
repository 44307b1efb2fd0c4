// These tests run the packed package where no bundler is: in a web worker of a page, and in an
// extension whose offscreen document has the engine and whose files hold the model.
import assert from 'node:assert/strict';
import { cp, link } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { cannotRunExtension, openExtension } from '../e2e/helpers/harness.mjs';
import {
  MODEL,
  assertWorks,
  cannotPack,
  makeApp,
  serve,
  serveModel,
  tryOnPage,
  unpack,
} from './helpers.mjs';

describe('places without a bundler', { skip: cannotPack(), timeout: 300_000 }, () => {
  test('a web worker', async (t) => {
    const folder = await makeApp(t, 'worker');
    await unpack(join(folder, 'package'));
    await cp(join(folder, 'package/dist'), join(folder, 'siskin'), { recursive: true });
    const { url } = await serve(t, folder, { isolated: true });
    const { result } = await tryOnPage(t, `${url}/`, { model: await serveModel(t) });
    assertWorks(result, true);
  });

  test('an extension', { skip: cannotRunExtension() }, async (t) => {
    const folder = await makeApp(t, 'extension');
    await unpack(join(folder, 'package'));
    await cp(join(folder, 'package/dist'), join(folder, 'siskin'), { recursive: true });
    await link(MODEL, join(folder, 'model.gguf')).catch(() =>
      cp(MODEL, join(folder, 'model.gguf')),
    );
    const { page, stop } = await openExtension(folder, 'panel.html');
    t.after(stop);
    const [worker] = page.context().serviceWorkers();
    assert.equal(await worker.evaluate(() => globalThis.here), 'unsupported');
    assertWorks(await page.evaluate(() => globalThis.result), true);
  });
});
