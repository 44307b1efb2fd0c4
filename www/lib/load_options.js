/** This module reads the options of `Siskin.load`. */
import { readSignal } from './chat/arguments.js';
import { SiskinError } from './errors.js';
import { describeSource } from './model/source.js';

/** @import { FallbackOptions } from './chat/fallback.js' */
/** @import { AdapterSource, StoreOptions } from './model/source.js' */
/** @import { WorkerPlace } from './parts.js' */
/** @import { CacheType, LoadProgress } from './protocol.js' */

/**
 * @typedef {object} LoadOptions
 * @property {(progress: LoadProgress) => void} [onProgress] called about ten times a second while
 *   the model loads, and once at the end
 * @property {AbortSignal | null} [signal] ends the loading; what has arrived stays for the next one
 * @property {'auto' | 'gpu' | 'cpu'} [backend] where to compute: by default on the graphics card if
 *   that is right and faster, else on the processor
 * @property {number} [threads] how many threads of the processor compute, from 1 to 64, where the
 *   page is cross-origin isolated (elsewhere one does); by default the number of logical cores up
 *   to 4, half of more, 8 at most
 * @property {string} [sha256] what the file at the address must hash to, in hexadecimal: the GGUF
 *   file, or the manifest of one in shards
 * @property {'disk' | 'memory'} [storage] `memory` keeps nothing for the next visit; by default
 *   `disk`
 * @property {boolean} [evict] whether the least recently used models may be removed where the
 *   browser's quota is exceeded; by default `false`
 * @property {boolean} [persist] whether the browser is asked never to clear this site's storage
 *   where the disk runs short; by default `false`. Firefox shows the visitor a prompt
 * @property {string} [cacheKey] what the model is known by on this device, in place of its address:
 *   for a file whose address changes. Signed addresses need none, their signature does not count
 * @property {boolean} [revalidate] whether the server is asked if a stored file has changed; it is
 *   used as it is where there is no network; by default `false`
 * @property {FallbackOptions} [fallback] a server that answers until the model is there. Off by
 *   default: nothing is sent anywhere then
 * @property {boolean} [shared] whether all tabs of this origin that load the same address with the
 *   same options and `shared: true` use one engine, in the memory of one tab. When that tab closes,
 *   another takes over, and answers go on. By default `false`
 * @property {number} [contextTokens] how many tokens prompt and answer may have together, from 1:
 *   by default 4,096, or what the model was trained on if that is less; the memory of the KV cache
 *   grows with it
 * @property {number} [slots] how many conversations keep what was read of them, from 1, the
 *   default, to 8; each takes the memory of a KV cache
 * @property {AdapterOptions[]} [adapters] LoRA adapters that are loaded beside the model, as GGUF
 *   files. A request chooses among them by its `lora`; by default there are none
 * @property {string} [chatTemplate] a Jinja template that takes the place of the file's; by default
 *   the file's own
 * @property {CacheType} [cacheType] how the graphics card keeps keys and values: by default as
 *   `f16`; `q8_0` takes 9/16 of the memory. The processor always uses `f16`
 * @property {string | URL} [workerUrl] where `worker.js` of the package is served, if that is not
 *   beside the page's part; its other files lie beside it
 * @property {() => Worker} [worker] makes the worker that runs `siskin/worker`
 * @property {string | URL} [wasmBaseUrl] the folder where `dist/wasm` of the package is served, if
 *   that is not beside the worker
 */

/**
 * `AdapterOptions` name a LoRA adapter.
 *
 * @typedef {object} AdapterOptions
 * @property {string | URL | Request | Blob} source a GGUF file. What is at an address is stored as
 *   the model is
 * @property {number} [scale] how strong it is where a request does not say; by default 1
 */

/**
 * `EngineOptions` are what the worker is told of the engine.
 *
 * @typedef {object} EngineOptions
 * @property {number} [context_tokens]
 * @property {number} [slots]
 * @property {string} [chat_template]
 * @property {AdapterSource[]} [adapters]
 * @property {CacheType} [cache_type]
 * @property {number} [threads]
 * @property {'auto' | 'gpu' | 'cpu'} backend
 * @property {string} [wasm_base_url]
 */

/**
 * @typedef {object} ReadOptions
 * @property {((progress: LoadProgress) => void) | undefined} onProgress
 * @property {AbortSignal | undefined} signal
 * @property {EngineOptions} engine
 * @property {StoreOptions} store
 * @property {boolean} shared
 * @property {FallbackOptions | undefined} fallback
 * @property {string | undefined} unknown a name that is no option's
 * @property {WorkerPlace} place
 */

/**
 * @param {LoadOptions} options
 * @returns {ReadOptions}
 * @throws {SiskinError} `invalid_argument`
 */
export function readLoadOptions(options) {
  const {
    onProgress,
    signal,
    contextTokens: context_tokens,
    slots,
    adapters,
    chatTemplate: chat_template,
    cacheType: cache_type,
    threads,
    backend = 'auto',
    sha256,
    storage,
    evict,
    persist,
    cacheKey,
    revalidate,
    shared = false,
    fallback,
    workerUrl,
    worker,
    wasmBaseUrl,
    ...unknown
  } = options;
  checkInteger('contextTokens', context_tokens, 0xffffffff);
  checkInteger('slots', slots, 8);
  checkInteger('threads', threads, 64);
  if (chat_template !== undefined && typeof chat_template !== 'string')
    throw invalid('`chatTemplate` must be a string.');
  if (adapters !== undefined && !Array.isArray(adapters))
    throw invalid('`adapters` must be an array.');
  checkChoice('cacheType', cache_type, ['f16', 'q8_0']);
  checkChoice('backend', backend, ['auto', 'gpu', 'cpu']);
  if (typeof shared !== 'boolean') throw invalid('`shared` must be true or false.');
  if (worker !== undefined && typeof worker !== 'function')
    throw invalid('`worker` must be a function that returns a Worker.');
  const wasm_base_url = readUrl('wasmBaseUrl', wasmBaseUrl)?.replace(/\/?$/, '/');
  return {
    onProgress,
    signal: readSignal(signal),
    engine: {
      context_tokens,
      slots,
      chat_template,
      cache_type,
      threads,
      backend,
      wasm_base_url,
      // The worker refuses what is no adapter.
      adapters:
        adapters &&
        Array.from(adapters, (it) => ({
          source: describeSource(it?.source, { storage, evict, revalidate })?.source,
          scale: it.scale ?? 1,
        })),
    },
    store: { sha256, storage, evict, persist, cacheKey, revalidate },
    shared,
    fallback,
    unknown: Object.keys(unknown)[0],
    place: { worker_url: readUrl('workerUrl', workerUrl), worker },
  };
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} max
 */
function checkInteger(name, value, max) {
  if (value === undefined) return;
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= max) return;
  const range = max === 0xffffffff ? 'above 0' : `from 1 to ${max}`;
  throw invalid(`\`${name}\` must be a whole number ${range}.`);
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {string[]} choices
 */
function checkChoice(name, value, choices) {
  if (value === undefined || choices.includes(/** @type {string} */ (value))) return;
  const list = choices.map((choice) => `"${choice}"`).join(' or ');
  throw invalid(`\`${name}\` must be ${list}.`);
}

/**
 * @param {string} name
 * @param {string | URL | undefined} url relative to the page's address
 */
function readUrl(name, url) {
  if (url === undefined) return undefined;
  try {
    return new URL(url, globalThis.document?.baseURI ?? globalThis.location.href).href;
  } catch (cause) {
    throw new SiskinError('invalid_argument', `\`${name}\` is not a URL: "${url}".`, { cause });
  }
}

/** @param {string} message */
function invalid(message) {
  return new SiskinError('invalid_argument', message);
}
