// These tests load models that are larger than a browser's memory: they are refused when the header
// is there, before their weights are fetched.
import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BadFile } from './helpers/bad_server.mjs';
import { hugeGguf } from './helpers/gguf.mjs';
import { cannotRun, start } from './helpers/harness.mjs';

/** Two chunks are asked for before the first one is there, and two more while it is read. */
const MAX_SENT_BYTES = 32 << 20;

describe('memory', { skip: cannotRun(), timeout: 60_000 }, () => {
  let site, folder, file;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'siskin-memory-'));
    const { header, size_bytes } = hugeGguf();
    const path = join(folder, 'huge.gguf');
    await writeFile(path, header);
    // The rest of the file takes no room on the disk.
    await truncate(path, size_bytes);
    file = new BadFile(path);
    site = await start({ '/bad/': file.handler });
  });
  after(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  for (const threads of [1, 2])
    test(`with ${threads} threads a model that is far too large is refused early`, async (t) => {
      const { page, close } = await site.open();
      file.sent_bytes = 0;
      const { code, message } = await page.evaluate(async (threads) => {
        const { Siskin } = await import('/lib/siskin.js');
        const options = { backend: 'cpu', storage: 'memory', threads };
        return Siskin.load('/bad/huge.gguf', options).then(
          () => ({ code: 'fine' }),
          ({ code, message }) => ({ code, message }),
        );
      }, threads);
      assert.equal(code, 'out_of_memory', message);
      assert.match(message, /weights take 2\d{4} MB.*smaller model/);
      const { length } = file.requests;
      t.diagnostic(`${length} requests, ${file.sent_bytes} bytes`);
      assert.ok(file.sent_bytes <= MAX_SENT_BYTES, `${file.sent_bytes} bytes`);
      await new Promise((resolve) => setTimeout(resolve, 500));
      assert.equal(file.requests.length, length, 'requests after the refusal');
      await close();
      file.requests = [];
    });
});
