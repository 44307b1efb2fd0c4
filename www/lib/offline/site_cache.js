/**
 * This module stores the site's own files. `shell.json`, beside sw.js, lists them with their
 * SHA-256 (scripts/shell.mjs writes it). The listed files are one version: it is fetched completely
 * before any page sees it, and a page and its workers keep their version as long as they live.
 */
import { partialResponse, rangeAsked } from './byte_ranges.js';
import { VERSION_HEADER, VERSION_PARAMETER } from './site_version.js';

/** @import { Scope } from '../service_worker_handlers.js' */
/** @import { SwState } from './sw_state.js' */

/**
 * @typedef {object} SiteManifest
 * @property {string} text
 * @property {string} version
 * @property {Map<string, string>} files SHA-256 by URL
 */

const MANIFEST = 'shell.json';
const MAX_MANIFEST_BYTES = 4 << 20;
/** This many files are fetched in parallel. */
const PARALLEL_FETCHES = 6;
/**
 * The version of a page that the browser does not list is kept for this long: the browser may have
 * frozen the page, and may restore it.
 */
const KEEP_MS = 24 * 60 * 60 * 1000;
/** Pages and workers that are gone are looked for this often. */
const FORGET_INTERVAL_MS = 60 * 60 * 1000;

/** A `SiteCache` holds the versions of the site's files, one cache each. */
export class SiteCache {
  #scope;
  #base;
  #prefix;
  /**
   * The entry `current` holds the version of the next page, and `client ID` the version of a page
   * or worker.
   */
  #state;
  /** @type {Map<string, string>} */
  #versions = new Map();
  /** Holds the URLs of the files of all versions, once they are read. @type {Set<string>} */
  #urls = new Set();
  /** @type {Promise<void> | undefined} */
  #reading;
  #is_read = false;
  #forgot_ms = 0;
  /** @type {string | undefined} */
  #last_worker_version;
  /** @type {Promise<void> | undefined} */
  #updating;

  /**
   * @param {Scope} scope
   * @param {SwState} state
   * @param {string} base the URL of sw.js's folder
   * @param {string} prefix of the names of caches
   */
  constructor(scope, state, base, prefix) {
    this.#scope = scope;
    this.#state = state;
    this.#base = base;
    this.#prefix = `${prefix}shell `;
  }

  /** @returns {Promise<string | undefined>} the version that the next page gets */
  async current() {
    return this.#state.get('current');
  }

  /**
   * Fetches the site's present version, unless it is stored already.
   *
   * @returns {Promise<void>}
   * @throws {Error} where a file cannot be fetched; the stored version stays
   */
  update() {
    this.#updating ??= this.#update().finally(() => (this.#updating = undefined));
    return this.#updating;
  }

  async #update() {
    const response = await fetch(new URL(MANIFEST, this.#base), { cache: 'no-cache' });
    // The site has no list, or has removed it: its pages come from the network.
    if (response.status === 404) {
      await this.#state.delete('current');
      return this.#clean();
    }
    if (!response.ok) throw new Error(`${MANIFEST}: the server answered ${response.status}`);
    const text = await response.text();
    const { version, files } = await parseManifest(text, this.#base);
    const before = await this.#state.get('current');
    if (version === before) return;
    const cache = await caches.open(this.#prefix + version);
    const old = before === undefined ? undefined : await this.#open(before);
    const missing = [...files];
    const fetchMissing = async () => {
      for (let next = missing.pop(); next; next = missing.pop()) {
        const [url, sha256] = next;
        // Files that an interrupted update has left are valid, because each was stored whole.
        if (await cache.match(url)) continue;
        const same =
          old?.manifest.files.get(url) === sha256 ? await old.cache.match(url) : undefined;
        const { body, headers } = same ?? (await fetchFile(url, sha256));
        const named = new Headers(headers);
        named.set(VERSION_HEADER, version);
        await cache.put(url, new Response(body, { headers: named }));
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_FETCHES }, fetchMissing));
    await cache.put(new URL(MANIFEST, this.#base), new Response(text));
    await this.#state.set('current', version);
    await this.#clean(version);
  }

  /** @param {string} version */
  async #open(version) {
    const cache = await caches.open(this.#prefix + version);
    const text = await (await cache.match(new URL(MANIFEST, this.#base)))?.text();
    return text === undefined
      ? undefined
      : { cache, manifest: await parseManifest(text, this.#base) };
  }

  /**
   * Deletes the versions that no page can still ask for.
   *
   * @param {string} [current]
   */
  async #clean(current) {
    const kept = await this.#versionsInUse();
    if (current !== undefined) kept.add(current);
    for (const name of await caches.keys())
      if (name.startsWith(this.#prefix) && !kept.has(name.slice(this.#prefix.length)))
        await caches.delete(name);
    await (this.#reading = this.#readUrls());
  }

  /** Forgets the versions of pages and workers that are gone. */
  async forgetClients() {
    if (Date.now() - this.#forgot_ms < FORGET_INTERVAL_MS) return;
    this.#forgot_ms = Date.now();
    await this.#versionsInUse();
  }

  /**
   * Returns the versions that pages and workers use, and forgets those who are gone.
   *
   * @returns {Promise<Set<string>>}
   */
  async #versionsInUse() {
    const alive = new Set(
      (await this.#scope.clients.matchAll({ includeUncontrolled: true, type: 'all' })).map(
        ({ id }) => id,
      ),
    );
    /** @type {Set<string>} */
    const used = new Set();
    for (const name of await this.#state.names('client ')) {
      const id = name.slice('client '.length);
      const { version, time_ms } = JSON.parse((await this.#state.get(name)) ?? '{}');
      if (alive.has(id) || Date.now() - time_ms < KEEP_MS) {
        used.add(version);
      } else {
        await this.#state.delete(name);
        this.#versions.delete(id);
      }
    }
    return used;
  }

  /**
   * Returns whether a request may be for a file of some version. It is true until the list is read,
   * because a service worker must decide at once what it answers.
   *
   * @param {Request} request
   */
  mayHave(request) {
    if (!this.#reading) this.#reading = this.#readUrls();
    return !this.#is_read || pathsOf(request).some((url) => this.#urls.has(url));
  }

  async #readUrls() {
    /** @type {Set<string>} */
    const urls = new Set();
    try {
      for (const name of await caches.keys())
        if (name.startsWith(this.#prefix))
          for (const { url } of await (await caches.open(name)).keys()) urls.add(url);
    } catch {
      // Where nothing can be read, nothing can be answered.
    }
    urls.delete(new URL(MANIFEST, this.#base).href);
    this.#urls = urls;
    this.#is_read = true;
  }

  /**
   * Returns the version that the page or worker behind a request is served with; a page or worker
   * that starts with this request is assigned its version.
   *
   * @param {{clientId: string, resultingClientId: string, request: Request}} event
   * @returns {Promise<string | undefined>} undefined for one that was loaded from the network
   */
  async versionFor({ clientId, resultingClientId, request }) {
    if (request.mode === 'navigate') {
      const version = await this.current();
      if (version !== undefined && resultingClientId)
        await this.#assign(resultingClientId, version);
      return version;
    }
    // Chromium does not say which worker of a worker sends an import. A thread names its version
    // itself; any other request is of the worker that was started last.
    if (!clientId)
      return (
        new URL(request.url).searchParams.get(VERSION_PARAMETER) ??
        this.#last_worker_version ??
        this.current()
      );
    const version = await this.#versionOf(clientId);
    if (resultingClientId) {
      this.#last_worker_version = version;
      if (version !== undefined) await this.#assign(resultingClientId, version);
    }
    return version;
  }

  /** @param {string} id */
  async #versionOf(id) {
    const known = this.#versions.get(id);
    if (known !== undefined) return known;
    const text = await this.#state.get(`client ${id}`);
    if (text === undefined) return undefined;
    const { version } = JSON.parse(text);
    this.#versions.set(id, version);
    return version;
  }

  /**
   * @param {string} id
   * @param {string} version
   */
  async #assign(id, version) {
    this.#versions.set(id, version);
    await this.#state.set(`client ${id}`, JSON.stringify({ version, time_ms: Date.now() }));
  }

  /**
   * @param {string} version
   * @param {Request} request
   * @returns {Promise<Response | undefined>} undefined for what is no file of the shell
   */
  async find(version, request) {
    const cache = await caches.open(this.#prefix + version);
    /** @type {Response | undefined} */
    let found;
    for (const url of pathsOf(request)) found ??= await cache.match(url);
    if (!found?.ok || !request.headers.has('Range')) return found;
    const blob = await found.blob();
    const range = rangeAsked(request.headers, blob.size);
    return range
      ? partialResponse(found.headers, blob.size, range, blob.slice(range.first, range.end))
      : new Response(blob, { headers: found.headers });
  }
}

/**
 * Returns the URLs of the files that may answer a request, as static hosts resolve it: a folder is
 * its index.html, and `.html` may be left out.
 *
 * @param {Request} request
 * @returns {string[]}
 */
function pathsOf({ url, mode }) {
  const { origin, pathname } = new URL(url);
  const path = origin + pathname;
  if (mode !== 'navigate') return [path];
  return [path, path + (pathname.endsWith('/') ? 'index.html' : '.html')];
}

/**
 * @param {string} text
 * @param {string} base
 * @returns {Promise<SiteManifest>}
 */
async function parseManifest(text, base) {
  if (text.length > MAX_MANIFEST_BYTES)
    throw new Error(`${MANIFEST} is longer than ${MAX_MANIFEST_BYTES} bytes`);
  /** @type {Map<string, string>} */
  const files = new Map();
  for (const [path, sha256] of Object.entries(JSON.parse(text)?.files ?? {})) {
    const url = new URL(path, base);
    if (!url.href.startsWith(base) || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
      throw new Error(`${MANIFEST} has a wrong entry: ${path}`);
    files.set(url.origin + url.pathname, sha256);
  }
  return { text, version: (await sha256Of(new TextEncoder().encode(text))).slice(0, 16), files };
}

/**
 * @param {string} url
 * @param {string} sha256
 * @returns {Promise<Response>}
 */
async function fetchFile(url, sha256) {
  const response = await fetch(url, { cache: 'no-cache' });
  if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
  const bytes = await response.arrayBuffer();
  // The site was changed during the update, or its host rewrites files.
  if ((await sha256Of(bytes)) !== sha256)
    throw new Error(`${url} is not the file that ${MANIFEST} lists`);
  // The response is built anew, because a response that was redirected must not answer a
  // navigation.
  const headers = new Headers(response.headers);
  for (const name of ['Content-Encoding', 'Content-Length']) headers.delete(name);
  headers.set('Content-Length', String(bytes.byteLength));
  return new Response(bytes, { headers });
}

/** @param {BufferSource} bytes */
async function sha256Of(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
