// These tests run the service worker's memory without a browser: what it may answer, and whom it
// forgets. Caches and clients are played.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Caches } from './helpers/fake_caches.mjs';
import { SiteCache } from '../../www/lib/offline/site_cache.js';
import { SwState } from '../../www/lib/offline/sw_state.js';

const BASE = 'https://site.example/app/';
const PREFIX = 'siskin /app/ ';
const HOUR = 60 * 60 * 1000;

/** The site's files, by their paths. */
let files;
let clients;
const { fetch } = globalThis;
beforeEach(() => {
  mock.timers.enable({ apis: ['Date'], now: 1e12 });
  globalThis.caches = new Caches();
  clients = [];
  files = { 'index.html': 'home', 'about.html': 'about', 'main.js': '1', 'lib/a.wasm': 'wasm' };
  globalThis.fetch = async (url) => {
    const path = String(url).slice(BASE.length);
    if (!files) return new Response('no', { status: 404 });
    const list = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [
        name,
        createHash('sha256').update(text).digest('hex'),
      ]),
    );
    return new Response(path === 'shell.json' ? JSON.stringify({ files: list }) : files[path]);
  };
});
afterEach(() => {
  mock.timers.reset();
  globalThis.fetch = fetch;
  delete globalThis.caches;
});

/** Starts the service worker: what it has in memory is gone, what is stored is not. */
function started() {
  const scope = { clients: { matchAll: async () => clients.map((id) => ({ id })) } };
  return new SiteCache(scope, new SwState(`${PREFIX}memo`, BASE), BASE, PREFIX);
}
const request = (path, mode = 'cors') => ({ url: BASE + path, mode, headers: new Headers() });
const settle = () => new Promise((resolve) => setImmediate(resolve));
const memo = async () =>
  (await new SwState(`${PREFIX}memo`, BASE).names('client ')).map((name) => name.split(' ')[1]);

test('it may answer listed files, and nothing else, once the list is read', async () => {
  await started().update();
  const cache = started();
  assert.equal(cache.mayHave(request('api/data')), true, 'nothing is known yet');
  await settle();
  await settle();
  const mayHave = (path, mode) => cache.mayHave(request(path, mode));
  for (const path of ['main.js', 'main.js?siskin-version=1', 'lib/a.wasm', 'index.html'])
    assert.equal(mayHave(path), true, path);
  for (const path of ['', '?utm=1', 'about', 'index.html'])
    assert.equal(mayHave(path, 'navigate'), true, path);
  for (const path of ['api/data', '', 'about', 'shell.json', 'main', 'lib/'])
    assert.equal(mayHave(path), false, path);
  for (const path of ['contact', 'lib/', '../'])
    assert.equal(mayHave(path, 'navigate'), false, path);
});

test('a new version is known at once, and one that nobody uses is deleted', async () => {
  const cache = started();
  await cache.update();
  const before = await cache.current();
  files['new.js'] = '2';
  assert.equal(cache.mayHave(request('new.js')), false);
  await cache.update();
  assert.equal(cache.mayHave(request('new.js')), true);
  assert.ok(!(await caches.keys()).includes(`${PREFIX}shell ${before}`));
  files = undefined;
  await cache.update();
  assert.equal(cache.mayHave(request('main.js')), false, 'the site has no list any more');
  assert.deepEqual(await caches.keys(), [`${PREFIX}memo`]);
});

test('pages and workers that are gone are forgotten, without a new version of the site', async () => {
  let cache = started();
  await cache.update();
  const version = await cache.current();
  const visit = (id) =>
    cache.versionFor({ clientId: '', resultingClientId: id, request: request('', 'navigate') });
  for (const id of ['a', 'b', 'c']) await visit(id);
  assert.deepEqual(await memo(), ['a', 'b', 'c']);
  clients = ['c'];
  await cache.forgetClients();
  assert.deepEqual(await memo(), ['a', 'b', 'c'], 'the browser may have frozen them');
  mock.timers.tick(25 * HOUR);
  await visit('d');
  cache = started();
  await cache.forgetClients();
  assert.deepEqual(await memo(), ['c', 'd']);
  const asked = (clientId) =>
    cache.versionFor({ clientId, resultingClientId: '', request: request('main.js') });
  assert.deepEqual([await asked('c'), await asked('a')], [version, undefined]);
});
