// This test runs the packed package where no bundler is: in a web worker of a page.
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
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
});
