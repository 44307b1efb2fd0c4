// These tests break a download off repeatedly, and check that it resumes each time.
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startServer } from '../../scripts/serve.mjs';
import { BadFile } from './helpers/bad_server.mjs';
import { MODELS_DIR, SMOLLM2, cannotRun } from './helpers/harness.mjs';
import { launch } from './helpers/killable.mjs';

const CHUNK_BYTES = 8 << 20;
const SHA256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
const MODEL = join(MODELS_DIR, SMOLLM2);

/** Loads the model and asks it, in the page. */
async function loadAndAsk({ url, sha256 }) {
  const { Siskin } = await import('/lib/siskin.js');
  const siskin = await Siskin.load(url, { sha256 });
  const { choices } = await siskin.chat.completions.create({
    messages: [{ role: 'user', content: 'Say hello.' }],
    temperature: 0,
    max_tokens: 12,
  });
  await siskin.unload();
  return choices[0].message.content;
}

/** Returns the answer of an intact file. */
async function askUnharmed(url) {
  const { Siskin } = await import('/lib/siskin.js');
  const siskin = await Siskin.load(await (await fetch(url)).blob());
  const { choices } = await siskin.chat.completions.create({
    messages: [{ role: 'user', content: 'Say hello.' }],
    temperature: 0,
    max_tokens: 12,
  });
  await siskin.unload();
  return choices[0].message.content;
}

/**
 * Returns `count` random places in a file, in order; the seed is printed so that a failure can be
 * repeated.
 */
function places(count, size, t) {
  const seed = Number(process.env.SISKIN_SEED) || Math.trunc(Math.random() * 2 ** 31);
  t.diagnostic(`SISKIN_SEED=${seed}`);
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * size);
  }).sort((a, b) => a - b);
}

describe('a download that breaks off', { skip: cannotRun(SMOLLM2), timeout: 300_000 }, () => {
  test('resumes when the browser is killed at 10 random moments', async (t) => {
    const { size } = await stat(MODEL);
    const file = new BadFile(MODEL);
    const server = await startServer({ routes: { '/bad/model.gguf': file.handler } });
    const profile = await mkdtemp(join(tmpdir(), 'siskin-profile-'));
    let killLast = async () => {};
    try {
      let [sent_bytes, stored_bytes] = [0, 0];
      const open = async () => {
        const { page, kill } = await launch(profile, server.url);
        killLast = kill;
        const now_bytes = await page.evaluate(async () =>
          (await import('/lib/siskin.js')).models.size('/bad/model.gguf'),
        );
        const lost_bytes = file.sent_bytes - sent_bytes - (now_bytes - stored_bytes);
        assert.ok(
          lost_bytes <= CHUNK_BYTES,
          `${lost_bytes} bytes were sent in vain, of ${file.sent_bytes - sent_bytes}`,
        );
        [sent_bytes, stored_bytes] = [file.sent_bytes, now_bytes];
        return { page, kill };
      };
      for (const place of places(10, size, t)) {
        const { page, kill } = await open();
        const reached = new Promise(
          (resolve) => (file.onSlice = (sent_bytes) => void (sent_bytes >= place && resolve())),
        );
        const early = page
          .evaluate(loadAndAsk, { url: '/bad/model.gguf', sha256: SHA256 })
          .then(() => assert.fail('the load ended before it was killed'));
        await Promise.race([reached, early]);
        early.catch(() => {});
        await kill();
      }
      file.onSlice = () => false;
      const { page, kill } = await open();
      const text = await page.evaluate(loadAndAsk, { url: '/bad/model.gguf', sha256: SHA256 });
      const has = await page.evaluate(async () =>
        (await import('/lib/siskin.js')).models.has('/bad/model.gguf'),
      );
      const unharmed = await page.evaluate(askUnharmed, `/models/${SMOLLM2}`);
      await kill();
      t.diagnostic(
        `${file.sent_bytes - size} bytes more than the file were sent: ` +
          `${((file.sent_bytes - size) / CHUNK_BYTES).toFixed(2)} chunks`,
      );
      assert.equal(text, unharmed);
      assert.ok(has);
      assert.ok(
        file.sent_bytes <= size + 10 * CHUNK_BYTES,
        `${file.sent_bytes} bytes were sent of a file of ${size}`,
      );
    } finally {
      await killLast();
      await server.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    }
  });

  test('resumes when the connection is cut at 50 random places', async (t) => {
    const { size } = await stat(MODEL);
    const cuts = places(50, size, t);
    const file = new BadFile(MODEL);
    file.onSlice = (sent_bytes) => {
      if (!(sent_bytes > cuts[0])) return false;
      cuts.shift();
      return true;
    };
    const server = await startServer({ routes: { '/bad/model.gguf': file.handler } });
    const profile = await mkdtemp(join(tmpdir(), 'siskin-profile-'));
    const { page, kill } = await launch(profile, server.url);
    try {
      const text = await page.evaluate(loadAndAsk, { url: '/bad/model.gguf', sha256: SHA256 });
      t.diagnostic(
        `${file.requests.length} requests, ${file.sent_bytes - size} bytes more than the ` +
          `file were sent: ${((file.sent_bytes - size) / CHUNK_BYTES).toFixed(2)} chunks`,
      );
      assert.equal(text, await page.evaluate(askUnharmed, `/models/${SMOLLM2}`));
      assert.equal(cuts.length, 0, 'all cuts were made');
      assert.ok(
        file.sent_bytes <= size + 10 * CHUNK_BYTES,
        `${file.sent_bytes} bytes were sent of a file of ${size}`,
      );
    } finally {
      await kill();
      await server.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    }
  });
});
