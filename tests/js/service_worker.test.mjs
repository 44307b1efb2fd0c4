// These tests call the service worker's handlers as a site's own service worker does: what they
// answer, and what they leave alone.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, test } from 'node:test';
import { Caches } from './helpers/fake_caches.mjs';

const BASE = 'https://site.example/app/';
const FILES = { 'index.html': 'home', 'main.js': 'code' };
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

/** Listeners that the modules add by themselves. */
const listeners = [];
const isolating = new Map();
before(async () => {
  Object.assign(globalThis, {
    caches: new Caches(),
    clients: { matchAll: async () => [] },
    skipWaiting: async () => {},
    addEventListener: (type) => listeners.push(type),
    // No tab says anything here, and a channel that listens would keep this process from ending.
    BroadcastChannel: class {
      postMessage() {}
      close() {}
    },
    fetch: async (request) => {
      const path = String(request.url ?? request).slice(BASE.length);
      const files = Object.fromEntries(
        Object.entries(FILES).map(([name, text]) => [name, sha256(text)]),
      );
      return new Response(
        path === 'shell.json' ? JSON.stringify({ files }) : (FILES[path] ?? 'net'),
      );
    },
  });
  const value = { storage: {}, locks: { query: async () => ({ held: [] }) } };
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
  console.warn = () => {};
  for (const isolate of ['true', 'false']) {
    const url = `${BASE}sw.js?isolate=${isolate}`;
    globalThis.location = { href: url, origin: new URL(url).origin };
    const handlers = await import(`../../www/lib/service_worker_handlers.js?isolate=${isolate}`);
    isolating.set(isolate === 'true', handlers);
    assert.equal((await message(handlers, { siskin: 'update' })).version.length, 16);
    fetchEvent(handlers, 'main.js');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

/** Sends a message to a handler, and returns its reply, or false for a message that is not its own. */
async function message(handlers, data) {
  let reply;
  const replied = new Promise((resolve) => (reply = resolve));
  const own = handlers.handleMessage({ data, ports: [{ postMessage: reply }], waitUntil() {} });
  return own ? replied : false;
}

/** Returns the answer to a request, or false for one that is left alone. */
function fetchEvent(handlers, path, more = {}, otherwise = undefined) {
  const request = {
    url: new URL(path, BASE).href,
    method: 'GET',
    mode: 'cors',
    destination: '',
    cache: 'default',
    headers: new Headers(),
    ...more,
  };
  let answer = false;
  const event = {
    request,
    clientId: 'a',
    resultingClientId: more.starts ?? '',
    waitUntil() {},
    respondWith: (response) => (answer = response),
  };
  const answered = handlers.handleFetch(event, otherwise);
  assert.equal(answered, answer !== false);
  return answer;
}

test('importing it listens to nothing', () => assert.deepEqual(listeners, []));

test('listed files are answered, and the rest is left alone', async () => {
  const handlers = isolating.get(false);
  const navigate = { mode: 'navigate', destination: 'document', starts: 'new' };
  const home = await fetchEvent(handlers, '', navigate);
  assert.equal(await home.text(), 'home');
  assert.equal(home.headers.get('Cross-Origin-Opener-Policy'), null);
  assert.equal(await (await fetchEvent(handlers, 'main.js')).text(), 'code');
  for (const [path, more] of [
    ['api/data'],
    ['shell.json'],
    ['main.js', { method: 'POST' }],
    ['https://other.example/main.js'],
    ['/elsewhere/main.js'],
    ['unlisted', navigate],
    ['worker.js', { destination: 'worker', starts: 'b' }],
    ['/models/absent.gguf'],
  ])
    assert.equal(fetchEvent(handlers, path, more), false, path);
});

test('with isolation, pages and workers that start are answered too', async () => {
  const handlers = isolating.get(true);
  for (const [path, more] of [
    ['unlisted', { mode: 'navigate', destination: 'document', starts: 'new' }],
    ['worker.js', { destination: 'worker', starts: 'b' }],
  ]) {
    const response = await fetchEvent(handlers, path, more);
    assert.equal(response.headers.get('Cross-Origin-Opener-Policy'), 'same-origin', path);
    assert.equal(response.headers.get('Cross-Origin-Embedder-Policy'), 'credentialless', path);
  }
  assert.equal(fetchEvent(handlers, 'api/data'), false);
  const script = await fetchEvent(handlers, 'main.js', { destination: 'script' });
  assert.equal(script.headers.get('Cross-Origin-Opener-Policy'), null);
});

test('until it knows what it owns, a site answers what turns out not to be', async () => {
  globalThis.location = { href: `${BASE}sw.js`, origin: new URL(BASE).origin };
  const handlers = await import('../../www/lib/service_worker_handlers.js?cold');
  const own = async (request) => new Response(`own ${request.url.slice(BASE.length)}`);
  const hello = fetchEvent(handlers, 'hello', {}, own);
  assert.equal(await (await hello).text(), 'own hello');
  assert.equal(fetchEvent(handlers, 'hello', {}, own), false, 'now it knows');
  const navigate = { mode: 'navigate', destination: 'document', starts: 'a' };
  assert.equal(await (await fetchEvent(handlers, '', navigate, own)).text(), 'home');
  assert.equal(await (await fetchEvent(handlers, 'main.js', {}, own)).text(), 'code');
});

test("messages of offline are its own, and a site's are not", async () => {
  const handlers = isolating.get(false);
  const { version, precache } = await message(handlers, { siskin: 'status' });
  assert.deepEqual([typeof version, precache], ['string', []]);
  for (const data of [undefined, 'hello', { type: 'SKIP_WAITING' }, { siskin: 'unknown' }])
    assert.equal(await message(handlers, data), false);
});
