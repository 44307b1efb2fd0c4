/**
 * This script holds the one engine of the extension. It serves every port that the extension's
 * pages and content scripts open, and closes its document when nobody asked for some minutes.
 */
import { SiskinError, codeOf, messageOf } from '../lib/errors.js';
import { Siskin } from '../lib/siskin.js';
import { LANGUAGES } from '../lib/writing/options.js';
import { prepare } from '../lib/writing/proofread.js';
import { Answerer } from './answers.js';
import { ENGINE_PORT, OTHER_PORT, askWorker, isOurs, isOwnPage } from './messages.js';
import { modelOf } from './models.js';
import { serveOther } from './other_model.js';

/** @import { EngineStatus } from './messages.js' */

/** The engine's memory is given back after this long without a call. */
const IDLE_MS = 5 * 60_000;
/** Every so often is looked whether the engine is idle. */
const WATCH_MS = 10_000;
/** These messages of a client are calls that take a while. */
const CALLS = new Set(['chat', 'score', 'prefix', 'tokenize', 'info']);

/** @type {Promise<Siskin> | undefined} */
let loading;
/** Ports that wait for the model. @type {Set<any>} */
const waiting = new Set();
/** @type {EngineStatus} */
let status = { type: 'status', state: 'loading' };
/** Calls that have not ended, of all ports. */
let open_calls = 0;
let used_ms = performance.now();
/** What the engine was loaded by. */
let loaded_by = '';

/** @param {EngineStatus} value */
function tell(value) {
  status = value;
  for (const port of waiting) post(port, value);
}

/**
 * @param {any} port
 * @param {object} message
 */
function post(port, message) {
  try {
    port.postMessage(message);
  } catch {
    // The other end is gone.
    waiting.delete(port);
  }
}

/** @returns {Promise<Siskin>} */
async function load() {
  const settings = await askWorker({ type: 'settings' });
  loaded_by = JSON.stringify(settings);
  if (!settings.ready)
    throw new SiskinError('not_loaded', 'Siskin has no model yet. Finish the set-up first.');
  const { source, sha256 } = await modelOf(settings.model);
  const siskin = await Siskin.load(source, {
    backend: settings.backend,
    sha256,
    persist: true,
    onProgress: (progress) => tell({ type: 'status', state: 'loading', progress }),
  });
  tell({ type: 'status', state: 'ready' });
  void warm(siskin);
  return siskin;
}

/** Reads the beginning of the corrections' prompt from the device, or computes it once. */
async function warm(/** @type {Siskin} */ siskin) {
  const [tag] = navigator.language.split('-');
  const language = LANGUAGES.find((it) => it === tag) ?? 'en';
  await prepare(siskin, language).catch(() => {});
}

/** @param {any} port */
async function serve(port) {
  waiting.add(port);
  port.onDisconnect.addListener(() => waiting.delete(port));
  post(port, status);
  loading ??= load();
  try {
    const siskin = await loading;
    if (waiting.delete(port)) await siskin.serve(watched(port));
  } catch (error) {
    // The next port tries again.
    loading = undefined;
    tell({
      type: 'status',
      state: 'failed',
      code: String(codeOf(error) ?? 'worker_failed'),
      message: messageOf(error),
    });
    waiting.delete(port);
    status = { type: 'status', state: 'loading' };
  }
}

/**
 * Returns a port that counts the calls which are open.
 *
 * @param {any} port
 */
function watched(port) {
  /** @type {Set<number>} */
  const calls = new Set();
  const end = (/** @type {number} */ id) => {
    if (calls.delete(id)) open_calls -= 1;
    used_ms = performance.now();
  };
  port.onDisconnect.addListener(() => {
    for (const id of calls) end(id);
  });
  return {
    postMessage(/** @type {any} */ message) {
      port.postMessage(message);
      if (message.type === 'done' || message.type === 'failed') end(message.id);
    },
    disconnect: () => port.disconnect(),
    onDisconnect: port.onDisconnect,
    onMessage: {
      addListener: (/** @type {(message: any) => void} */ listener) =>
        port.onMessage.addListener((/** @type {any} */ message) => {
          if (CALLS.has(message?.type) && !calls.has(message.id)) {
            calls.add(message.id);
            open_calls += 1;
          }
          if (message?.type === 'stop') end(message.id);
          listener(message);
        }),
    },
  };
}

/** Asks what answers in the engine's place. */
const answerer = new Answerer({
  settings: () => askWorker({ type: 'answers' }),
  has_engine: false,
});

chrome.runtime.onConnect.addListener((/** @type {any} */ port) => {
  if (!isOurs(port.sender)) return;
  used_ms = performance.now();
  if (port.name === ENGINE_PORT) void serve(port);
  if (port.name !== OTHER_PORT) return;
  open_calls += 1;
  port.onDisconnect.addListener(() => {
    open_calls -= 1;
    used_ms = performance.now();
  });
  serveOther(port, answerer);
});

// Another model or backend was chosen: the next call loads it.
chrome.runtime.onMessage.addListener((/** @type {any} */ message, /** @type {any} */ sender) => {
  if (!isOwnPage(sender) || message?.type !== 'changed' || loaded_by === '') return;
  if (JSON.stringify(message.settings) !== loaded_by) window.close();
});

setInterval(() => {
  const is_idle = open_calls === 0 && waiting.size === 0;
  if (is_idle && performance.now() - used_ms > IDLE_MS) window.close();
}, WATCH_MS);
