/**
 * This module handles the events of a service worker: it serves the site's files by version and
 * without a network, prefetches models, serves stored models, and makes pages cross-origin isolated
 * where they ask for it. Importing it listens to nothing. The service worker's address may hold
 * `isolate=true`, and any number of `precache=URL`, with `any-connection=true`, for sites that
 * register it themselves.
 */
import { messageOf } from './errors.js';
import { SwState } from './offline/sw_state.js';
import { PrefetchQueue } from './offline/prefetch_queue.js';
import { SiteCache } from './offline/site_cache.js';
import { mayBeStored, storedResponse } from './offline/model_responses.js';

/**
 * `Scope` is the part of ServiceWorkerGlobalScope that is used here, which TypeScript's DOM library
 * lacks.
 *
 * @typedef {object} Scope
 * @property {{href: string, origin: string}} location
 * @property {() => Promise<void>} skipWaiting
 * @property {Clients} clients
 * @property {{onLine?: boolean, connection?: {saveData?: boolean, type?: string}}} navigator
 * @property {(type: string, listener: (event: any) => void) => void} addEventListener
 */

/**
 * @typedef {object} Clients
 * @property {(options: {
 *   includeUncontrolled: boolean,
 *   type: 'all' | 'window',
 * }) => Promise<Client[]>} matchAll
 */

/** @typedef {{id: string, url: string, postMessage: (message: object) => void}} Client */

/** @typedef {{waitUntil: (work: Promise<unknown>) => void}} ExtendableEvent */

/** @typedef {(request: Request) => Promise<Response>} Otherwise a site's own answer to a request */

/**
 * A `PageMessage` is what `offline` posts.
 *
 * @typedef {{siskin?: string, urls?: string[], any_connection?: boolean}} PageMessage
 */

/**
 * @typedef {object} FetchEvent
 * @property {Request} request
 * @property {string} clientId
 * @property {string} resultingClientId
 * @property {(work: Promise<unknown>) => void} waitUntil
 * @property {(response: Promise<Response>) => void} respondWith
 */

/**
 * @typedef {object} MessageToWorker
 * @property {unknown} data
 * @property {{postMessage: (message: object) => void} | null} source
 * @property {readonly MessagePort[]} ports
 * @property {(work: Promise<unknown>) => void} waitUntil
 */

const scope = /** @type {Scope} */ (/** @type {unknown} */ (globalThis));
const base = new URL('.', scope.location.href).href;
const options = new URL(scope.location.href).searchParams;
const isolate = options.get('isolate') === 'true';

// Several sites may share an origin, so the names of caches hold the site's path.
const prefix = `siskin ${new URL(base).pathname} `;
const sw_state = new SwState(`${prefix}memo`, base);
const site_cache = new SiteCache(scope, sw_state, base, prefix);
const prefetch_queue = new PrefetchQueue(scope, sw_state, broadcast);

/**
 * Sends a message to all pages of the site.
 *
 * @param {object} message
 */
async function broadcast(message) {
  const pages = await scope.clients.matchAll({ includeUncontrolled: true, type: 'window' });
  for (const page of pages) if (page.url.startsWith(base)) page.postMessage(message);
}

/** @param {ExtendableEvent} event */
export function handleInstall(event) {
  // The newest code may serve every version of the site, because versions are data and not code.
  void scope.skipWaiting();
  const urls = options.getAll('precache').map((url) => new URL(url, base).href);
  // A failure to store is ignored: pages can be isolated without storage.
  event.waitUntil(
    prefetch_queue.add(urls, options.get('any-connection') === 'true').catch(() => {}),
  );
}

/** Goes on with the models that are left; requests would wait for what is awaited here. */
export function handleActivate() {
  void prefetch_queue.run().catch(() => {});
}

/**
 * Answers a request for a listed file of the site or for a stored model; with isolation, also the
 * pages and workers that start. All else is left to the browser, or to the caller's own code. Only
 * right after the service worker has started, until it has read what it owns, other requests of its
 * origin are taken as well, and passed on to `otherwise`.
 *
 * @param {FetchEvent} event
 * @param {Otherwise} [otherwise] answers what turns out to be neither; by default the network does
 * @returns {boolean} whether the request is answered: nobody else may answer it then
 */
export function handleFetch(event, otherwise = fetch) {
  const { request, resultingClientId } = event;
  prefetch_queue.noteRequest();
  // Requests to other origins are left to the browser: sent from here they would carry cookies, and
  // a credentialless page could not read the responses.
  if (request.method !== 'GET' || new URL(request.url).origin !== scope.location.origin)
    return false;
  const navigates = request.mode === 'navigate';
  const starts_client =
    navigates || (resultingClientId !== '' && request.destination.endsWith('worker'));
  if (navigates)
    event.waitUntil(
      Promise.all([update(), prefetch_queue.run(), site_cache.forgetClients().catch(() => {})]),
    );
  const isolates = isolate && starts_client;
  const owns = [site_cache.mayHave(request), mayBeStored(request)];
  if (isolates || owns.includes(true)) {
    event.respondWith(respond(event, isolates, otherwise));
    return true;
  }
  // A page that is not listed may use files that are.
  if (starts_client) event.waitUntil(site_cache.versionFor(event).catch(() => {}));
  return false;
}

/**
 * Handles a message of `offline` on a page.
 *
 * @param {MessageToWorker} event
 * @returns {boolean} whether it was one
 */
export function handleMessage(event) {
  const message = /** @type {PageMessage} */ (event.data ?? {});
  const post = (/** @type {object | void} */ value) => event.ports[0]?.postMessage(value ?? {});
  const reply = (/** @type {Promise<object | void>} */ work) =>
    event.waitUntil(work.then(post, (error) => post({ error: messageOf(error) })));
  if (message.siskin === 'status') reply(status());
  else if (message.siskin === 'update') reply(update());
  else if (message.siskin === 'require-corp')
    reply(sw_state.set('embedder policy', 'require-corp'));
  else if (message.siskin === 'precache' && Array.isArray(message.urls)) {
    const added = prefetch_queue.add(message.urls.map(String), message.any_connection === true);
    reply(added);
    event.waitUntil(added.then(() => prefetch_queue.run()));
  } else return false;
  return true;
}

/** @returns {Promise<{version: string | null, precache: string[]}>} */
async function status() {
  return { version: (await site_cache.current()) ?? null, precache: await prefetch_queue.list() };
}

/** @returns {Promise<{version: string | null, error?: string}>} */
async function update() {
  const before = await site_cache.current();
  let error;
  try {
    await site_cache.update();
  } catch (cause) {
    // The update usually fails because there is no network. The stored version stays, and the next
    // page tries again.
    error = messageOf(cause);
  }
  const version = (await site_cache.current()) ?? null;
  if (version !== (before ?? null)) await broadcast({ siskin: 'version', version });
  return { version, error };
}

/**
 * @param {FetchEvent} event
 * @param {boolean} isolates
 * @param {Otherwise} otherwise
 * @returns {Promise<Response>}
 */
async function respond(event, isolates, otherwise) {
  const response = (await fromStorage(event)) ?? (await fromNetwork(event.request, otherwise));
  return isolates ? withIsolationHeaders(response) : response;
}

/**
 * @param {FetchEvent} event
 * @returns {Promise<Response | undefined>}
 */
async function fromStorage(event) {
  try {
    const version = await site_cache.versionFor(event);
    const found = version === undefined ? undefined : await site_cache.find(version, event.request);
    return found ?? (await storedResponse(event.request, (work) => event.waitUntil(work)));
  } catch {
    // The network may still serve the request where storage is full or broken.
    return undefined;
  }
}

/**
 * @param {Request} request
 * @param {Otherwise} otherwise
 * @returns {Promise<Response>}
 */
async function fromNetwork(request, otherwise) {
  try {
    return await otherwise(request);
  } catch (error) {
    // The page was loaded before a version was stored, and has lost the network since.
    const version = await site_cache.current();
    const found = version === undefined ? undefined : await site_cache.find(version, request);
    if (found) return found;
    throw error;
  }
}

/**
 * Returns the response with the headers that make a page cross-origin isolated, which shared memory
 * and therefore threads need. `credentialless` keeps images and scripts of other hosts working,
 * without cookies; `require-corp` would block those that do not opt in. `require-corp` is used for
 * browsers that do not know `credentialless`; the page detects that (offline/register.js). Headers
 * that the host sends itself take precedence.
 *
 * @param {Response} response
 * @returns {Promise<Response>}
 */
async function withIsolationHeaders(response) {
  if (response.type === 'opaqueredirect' || response.type === 'error') return response;
  const policy = await sw_state.get('embedder policy').catch(() => undefined);
  const { status, statusText, body } = response;
  const headers = new Headers(response.headers);
  for (const [name, value] of [
    ['Cross-Origin-Opener-Policy', 'same-origin'],
    ['Cross-Origin-Embedder-Policy', policy ?? 'credentialless'],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
  ]) {
    if (!headers.has(name)) headers.set(name, value);
  }
  return new Response(body, { status, statusText, headers });
}
