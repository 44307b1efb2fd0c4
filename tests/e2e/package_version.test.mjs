// These tests deploy another build of Siskin under an open page: what is loaded goes on, and a load
// that meets a part of the other build says so.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT, SMOLLM2, cannotRun, start, workersLeft } from './helpers/harness.mjs';

const DIST = join(ROOT, 'pkg/dist');
const OTHER = '0123456789ab';
const read = (path) => readFile(join(DIST, path));
const readText = async (path) => (await read(path)).toString();

/** Returns a wasm file that says it is of another build: the name is at its end. */
async function otherWasm() {
  const wasm = await read('wasm/siskin_threads_bg.wasm');
  wasm.write(OTHER, wasm.length - OTHER.length, 'latin1');
  return wasm;
}

/** Returns a script whose build has another name. */
async function otherScript(path, pattern) {
  const script = await readText(path);
  const other = script.replace(pattern, (text) => text.replace(/[0-9a-f]{12}/, OTHER));
  assert.notEqual(other, script, `${path} names its build`);
  return other;
}

/** The parts that a load meets, each of another build. */
const PARTS = {
  'the wasm': ['/lib/wasm/siskin_threads_bg.wasm', 'application/wasm', otherWasm],
  "the wasm's script": [
    '/lib/wasm/siskin_threads.js',
    'text/javascript',
    () => otherScript('wasm/siskin_threads.js', /export const BUILD = .*/),
  ],
  'a thread': [
    '/lib/thread.js',
    'text/javascript',
    () => otherScript('thread.js', /\d+\.\d+\.\d+-[0-9a-f]{12}/),
  ],
};

describe('a deploy under an open page', { skip: cannotRun(SMOLLM2), timeout: 120_000 }, () => {
  let deployed;
  let site;
  before(async () => {
    site = await start(
      Object.fromEntries(
        Object.entries(PARTS).map(([part, [path, type, other]]) => [
          path,
          async (_request, response) =>
            response
              .writeHead(200, { 'Content-Type': type })
              .end(deployed === part ? await other() : await read(path.slice('/lib/'.length))),
        ]),
      ),
    );
  });
  after(() => site?.stop());

  for (const part of Object.keys(PARTS))
    test(`${part} is of another build`, async () => {
      deployed = undefined;
      const { page, close } = await site.open();
      const load = `/models/${SMOLLM2}`;
      const answered = await page.evaluate(async (url) => {
        const { Siskin } = await import('/lib/siskin.js');
        // Loads with the same options would share the engine.
        window.load = (contextTokens) =>
          Siskin.load(url, { contextTokens, threads: 2, backend: 'cpu' });
        window.siskin = await window.load(256);
        window.ask = async () => {
          const messages = [{ role: 'user', content: 'Hello' }];
          const answer = await window.siskin.chat.completions.create({ messages, max_tokens: 3 });
          return answer.choices[0].message.content;
        };
        return window.ask();
      }, load);
      assert.ok(answered.length > 0);

      deployed = part;
      const { error, later } = await page.evaluate(async () => {
        const error = await window.load(257).then(
          () => null,
          ({ code, message }) => ({ code, message }),
        );
        return { error, later: await window.ask() };
      });
      assert.equal(error?.code, 'version_mismatch');
      assert.match(error.message, new RegExp(`build .*${OTHER}.*Reload the page`));
      assert.ok(later.length > 0, 'the engine that is loaded goes on');
      assert.equal(await workersLeft(page, 2), 2, 'the other engine leaves no worker');
      await close();
    });

  test('a part that is imported later is gone', async () => {
    const chunk = readdirSync(DIST).find((name) => /^models-.*\.js$/.test(name));
    const other = await start({
      [`/lib/${chunk}`]: (_request, response) => response.writeHead(404).end(),
    });
    try {
      const { page } = await other.open();
      const error = await page.evaluate(async () => {
        const { SiskinError, models } = await import('/lib/siskin.js');
        const error = await models.list().catch((error) => error);
        return [error.code, error instanceof SiskinError, error.message];
      });
      assert.deepEqual(error.slice(0, 2), ['version_mismatch', true]);
      assert.match(error[2], /Reload the page/);
    } finally {
      await other.stop();
    }
  });
});
