// These tests compare every kernel, in every format and tier and with ragged shapes, with plain
// loops. They run the checks of tests/gpu/parity.rs in Chromium (SwiftShader: subgroups, no f16)
// and in Firefox (lavapipe: f16, no subgroups).
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { WEBGPU_PREFS, cannotRunFirefox, openFirefox } from './helpers/firefox.mjs';
import { ROOT, SOFTWARE_GPU, cannotRun, openChromium } from './helpers/harness.mjs';

const [SCRIPT, WASM] = ['parity.js', 'parity_bg.wasm'].map((name) =>
  join(ROOT, 'target/parity', name),
);
const BUILT = [WASM, './build.sh test compiles it'];
const CHROMIUM = {
  name: 'Chromium',
  cannot: cannotRun(BUILT),
  open: (url) => openChromium(url, {}, SOFTWARE_GPU),
  has: /subgroups: true, f16: false/,
  lacking: 7,
};
const FIREFOX = {
  name: 'Firefox',
  cannot: cannotRunFirefox(BUILT),
  open: (url) => openFirefox(url, { prefs: WEBGPU_PREFS }),
  has: /subgroups: false, f16: true/,
  lacking: 0,
};
const blank = (_request, response) =>
  response
    .writeHead(200, { 'Content-Type': 'text/html' })
    .end('<!doctype html><title>Parity</title>');

/** Opens a page with the checks as `window.parity`. */
async function openChecks(t, { open }) {
  const server = await startServer({
    routes: { '/parity': blank, '/parity.js': SCRIPT, '/parity_bg.wasm': WASM },
  });
  const { page, stop } = await open(`${server.url}/parity`);
  t.after(async () => {
    await stop();
    await server.close();
  });
  const list = await page.evaluate(async () => {
    const [parity, { findGpu }] = await Promise.all([
      import('/parity.js'),
      import('/src/engine/adapter.js'),
    ]);
    await parity.default();
    // Makes wgpu's request ask for subgroups.
    await findGpu();
    window.parity = parity;
    return parity.checks();
  });
  const checks = list
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  const jobs = checks.flatMap(([check, ...numbers], index) =>
    numbers.map((number, device) => ({ check, index, device, number: Number(number) })),
  );
  return { page, jobs: jobs.sort((a, b) => a.number - b.number) };
}

// The browsers run in parallel, because most of the time is compiling, which takes one processor a
// browser. A page compiles a shader once for all checks of a device. Two browsers of the slower kind
// run, one with the first check that is left and one with the last, so that they share few shaders.
describe('kernels in browsers', { concurrency: true }, () => {
  for (const [browser, pages] of [
    [CHROMIUM, 2],
    [FIREFOX, 1],
  ]) {
    const { name, cannot, has, lacking } = browser;
    const described = [];
    let left;
    for (let number = 1; number <= pages; number++) {
      test(
        `${name} ${number} computes what plain loops do`,
        { skip: cannot, timeout: 1_200_000 },
        async (t) => {
          const { page, jobs } = await openChecks(t, browser);
          left ??= [...jobs];
          while (left.length > 0) {
            const { check, index, device } = number === 1 ? left.shift() : left.pop();
            const is = await page.evaluate(
              ([index, device]) => window.parity.describe(index, device),
              [index, device],
            );
            described.push(is);
            await t.test(`${check}: ${is}`, { skip: is.startsWith('SKIPPED') && is }, () =>
              page.evaluate(([index, device]) => window.parity.run(index, device), [index, device]),
            );
          }
          if (described.length < jobs.length) return;
          assert.ok(
            described.some((is) => has.test(is)),
            described[0],
          );
          assert.equal(described.filter((is) => is.startsWith('SKIPPED')).length, lacking);
        },
      );
    }
  }
});
