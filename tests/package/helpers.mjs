// This module holds what the package's tests share: the packed package, apps that are installed from
// npm's cache, servers, and pages that try Siskin.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { homedir, tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MODELS_DIR, ROOT, SMOLLM2, cannotRun, openChromium } from '../e2e/helpers/harness.mjs';

export const run = promisify(execFile);
export const MODEL = join(MODELS_DIR, SMOLLM2);
const APPS = fileURLToPath(new URL('./apps', import.meta.url));
const INSTALLED = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'siskin/apps');
const VERSION = JSON.parse(readFileSync(join(ROOT, 'pkg/package.json'), 'utf8')).version;
export const TARBALL = join(ROOT, `pkg/siskin-${VERSION}.tgz`);

/** Returns why these tests cannot run here, or false if they can. */
export const cannotPack = () => cannotRun(SMOLLM2, [TARBALL, './build.sh pack makes the tarball']);

/** Makes a folder that is removed when the test ends. */
export async function makeFolder(t, name) {
  const folder = await mkdtemp(join(tmpdir(), `siskin-${name}-`));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

/** Unpacks the package into `folder`. */
export async function unpack(folder) {
  await mkdir(folder, { recursive: true });
  await run('tar', ['xzf', TARBALL, '-C', folder, '--strip-components=1']);
}

/**
 * Makes an app of tests/package/apps in a folder of its own, with the package installed. Its other
 * packages are installed once for each lock file, and linked.
 *
 * @param {string} name of the app's folder
 * @param {string} [lock] the folder of package.json and its lock, if that is another
 */
export async function makeApp(t, name, lock = name) {
  const folder = await makeFolder(t, name);
  const locks = /\/vite\/\d$/;
  await cp(join(APPS, name), folder, { recursive: true, filter: (path) => !locks.test(path) });
  await cp(join(APPS, 'try_siskin.js'), join(folder, 'try_siskin.js'));
  await cp(join(APPS, 'index.html'), join(folder, 'index.html'), { force: false });
  if (!existsSync(join(APPS, lock, 'package-lock.json'))) return folder;
  await run('cp', ['-al', join(await installPackages(lock), 'node_modules'), folder]);
  await cp(join(APPS, lock, 'package.json'), join(folder, 'package.json'));
  await unpack(join(folder, 'node_modules/siskin'));
  return folder;
}

/**
 * Installs the packages of a lock file, once for each content of it, and returns where.
 *
 * @param {string} lock the folder of package.json and its lock, in tests/package/apps
 */
export async function installPackages(lock) {
  const files = ['package.json', 'package-lock.json'].map((file) => join(APPS, lock, file));
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  const installed = join(INSTALLED, `${lock.replace('/', '')}-${hash.digest('hex').slice(0, 16)}`);
  if (!existsSync(installed)) {
    const partial = `${installed}.${process.pid}`;
    await mkdir(partial, { recursive: true });
    for (const file of files) await cp(file, join(partial, file.slice(file.lastIndexOf('/') + 1)));
    await run('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: partial });
    await rename(partial, installed).catch(() => rm(partial, { recursive: true }));
  }
  return installed;
}

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'Range',
  'Access-Control-Expose-Headers': 'Content-Range, Content-Length, ETag',
};

/**
 * Serves a folder as a static host does, with ranges.
 *
 * @param {object} [options]
 * @param {boolean} [options.isolated] whether pages are cross-origin isolated
 * @param {boolean} [options.cors] whether other origins may read the files
 * @returns {Promise<{url: string, paths: string[]}>} `url` ends without a slash, `paths` are those
 *   that were asked for
 */
export async function serve(t, folder, { isolated = false, cors = false } = {}) {
  const paths = [];
  const server = createServer(async (request, response) => {
    const headers = { ...(isolated && ISOLATION), ...(cors && CORS), 'Cache-Control': 'no-cache' };
    const { pathname } = new URL(request.url, 'http://x');
    paths.push(pathname);
    // Browsers ask for an icon.
    if (request.method === 'OPTIONS' || pathname === '/favicon.ico')
      return response.writeHead(204, headers).end();
    const path = join(
      folder,
      decodeURIComponent(pathname),
      pathname.endsWith('/') ? 'index.html' : '',
    );
    const size = await stat(path).then(
      (status) => (status.isFile() ? status.size : undefined),
      () => undefined,
    );
    if (size === undefined) return response.writeHead(404, headers).end('nothing');
    headers['Content-Type'] = TYPES[extname(path)] ?? 'application/octet-stream';
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = first ? [Number(first), Math.min(Number(last), size - 1)] : [0, size - 1];
    headers['Content-Length'] = end + 1 - start;
    if (first) headers['Content-Range'] = `bytes ${start}-${end}/${size}`;
    response.writeHead(first ? 206 : 200, headers);
    return createReadStream(path, { start, end }).pipe(response);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://localhost:${server.address().port}`, paths };
}

/** Serves the model to any origin, and returns its address. */
export async function serveModel(t) {
  const { url } = await serve(t, MODELS_DIR, { cors: true });
  return `${url}/${SMOLLM2}`;
}

/**
 * Runs a server that an app's tool brings, and returns its address.
 *
 * @param {string[]} command
 * @param {import('node:child_process').SpawnOptions} options
 */
export async function startTool(t, [program, ...values], options) {
  const tool = spawn(program, values, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => tool.kill());
  let said = '';
  return new Promise((found, failed) => {
    const listen = (text) => {
      // Tools write addresses in colours.
      // eslint-disable-next-line no-control-regex
      said += String(text).replace(/\x1b\[[0-9;]*m/g, '');
      const match = /https?:\/\/localhost:\d+/.exec(said);
      if (match) found(match[0]);
    };
    tool.stdout.on('data', listen);
    tool.stderr.on('data', listen);
    tool.on('exit', () => failed(new Error(`${program} ended: ${said}`)));
  });
}

/**
 * Opens an app's page, and returns what came of trying Siskin there.
 *
 * @param {string} url
 * @param {Record<string, string>} parameters
 */
export async function tryOnPage(t, url, parameters) {
  const { page, complaints, stop } = await openChromium('about:blank');
  t.after(stop);
  page.setDefaultTimeout(90_000);
  await page.goto(`${url}?${new URLSearchParams(parameters)}`);
  // waitForFunction takes a promise for a yes, so it waits for the value that `report` keeps.
  const result = await page.waitForFunction(() => globalThis.outcome);
  return { page, complaints, result: await result.jsonValue() };
}

/**
 * Checks what `trySiskin` returned.
 *
 * @param {boolean} threads whether the page was cross-origin isolated
 */
export function assertWorks(result, threads) {
  assert.equal(result.message, undefined, `${result.code}: ${result.message}`);
  assert.match(result.text, /Paris/);
  assert.equal(result.chunks, 3);
  assert.equal(result.later, 'not_loaded');
  if (threads) assert.ok(result.threads > 1, `${result.threads} thread(s), build ${result.build}`);
  else assert.deepEqual([result.threads, result.build], [1, 'relaxed']);
}
