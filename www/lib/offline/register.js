/**
 * This module is the page's side of the service worker (sw.js), which gives the site's files and
 * models without a network, and threads on hosts that send no headers. A page without a service
 * worker works as well, on one thread.
 */
import { SiskinError, messageOf } from '../errors.js';
import { publicAddress, readAddress } from '../model/address.js';

/**
 * @typedef {object} RegisterOptions
 * @property {string | URL} [url] of sw.js, from the page's address; it serves what lies in its
 *   folder and below
 * @property {boolean} [isolate] whether to make pages cross-origin isolated, which threads need,
 *   where the host does not and the browser gains by it; at the first visit the page is reloaded
 *   for that, once, unless the visitor has used it already. It breaks sign-in in a popup and frames
 *   of other sites, so it is off by default
 * @property {(string | URL)[]} [precache] models to fetch in idle time
 * @property {boolean} [anyConnection] whether they may come over a metered or unknown connection
 */

/**
 * @typedef {object} OfflineStatus
 * @property {boolean} registered
 * @property {boolean} isolated whether this page may use threads
 * @property {string | null} version of the site's files that the next page gets; null where they
 *   are not kept
 * @property {string[]} precache models that are still to be fetched
 */

/**
 * A `PrecacheProgress` says how much of a model is prefetched. `paused` says why it waits:
 * `save_data` and `metered` are the visitor's connection, of which `unknown_connection` is told
 * nothing (Safari, Firefox): `anyConnection` is needed there. `busy` is an answer being written or
 * a page loading, `network` is a server that cannot be reached.
 *
 * @typedef {object} PrecacheProgress
 * @property {string} url
 * @property {number} loaded_bytes
 * @property {number | null} total_bytes
 * @property {boolean} done
 * @property {'save_data' | 'metered' | 'unknown_connection' | 'busy' | 'network' | null} paused
 * @property {{code: string, message: string} | null} error what the model failed with; it is not
 *   tried again
 */

/**
 * This wasm module has a shared memory and one function, which uses atomics and SIMD: it validates
 * where the engine may have threads.
 */
const THREADS = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1, 10, 14, 1, 12, 0,
  254, 3, 0, 65, 0, 253, 15, 253, 98, 26, 11,
];

/** The session storage's entry counts how often this tab was reloaded to become isolated. */
const RELOADS_KEY = 'siskin.reloads';
/** A service worker that sends nothing for this long was ended by the browser. */
const SILENCE_TIMEOUT_MS = 30_000;
const REPLY_TIMEOUT_MS = 20_000;
/** No browser lets a service worker work longer than this on one message. */
const UPDATE_TIMEOUT_MS = 5 * 60_000;

/**
 * Registers the service worker; every page of the site may call it at every visit.
 *
 * @param {RegisterOptions} [options]
 * @returns {Promise<OfflineStatus>} when it runs
 * @throws {SiskinError} `offline_unsupported`, `offline_failed`
 */
export async function register({
  url = 'sw.js',
  isolate = false,
  precache: models = [],
  anyConnection,
} = {}) {
  const container = serviceWorkerContainer();
  const script = new URL(url, document.baseURI);
  const isolates = isolate && isolationPays(container);
  if (isolates) script.searchParams.set('isolate', 'true');
  const was_controlled = container.controller !== null;
  let registration;
  try {
    registration = await container.register(script, { type: 'module', updateViaCache: 'none' });
    await waitUntilActive(registration);
  } catch (cause) {
    throw new SiskinError(
      'offline_failed',
      `The service worker did not start: ${messageOf(cause)}. Check that ${script.pathname} ` +
        'and the library beside it are served.',
      { cause },
    );
  }
  if (isolates) await reloadForIsolation(was_controlled);
  // The files that this page loaded without the service worker are fetched and stored now.
  void send('update', {}, UPDATE_TIMEOUT_MS).catch(() => {});
  if (models.length > 0) await precache(models, { anyConnection });
  return status();
}

/**
 * Unregisters the service worker and deletes the site's stored files. Models stay; `models.remove`
 * removes them.
 *
 * @param {{url?: string | URL}} [options] of sw.js, if it is not beside the page
 * @returns {Promise<void>}
 */
export async function remove({ url = 'sw.js' } = {}) {
  const base = new URL('.', new URL(url, document.baseURI));
  for (const registration of await serviceWorkerContainer().getRegistrations())
    if (registration.scope === base.href) await registration.unregister();
  for (const name of await caches.keys())
    if (name.startsWith(`siskin ${base.pathname} `)) await caches.delete(name);
}

/** @returns {Promise<OfflineStatus>} */
export async function status() {
  const registration = await navigator.serviceWorker?.getRegistration();
  const answer = registration?.active ? await send('status') : { version: null, precache: [] };
  return {
    registered: Boolean(registration?.active),
    isolated: globalThis.crossOriginIsolated === true,
    version: answer.version,
    precache: answer.precache,
  };
}

/**
 * Looks for a newer version of the site. This page keeps its version; the next page gets the new
 * one.
 *
 * @returns {Promise<string | null>} the version that the next page gets
 * @throws {SiskinError} `offline_failed`
 */
export async function update() {
  return (await send('update', {}, UPDATE_TIMEOUT_MS)).version;
}

/**
 * Prefetches models in idle time, one chunk at a time, with pauses while an answer is written, and
 * on connections that are metered, save data, or of which the browser tells nothing. The prefetch
 * continues at later visits until all models are stored.
 *
 * @param {(string | URL)[]} models
 * @param {object} [options]
 * @param {boolean} [options.anyConnection] whether any connection will do: for visitors who have
 *   agreed to the download
 * @param {(progress: PrecacheProgress) => void} [options.onProgress]
 * @returns {Promise<void>} when the service worker has stored the request
 * @throws {SiskinError} `invalid_argument`, `offline_unsupported`, `offline_failed`
 */
export async function precache(models, { onProgress, anyConnection = false } = {}) {
  const urls = models.map((model) => readAddress(model).href);
  if (urls.some((url) => publicAddress(url) !== url))
    throw new SiskinError(
      'invalid_argument',
      'offline.precache writes addresses down for later visits, and takes none that are signed ' +
        'or hold a token. Fetch such a model at once, with models.prefetch.',
    );
  const worker = (await serviceWorkerContainer().getRegistration())?.active;
  if (!worker)
    throw new SiskinError(
      'offline_failed',
      'There is no service worker yet. Wait for offline.register() first.',
    );
  const request = { urls, any_connection: anyConnection };
  const requestPrecache = () => void send('precache', request).catch(() => {});
  const left = new Set(urls);
  let timer = setTimeout(requestPrecache, SILENCE_TIMEOUT_MS);
  const listen = (/** @type {MessageEvent} */ { data }) => {
    if (data?.siskin !== 'precache' || !left.has(data.progress.url)) return;
    clearTimeout(timer);
    if (data.progress.done || data.progress.error) left.delete(data.progress.url);
    if (left.size > 0) timer = setTimeout(requestPrecache, SILENCE_TIMEOUT_MS);
    else navigator.serviceWorker.removeEventListener('message', listen);
    onProgress?.(data.progress);
  };
  navigator.serviceWorker.addEventListener('message', listen);
  navigator.serviceWorker.startMessages();
  await send('precache', request);
}

/**
 * Calls back when a newer version of the site is stored: a good moment to offer a reload.
 *
 * @param {(version: string) => void} listener
 * @returns {() => void} ends it
 */
export function onVersion(listener) {
  const listen = (/** @type {MessageEvent} */ { data }) => {
    if (data?.siskin === 'version' && data.version !== null) listener(data.version);
  };
  navigator.serviceWorker?.addEventListener('message', listen);
  navigator.serviceWorker?.startMessages();
  return () => navigator.serviceWorker?.removeEventListener('message', listen);
}

/** @returns {ServiceWorkerContainer} */
function serviceWorkerContainer() {
  if (navigator.serviceWorker) return navigator.serviceWorker;
  throw new SiskinError(
    'offline_unsupported',
    'This page can have no service worker: serve it over https or from localhost, and not in ' +
      'a private window.',
  );
}

/**
 * @param {ServiceWorkerRegistration} registration
 * @returns {Promise<void>} when a worker runs, the newest if it can be installed
 */
async function waitUntilActive(registration) {
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  await new Promise((/** @type {(value?: undefined) => void} */ resolve, reject) => {
    const check = () => {
      const failed = worker?.state === 'redundant';
      // If a newer worker fails, the active one keeps running.
      if (worker?.state === 'activated' || (failed && registration.active)) resolve();
      else if (failed) reject(new Error('it was replaced or could not be installed'));
    };
    worker?.addEventListener('statechange', check);
    check();
  });
}

/**
 * Returns whether isolation would give this page threads that it does not have otherwise.
 *
 * @param {ServiceWorkerContainer} container
 */
function isolationPays({ controller }) {
  if (navigator.hardwareConcurrency === 1 || !WebAssembly.validate(new Uint8Array(THREADS)))
    return false;
  // A page that is isolated already is so by its host's headers, or by this service worker.
  const script = new URL(controller?.scriptURL ?? document.baseURI);
  return !globalThis.crossOriginIsolated || script.searchParams.get('isolate') === 'true';
}

/**
 * Reloads the page once so that the service worker can send the headers. A second reload, with the
 * stricter policy, is for browsers that do not know `credentialless`.
 *
 * @param {boolean} was_controlled whether this page came through the service worker
 */
async function reloadForIsolation(was_controlled) {
  // A page in a frame is isolated only if the page around it is.
  if (window !== window.top) return;
  try {
    const reloads = Number(sessionStorage.getItem(RELOADS_KEY));
    if (globalThis.crossOriginIsolated) return sessionStorage.removeItem(RELOADS_KEY);
    if (reloads >= (was_controlled ? 2 : 1) || navigator.userActivation?.hasBeenActive) return;
    sessionStorage.setItem(RELOADS_KEY, String(reloads + 1));
  } catch {
    // Without a stored count the reloads might never end.
    return;
  }
  if (was_controlled) await send('require-corp');
  location.reload();
  await new Promise(() => {});
}

/**
 * @param {string} what
 * @param {object} [more]
 * @param {number} [limit_ms]
 * @returns {Promise<any>}
 */
async function send(what, more = {}, limit_ms = REPLY_TIMEOUT_MS) {
  const registration = await serviceWorkerContainer().getRegistration();
  if (!registration?.active)
    throw new SiskinError(
      'offline_failed',
      'There is no service worker yet. Wait for offline.register() first.',
    );
  const { port1, port2 } = new MessageChannel();
  registration.active.postMessage({ siskin: what, ...more }, [port2]);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      port1.close();
      reject(
        new SiskinError(
          'offline_failed',
          'The service worker does not answer. Load the page again.',
        ),
      );
    }, limit_ms);
    port1.onmessage = ({ data }) => {
      clearTimeout(timer);
      port1.close();
      if (data.error)
        reject(
          new SiskinError(
            'offline_failed',
            `The service worker failed: ${data.error}. What is here stays in use; try again later.`,
          ),
        );
      else resolve(data);
    };
  });
}
