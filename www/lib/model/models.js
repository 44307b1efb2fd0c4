/** This module lists, prefetches and removes the models on this device. */
import { SiskinError } from '../errors.js';
import { ifUnlocked } from '../storage/locks.js';
import { filesOf, openModel } from './open_model.js';
import { Meter } from './progress.js';
import { folderOf, folderWith, isComplete, partsIn, readRecord, storedBytes } from './record.js';
import { urlSource } from './source.js';
import { requestPersistence } from '../storage/persistence.js';
import { openStore } from '../storage/store.js';

/** @import { LoadProgress } from '../protocol.js' */
/** @import { StoreOptions } from './source.js' */
/** @import { Store } from '../storage/store.js' */

/**
 * @typedef {object} StoredModel
 * @property {string} url what `Siskin.load` was given, without what is secret in it
 * @property {string} cache_key what it was stored under: the option `cacheKey`, else `url`
 * @property {string} name
 * @property {number | null} size_bytes null where that is not known yet
 * @property {number} stored_bytes
 * @property {boolean} complete
 * @property {Date} used when it was last loaded
 */

/**
 * `KeyOptions` find a model by what else it was stored with.
 *
 * @typedef {Pick<StoreOptions, 'cacheKey' | 'sha256'>} KeyOptions
 */

/**
 * @typedef {Omit<StoreOptions, 'storage'> & {
 *   signal?: AbortSignal,
 *   onProgress?: (progress: LoadProgress) => void,
 * }} PrefetchOptions
 */

const PROGRESS_INTERVAL_MS = 100;

/**
 * Returns the models that are stored on this device, whole or in part.
 *
 * @returns {Promise<StoredModel[]>}
 */
async function list() {
  const store = await openStore('disk');
  const models = await Promise.all(
    (await store.folders()).map((folder) => describe(store, folder)),
  );
  return models
    .filter((model) => model !== undefined)
    .sort((a, b) => b.used.getTime() - a.used.getTime());
}

/**
 * @param {Store} store
 * @param {string} folder
 * @returns {Promise<StoredModel | undefined>}
 */
async function describe(store, folder) {
  const record = await readRecord(store, folder);
  if (!record) return undefined;
  const { parts } = await partsIn(store, folder, record);
  const { url, key, name, size_bytes, used_ms } = record;
  return {
    url,
    cache_key: key ?? url,
    name,
    size_bytes,
    stored_bytes: storedBytes(record, parts),
    complete: isComplete(record, parts),
    used: new Date(used_ms),
  };
}

/**
 * Finds the files of a model, whether they are there or not.
 *
 * @param {string | URL | Request} source
 * @param {KeyOptions} [options]
 */
async function find(source, options) {
  const store = await openStore('disk');
  const files = await filesOf(urlSource(source, options));
  return Promise.all(
    files.map(async ({ key, sha256 }) => {
      let folder = await folderOf(key);
      if (sha256 !== undefined && !(await readRecord(store, folder)))
        folder = (await folderWith(store, sha256)) ?? folder;
      return { store, folder, ...(await describe(store, folder)) };
    }),
  );
}

/**
 * Returns whether a whole model is stored, so that it loads without a request.
 *
 * @param {string | URL | Request} source
 * @param {KeyOptions} [options]
 * @returns {Promise<boolean>}
 */
async function has(source, options) {
  return (await find(source, options)).every(({ complete }) => complete);
}

/**
 * Returns how much of a model is stored; without an argument, of all models.
 *
 * @param {string | URL | Request} [source]
 * @param {KeyOptions} [options]
 * @returns {Promise<number>} bytes
 */
async function size(source, options) {
  const files = await (source === undefined ? list() : find(source, options));
  return files.reduce((sum, { stored_bytes = 0 }) => sum + stored_bytes, 0);
}

/**
 * Fetches and stores a model for later.
 *
 * @param {string | URL | Request} source
 * @param {PrefetchOptions} [options] an abort keeps what has arrived
 * @returns {Promise<void>}
 * @throws {SiskinError} `network`, `http_status`, `file_changed`, `integrity`, `manifest`,
 *   `storage_full`, `storage_failed`, `aborted`
 */
async function prefetch(source, options = {}) {
  const { file, report } = await open(source, options);
  const timer = setInterval(report, PROGRESS_INTERVAL_MS);
  try {
    report();
    // Reading the chunks verifies them; the bytes themselves are not used.
    for await (const _ of file.chunks());
    report();
  } finally {
    clearInterval(timer);
    file.close();
  }
}

/**
 * Fetches the next chunk of a model, for callers that pause between two chunks, such as a service
 * worker in its idle time. Does nothing while a tab fetches the same model.
 *
 * @param {string | URL | Request} source
 * @param {PrefetchOptions} [options]
 * @returns {Promise<LoadProgress & {complete: boolean}>}
 * @throws {SiskinError} as `prefetch`
 */
async function prefetchChunk(source, options = {}) {
  const { file, report } = await open(source, options);
  try {
    const complete = await file.fetchChunk();
    return { ...report(), complete };
  } finally {
    file.close();
  }
}

/**
 * Opens a model to be fetched, and returns it with a function that reports its progress.
 *
 * @param {string | URL | Request} source
 * @param {PrefetchOptions} options
 */
async function open(source, { signal, onProgress, ...options }) {
  const described = urlSource(source, options);
  if ((await openStore('disk')).kind === 'memory') {
    throw new SiskinError(
      'storage_failed',
      'This browser keeps nothing here. Serve the page over https, not in a private window.',
    );
  }
  if (options.persist) void requestPersistence();
  const file = await openModel(described, signal);
  const meter = new Meter(file.arrived_bytes);
  const report = () => {
    const { arrived_bytes: loaded_bytes, total_bytes, from_cache } = file;
    const progress = { ...meter.measure({ loaded_bytes, total_bytes }), from_cache };
    onProgress?.(progress);
    return progress;
  };
  return { file, report };
}

/**
 * Removes a model from the device. A model that is loaded keeps working.
 *
 * @param {string | URL | Request} source
 * @param {KeyOptions} [options]
 * @returns {Promise<void>}
 * @throws {SiskinError} `in_use` while it is being fetched
 */
async function remove(source, options) {
  const removed = (await find(source, options)).map(
    ({ store, folder }) =>
      store.kind === 'memory' || ifUnlocked(folder, () => store.remove(folder)),
  );
  if ((await Promise.all(removed)).every(Boolean)) return;
  throw new SiskinError(
    'in_use',
    'The model is being fetched, by this tab or another. Stop that first.',
  );
}

export const models = Object.freeze({ list, has, size, prefetch, prefetchChunk, remove });
