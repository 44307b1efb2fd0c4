// This script goes the way of somebody who has just found Siskin, and times it: it makes a fresh
// Vite app, installs the packed package, pastes the README's example over the app's main.js, and
// opens the page in Chromium until the first text is there. The model comes from this machine in
// place of Hugging Face, and everything else from npm's registry.
//
// node scripts/walk.mjs [--keep]    after ./build.sh build and ./build.sh test docs
import { execFile, spawn } from 'node:child_process';
import { openSync, readSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { launchChromium } from './chromium.mjs';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'siskin');
const MODEL = 'SmolLM2-135M-Instruct.Q4_1.gguf';

const start = performance.now();
let last = start;
/** Prints how long a step has taken. */
function done(step) {
  const now = performance.now();
  const [own, sum] = [now - last, now - start].map((ms) => (ms / 1000).toFixed(1).padStart(6));
  console.log(`${own} s ${sum} s  ${step}`);
  last = now;
}

/** Answers for Hugging Face, with ranges. */
function sendModel(route) {
  const file = join(CACHE, 'models', MODEL);
  const request = route.request();
  const size = statSync(file).size;
  const headers = {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Headers': '*',
    'Access-Control-Expose-Headers': 'Content-Range, Content-Length, ETag',
    'Accept-Ranges': 'bytes',
    ETag: '"model"',
  };
  if (!request.url().endsWith(`/${MODEL}`)) return route.fulfill({ status: 404, body: '' });
  if (request.method() === 'OPTIONS') return route.fulfill({ status: 204, headers });
  const [, from = '0', to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers().range ?? '') ?? [];
  const [first, end] = [Number(from), to ? Number(to) + 1 : size];
  const body = Buffer.alloc(end - first);
  readSync(openSync(file), body, 0, body.length, first);
  const range = { 'Content-Range': `bytes ${first}-${end - 1}/${size}` };
  return route.fulfill({ status: 206, headers: { ...headers, ...range }, body });
}

const folder = await mkdtemp(join(tmpdir(), 'siskin-walk-'));
const app = join(folder, 'app');
let server;
let browser;
try {
  const { stdout } = await run('npm', ['pack', './pkg', '--json', '--pack-destination', folder], {
    cwd: ROOT,
  });
  const [{ filename }] = JSON.parse(stdout);
  const [example] = /^```js\n[^]*?(?=^```$)/m.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'));
  const lines = example.trimEnd().split('\n').slice(1);
  done(`(the package is packed, the README's example has ${lines.length} lines)`);

  const options = ['--template', 'vanilla', '--no-interactive'];
  await run('npm', ['create', '--yes', 'vite@latest', 'app', '--', ...options], { cwd: folder });
  done('npm create vite@latest');
  await run('npm', ['install', '--no-audit', '--no-fund', join(folder, filename)], { cwd: app });
  done('npm install siskin, and what the app itself needs');
  await writeFile(join(app, 'src/main.js'), `${lines.join('\n')}\n`);
  done("the README's example is src/main.js");

  server = spawn('npx', ['vite', '--port', '5199', '--strictPort'], { cwd: app, detached: true });
  await new Promise((resolve, reject) => {
    server.stdout.on('data', (data) => String(data).includes('Local') && resolve());
    server.on('exit', () => reject(new Error('Vite ended.')));
  });
  done('npm run dev');

  browser = await launchChromium();
  const context = await browser.newContext();
  await context.route('https://huggingface.co/**', sendModel);
  const page = await context.newPage();
  const failures = [];
  page.on('pageerror', (error) => failures.push(error.message));
  done('(Chromium is open)');
  await page.goto('http://localhost:5199/');
  const before = await page.evaluate(() => document.body.innerText.length);
  const text = page.waitForFunction((before) => document.body.innerText.length > before, before, {
    timeout: 120_000,
  });
  await text.catch((error) => {
    throw new Error(failures.join('\n') || error.message);
  });
  done('the first text is on the page (98 MB were loaded from this machine)');
  await page.waitForTimeout(5000);
  const answer = await page.evaluate(() => document.body.innerText);
  console.log(answer.slice(before).trim());
} finally {
  await browser?.close();
  if (server) process.kill(-server.pid);
  if (!process.argv.includes('--keep')) await rm(folder, { recursive: true, force: true });
}
