// These tests compare every wasm build with the goldens: teacher-forced argmax and perplexity of
// real models, and the same bits for every number of threads.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { golden } from './helpers/golden.mjs';
import { QWEN, ROOT, SMOLLM2, cannotRun, start } from './helpers/harness.mjs';

const wasm = (name) => readFileSync(join(ROOT, 'pkg/dist/wasm', name));

// The limits are those of tests/models.rs: exact arithmetic agrees with llama.cpp on 95.9% of
// SmolLM2's positions, so more cannot be required.
const MODELS = [
  { file: QWEN, llama_cpp: 0.97, exact: 0.97 },
  { file: SMOLLM2, llama_cpp: 0.95, exact: 0.97 },
];
const BUILDS = [
  { build: 'relaxed', threads: 1 },
  { build: 'threads', threads: 2 },
  { build: 'threads', threads: 3 },
  { build: 'simd', threads: 1 },
  { build: 'threads-simd', threads: 2 },
];
/**
 * A browser without relaxed SIMD uses these builds; here the server sends each in place of the one
 * that Chromium asks for.
 */
const SENT_FOR = { simd: 'relaxed', 'threads-simd': 'threads' };

for (const { file, llama_cpp, exact } of MODELS) {
  describe(`accuracy of ${file}`, { skip: cannotRun(file), timeout: 600_000 }, () => {
    const { tokens, argmax, perplexity, exact: reference } = golden(file);
    const sites = {};
    const scores = {};
    before(async () => {
      sites.any = await start();
      const serve = (name, type) => (request, response) =>
        response
          .writeHead(200, { 'Content-Type': type, 'Cross-Origin-Resource-Policy': 'same-origin' })
          .end(wasm(name));
      for (const [build, asked] of Object.entries(SENT_FOR))
        sites[build] = await start({
          [`/lib/wasm/siskin_${asked}.js`]: serve(`siskin_${build}.js`, 'text/javascript'),
          [`/lib/wasm/siskin_${asked}_bg.wasm`]: serve(
            `siskin_${build}_bg.wasm`,
            'application/wasm',
          ),
        });
    });
    after(async () => {
      for (const site of Object.values(sites)) await site.stop();
    });

    for (const { build, threads } of BUILDS) {
      test(`${build}, ${threads} thread(s)`, async (t) => {
        const { page, close } = await (sites[build] ?? sites.any).open();
        const { info, score } = await page.evaluate(
          async ({ url, threads, tokens }) => {
            const { Siskin } = await import('/lib/siskin.js');
            const siskin = await Siskin.load(url, { contextTokens: 512, threads });
            const score = await siskin.score(tokens);
            await siskin.unload();
            return { info: siskin.info, score };
          },
          { url: `/models/${file}`, threads, tokens },
        );
        await close();
        assert.equal(info.build, build);
        assert.equal(info.threads, threads);
        const share = (expected) =>
          score.most_likely.filter((id, i) => id === expected[i]).length / expected.length;
        const measured = Math.exp(
          -score.log_probabilities.reduce((sum, x) => sum + x, 0) / score.log_probabilities.length,
        );
        const percent = (x) => `${(100 * x).toFixed(1)}%`;
        t.diagnostic(
          `argmax agrees with llama.cpp on ${percent(share(argmax))}, with exact arithmetic ` +
            `on ${percent(share(reference.argmax))}; perplexity ${measured.toFixed(4)}, ` +
            `llama.cpp's ${perplexity.toFixed(4)}`,
        );
        assert.ok(share(argmax) >= llama_cpp && share(reference.argmax) >= exact);
        assert.ok(Math.abs(measured / perplexity - 1) < 0.01);
        scores[`${build} ${threads}`] = score;
      });
    }

    test('the number of threads changes no bit', () => {
      assert.deepEqual(scores['threads 2'], scores['relaxed 1']);
      assert.deepEqual(scores['threads 3'], scores['relaxed 1']);
      assert.deepEqual(scores['threads-simd 2'], scores['simd 1']);
    });
  });
}
