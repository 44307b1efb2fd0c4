// This module copies the built site into a folder of its own and serves it from plain static hosts,
// as after an upload of pkg/site.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { listShell } from '../../../scripts/shell.mjs';
import { MODELS_DIR, ROOT, SMOLLM2 } from './harness.mjs';

export const SITE = join(ROOT, 'pkg/site');
/** `cannotRun` takes this entry. */
export const NEED_SITE = [join(SITE, 'shell.json'), './build.sh build makes the site'];
export const MODEL_PATH = `/models/${SMOLLM2}`;
export const MODEL_BYTES = 98_362_432;
export const MODEL_SHA256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
export const CHUNK_BYTES = 8 << 20;

/**
 * This app exposes the library on its page, and registers the service worker only when a test does
 * so.
 */
const APP = {
  'index.html':
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>App</title><script ' +
    'type="module" src="main.js"></script></html>',
  'main.js':
    "import * as siskin from '../lib/siskin.js';\nimport { version } from " +
    "'./part.js';\nObject.assign(window, siskin, { version, late: async () => (await " +
    "import('./late.js')).version });\n",
  // The worker has a worker, which imports what it is told to, as an engine and its thread do.
  'worker.js':
    "import { ofSameVersion } from './site_version.js';\nconst thread = new " +
    "Worker('thread.js', { type: 'module' });\nthread.onmessage = ({ data }) => " +
    'postMessage(data);\n' +
    "onmessage = async () => thread.postMessage(ofSameVersion(new URL('late.js', " +
    "import.meta.url), await fetch('part.js')));\n",
  'thread.js':
    'onmessage = async ({ data }) => postMessage((await ' +
    "import(data)).version);\npostMessage('ready');\n",
};

/**
 * Copies pkg/site, adds SmolLM2, and adds an app with a version beside the demo.
 *
 * @returns {Promise<string>} its folder
 */
export async function makeSite() {
  const folder = await mkdtemp(join(tmpdir(), 'siskin-site-'));
  await cp(SITE, folder, { recursive: true });
  await mkdir(join(folder, 'models'));
  await symlink(join(MODELS_DIR, SMOLLM2), join(folder, 'models', SMOLLM2));
  await writeFile(
    join(folder, 'models.json'),
    JSON.stringify([{ id: 'smollm2', name: 'SmolLM2', file: SMOLLM2, size_bytes: MODEL_BYTES }]),
  );
  await mkdir(join(folder, 'app'));
  for (const [name, text] of Object.entries(APP)) await writeFile(join(folder, 'app', name), text);
  await cp(join(ROOT, 'www/lib/offline/site_version.js'), join(folder, 'app/site_version.js'));
  await publish(folder, 1);
  return folder;
}

/** Gives the app another version. */
export async function publish(folder, version) {
  for (const name of ['part.js', 'late.js'])
    await writeFile(join(folder, 'app', name), `export const version = ${version};\n`);
  await writeFile(join(folder, 'shell.json'), JSON.stringify(listShell(folder)));
}

/** @param {string} folder */
export function removeSite(folder) {
  return rm(folder, { recursive: true });
}

/**
 * Serves a folder with `python3 -m http.server`, which knows no ranges and sends no headers of its
 * own.
 *
 * @param {string} folder
 */
export async function servePlainly(folder) {
  const server = spawn(
    'python3',
    ['-u', '-m', 'http.server', '--bind', '127.0.0.1', '--directory', folder, '0'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  /** Holds the paths in the order of their requests. @type {string[]} */
  const requests = [];
  createInterface(server.stderr).on('line', (line) => {
    const path = /"GET (\S+) /.exec(line)?.[1];
    if (path) requests.push(path);
  });
  const [line] = await once(createInterface(server.stdout), 'line');
  return {
    url: `http://localhost:${/port (\d+)/.exec(line)[1]}`,
    requests,
    async stop() {
      if (server.exitCode !== null || server.signalCode !== null) return;
      const ended = once(server, 'exit');
      server.kill();
      await ended;
    },
  };
}

/** Returns routes for scripts/serve.mjs that serve the site instead of the sources. */
export function siteRoutes(folder) {
  return Object.fromEntries(
    [
      ['/', ''],
      ['/lib/', 'lib'],
      ['/lib/wasm/', 'lib/wasm'],
      ['/sw.js', 'sw.js'],
      ['/models.json', 'models.json'],
    ].map(([path, below]) => [path, join(folder, below)]),
  );
}

/** Waits until `check` returns a truthy value. A check that never settles counts as false. */
export async function eventually(check, what, limit_ms = 30_000) {
  for (const end_ms = Date.now() + limit_ms; Date.now() < end_ms; await sleep(50)) {
    const value = await Promise.race([
      check(),
      sleep(end_ms - Date.now(), undefined, { ref: false }),
    ]);
    if (value) return value;
  }
  throw new Error(`${what} did not happen within ${limit_ms} ms`);
}
