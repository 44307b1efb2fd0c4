// These tests run the examples as their READMEs say.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { startServer } from '../../scripts/serve.mjs';
import {
  MODELS_DIR,
  ROOT,
  SMOLLM2,
  cannotRun,
  cannotRunExtension,
  openChromium,
  openExtension,
} from './helpers/harness.mjs';

const run = promisify(execFile);
/** This chat model writes nonsense, and is small enough to be part of the repository. */
const CHAT_TINY = join(ROOT, 'tests/fixtures/models/chat-tiny.gguf');

/** Copies an example without what was built in it into a folder of its own. */
async function copyExample(name) {
  const folder = await mkdtemp(join(tmpdir(), `siskin-${name}-`));
  const built = /\/(node_modules|dist|siskin|models|public)$/;
  await cp(join(ROOT, 'examples', name), folder, {
    recursive: true,
    filter: (path) => !built.test(path),
  });
  return folder;
}

/** The tiny model answers at random, and sometimes next to nothing: then it is asked again. */
const MAX_QUESTIONS = 10;

/** Asks the example's page a question, and returns the answer and the status line. */
async function ask(page, question) {
  const button = page.getByRole('button', { name: 'Ask' });
  const ready = () => button.and(page.locator(':enabled')).waitFor();
  await ready();
  await page.getByLabel('Your question').fill(question);
  let answer = '';
  for (let asked = 0; answer.length <= 3 && asked < MAX_QUESTIONS; asked++) {
    await button.click();
    await ready();
    answer = await page.locator('#answer').innerText();
  }
  return { answer, status: await page.getByRole('status').innerText() };
}

describe('the plain page', { skip: cannotRun(SMOLLM2), timeout: 180_000 }, () => {
  let server;
  before(async () => {
    server = await startServer({
      routes: {
        '/': join(ROOT, 'examples/plain_page'),
        '/siskin/': join(ROOT, 'pkg/dist'),
        '/models/model.gguf': join(MODELS_DIR, SMOLLM2),
      },
    });
  });
  after(() => server?.close());

  test('answers a question', async (t) => {
    const { page, complaints, stop } = await openChromium(server.url);
    t.after(stop);
    const { answer, status } = await ask(page, 'What is the capital of France?');
    assert.match(status, /^Ready/);
    assert.ok(answer.length > 3);
    assert.deepEqual(complaints, []);
  });

  test('says what went wrong', async (t) => {
    const { page, stop } = await openChromium('about:blank');
    t.after(stop);
    await page
      .context()
      .route('**/models/model.gguf', (route) => route.fulfill({ status: 404, body: '' }));
    await page.goto(server.url);
    await page.locator('#status', { hasText: '(http_status)' }).waitFor();
  });
});

describe('the page that Vite builds', { skip: cannotRun(), timeout: 300_000 }, () => {
  let folder;
  let server;
  before(async () => {
    folder = await copyExample('vite');
  });
  after(async () => {
    await server?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  });

  test('answers a question', async (t) => {
    try {
      await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder });
    } catch (error) {
      // Without a network there is no Vite; a lock file that does not fit fails the test.
      if (!/ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH/.test(error.stderr)) throw error;
      if (process.env.SISKIN_REQUIRE_MODELS) throw error;
      return t.skip("SKIPPED: npm's registry cannot be reached");
    }
    const siskin = ['install', '--no-save', '--install-links', '--no-audit', '--no-fund'];
    await run('npm', [...siskin, join(ROOT, 'pkg')], { cwd: folder });
    await run('npm', ['run', 'build'], { cwd: folder });
    server = await startServer({
      routes: { '/': join(folder, 'dist'), '/models/model.gguf': CHAT_TINY },
    });
    const { page, complaints, stop } = await openChromium(server.url);
    t.after(stop);
    const { answer, status } = await ask(page, 'Hello');
    assert.match(status, /^Ready: the model computes on the cpu, on \d+ thread/);
    assert.ok(answer.length > 3);
    assert.deepEqual(complaints, []);
  });
});

describe('the extension', { skip: cannotRunExtension(), timeout: 180_000 }, () => {
  let folder;
  before(async () => {
    folder = await copyExample('extension');
    await cp(join(ROOT, 'pkg/dist'), join(folder, 'siskin'), { recursive: true });
    await cp(CHAT_TINY, join(folder, 'models/model.gguf'));
  });
  after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));

  test('answers a question, with threads, and requests only its own files', async (t) => {
    const { page, complaints, requests, stop } = await openExtension(folder, 'panel.html');
    t.after(stop);
    const { answer, status } = await ask(page, 'Hello');
    assert.match(status, /^Ready/);
    assert.ok(answer.length > 3);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    assert.ok(requests.some((url) => url.endsWith('/siskin/siskin.js')));
    const elsewhere = requests.filter((url) => new URL(url).protocol !== 'chrome-extension:');
    assert.deepEqual(elsewhere, []);
    assert.deepEqual(complaints, []);
  });
});
