/**
 * This module keeps the extension's settings in chrome.storage.local, each under a key of its own,
 * so that two pages that change two settings at once lose neither.
 *
 * Storage is not trusted: an older version, a damaged profile or another program may have written
 * it. Whatever is read is checked, and what does not pass is its default.
 */

/**
 * `small` and `default` are listed in models.json (`models.js` finds them); `url` is a GGUF file
 * anywhere; `file` is one that was chosen in the options and copied (`chosen_file.js`).
 *
 * @typedef {{kind: 'small'} | {kind: 'default'} | {kind: 'url', url: string} |
 *   {kind: 'file', name: string}} ModelSetting
 */

/**
 * `FallbackSetting` is a server that speaks OpenAI's API: what is written is sent there, so it is
 * off until somebody turns it on.
 *
 * @typedef {object} FallbackSetting
 * @property {boolean} on
 * @property {string} baseURL such as `http://localhost:8080/v1`
 * @property {string} model what the server calls the model
 * @property {string} apiKey may be empty
 * @property {'cached' | 'never'} until `cached`: it answers until the model's weights are on this
 *   device; `never`: for good, and no model is fetched
 */

/**
 * @typedef {object} Settings
 * @property {ModelSetting} model by default `{kind: 'default'}`
 * @property {'auto' | 'gpu' | 'cpu' | 'chrome'} backend where answers are computed; `chrome` is the
 *   browser's own model, where it has one. By default `auto`
 * @property {string[]} offSites hosts such as `example.org`, with all hosts below them, where the
 *   assistant keeps away; by default none
 * @property {string[]} dictionary words that are never corrected; by default none
 * @property {FallbackSetting} fallback by default off
 * @property {'off' | 'on' | 'always'} asYouType whether the sentence at hand is checked;
 *   `always`: also while the battery is low. By default `off`
 * @property {boolean} ready whether the first run is through: until then nothing may be fetched. By
 *   default `false`
 */

/** More entries than these a list has only if something went wrong; they are dropped. */
export const MAX_SITES = 1000;
export const MAX_WORDS = 5000;
/** A word of the dictionary; the longest one of most languages' dictionaries is shorter. */
export const MAX_WORD_LENGTH = 64;
/** Browsers and servers take addresses up to about this length. */
const MAX_URL_LENGTH = 2048;
/** Longer than the longest key that the known servers give out. */
const MAX_KEY_LENGTH = 512;
const MAX_NAME_LENGTH = 256;
/** DNS allows no longer name. */
const MAX_HOST_LENGTH = 253;

const PREFIX = 'settings.';

/** @type {Settings} */
export const DEFAULTS = Object.freeze({
  model: Object.freeze({ kind: 'default' }),
  backend: 'auto',
  offSites: [],
  dictionary: [],
  fallback: Object.freeze({ on: false, baseURL: '', model: '', apiKey: '', until: 'cached' }),
  asYouType: 'off',
  ready: false,
});

/**
 * Each reader returns the value as it may be used, or undefined where it is none.
 *
 * @type {{[Name in keyof Settings]: (value: any) => Settings[Name] | undefined}}
 */
const READERS = {
  model: readModel,
  backend: (value) => oneOf(value, ['auto', 'gpu', 'cpu', 'chrome']),
  offSites: (value) => readList(value, readHost, MAX_SITES),
  dictionary: (value) => readList(value, readWord, MAX_WORDS),
  fallback: readFallback,
  asYouType: (value) => oneOf(value, ['off', 'on', 'always']),
  ready: readBoolean,
};

const NAMES = /** @type {(keyof Settings)[]} */ (Object.keys(READERS));
const KEYS = NAMES.map((name) => PREFIX + name);

/**
 * Returns the settings. A setting that was never written, or that is not what it should be, has its
 * default; where nothing can be read, all have.
 *
 * @returns {Promise<Settings>}
 */
export async function readSettings() {
  const stored = await chrome.storage.local.get(KEYS).catch(() => ({}));
  return settingsOf(stored);
}

/**
 * Writes some of the settings.
 *
 * @param {Partial<Settings>} part
 * @returns {Promise<void>}
 * @throws {TypeError} where a value would not be read back
 */
export async function writeSettings(part) {
  /** @type {Record<string, unknown>} */
  const items = {};
  for (const [name, value] of Object.entries(part)) {
    const read = READERS[/** @type {keyof Settings} */ (name)]?.(/** @type {any} */ (value));
    if (read === undefined) throw new TypeError(`The setting ${name} cannot have this value.`);
    items[PREFIX + name] = read;
  }
  await chrome.storage.local.set(items);
}

/**
 * Calls a listener with all settings, each time that one of them changes on any page.
 *
 * @param {(settings: Settings) => void} listener
 * @returns {() => void} ends it
 */
export function onSettings(listener) {
  let ended = false;
  let last = Promise.resolve();
  const changed = (/** @type {Record<string, unknown>} */ changes, /** @type {string} */ area) => {
    if (area !== 'local' || !KEYS.some((key) => Object.hasOwn(changes, key))) return;
    // One reading after the other, so that the last call has the newest settings.
    last = last.then(async () => {
      const settings = await readSettings();
      if (!ended) listener(settings);
    });
  };
  chrome.storage.onChanged.addListener(changed);
  return () => {
    ended = true;
    chrome.storage.onChanged.removeListener(changed);
  };
}

/**
 * @param {any} stored items of chrome.storage
 * @returns {Settings}
 */
function settingsOf(stored) {
  const values = NAMES.map((name) => {
    const value = Object.hasOwn(stored ?? {}, PREFIX + name) ? stored[PREFIX + name] : undefined;
    return [name, READERS[name](value) ?? structuredClone(DEFAULTS[name])];
  });
  return Object.fromEntries(values);
}

/**
 * Returns whether the assistant keeps away from a page.
 *
 * @param {Pick<Settings, 'offSites'>} settings
 * @param {string} host of the page, such as `mail.example.org`
 * @returns {boolean}
 */
export function isOff({ offSites }, host) {
  const name = readHost(host);
  return offSites.some((site) => name === site || name?.endsWith(`.${site}`));
}

/**
 * Returns the host that a person means who writes `https://www.example.org/page` or `example.org`,
 * in lower case and as DNS has it; undefined where it is none.
 *
 * @param {unknown} value
 * @returns {string | undefined}
 */
export function readHost(value) {
  const text = readText(value, MAX_URL_LENGTH)?.trim();
  if (!text || /\s/.test(text)) return undefined;
  const url = parseUrl(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (!url || !['http:', 'https:'].includes(url.protocol)) return undefined;
  const host = url.hostname.replace(/\.$/, '');
  return host && host.length <= MAX_HOST_LENGTH ? host : undefined;
}

/**
 * Returns a word of the dictionary without the space around it; undefined where it is none.
 *
 * @param {unknown} value
 * @returns {string | undefined}
 */
export function readWord(value) {
  const word = readText(value, MAX_WORD_LENGTH)?.trim().normalize('NFC');
  // A word is looked for as it is, so that control characters and line breaks are of no use.
  return word && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(word) ? word : undefined;
}

/**
 * Returns the address of a GGUF file: https, or http on this machine; undefined where it is none.
 *
 * @param {unknown} value
 * @returns {string | undefined}
 */
export function readModelUrl(value) {
  const url = parseUrl(readText(value, MAX_URL_LENGTH)?.trim() ?? '');
  return url && isPrivate(url) ? url.href : undefined;
}

/**
 * Returns the base URL of an OpenAI-compatible server: https, or http on this machine; undefined
 * where it is none.
 *
 * @param {unknown} value
 * @returns {string | undefined}
 */
export function readBaseUrl(value) {
  const url = parseUrl(readText(value, MAX_URL_LENGTH)?.trim() ?? '');
  if (!url || !isPrivate(url)) return undefined;
  // What a URL holds besides its path is not part of a base: a password belongs into `apiKey`.
  if (url.username || url.password || url.search || url.hash) return undefined;
  return url.href.replace(/\/+$/, '');
}

/**
 * Returns whether nobody on the way can read what is sent to an address. The manifest's policy
 * allows the same addresses.
 *
 * @param {URL} url
 */
function isPrivate(url) {
  const is_local = ['localhost', '127.0.0.1'].includes(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && is_local);
}

/**
 * @param {any} value
 * @returns {ModelSetting | undefined}
 */
function readModel(value) {
  if (value?.kind === 'small' || value?.kind === 'default') return { kind: value.kind };
  if (value?.kind === 'url') {
    const url = readModelUrl(value.url);
    return url === undefined ? undefined : { kind: 'url', url };
  }
  if (value?.kind !== 'file') return undefined;
  const name = readText(value.name, MAX_NAME_LENGTH)?.trim();
  return name ? { kind: 'file', name } : undefined;
}

/**
 * A fallback without a usable server is off.
 *
 * @param {any} value
 * @returns {FallbackSetting | undefined}
 */
function readFallback(value) {
  if (typeof value !== 'object' || value === null) return undefined;
  const baseURL = readBaseUrl(value.baseURL) ?? '';
  const model = readText(value.model, MAX_NAME_LENGTH)?.trim() ?? '';
  const key = readText(value.apiKey, MAX_KEY_LENGTH)?.trim() ?? '';
  return {
    on: value.on === true && baseURL !== '' && model !== '',
    baseURL,
    model,
    // A key is sent in a header, which has no other characters.
    apiKey: /^[\x21-\x7e]*$/.test(key) ? key : '',
    until: oneOf(value.until, ['cached', 'never']) ?? 'cached',
  };
}

/** @param {unknown} value */
function readBoolean(value) {
  return typeof value === 'boolean' ? value : undefined;
}

/**
 * @template {string} T
 * @param {unknown} value
 * @param {T[]} choices
 * @returns {T | undefined}
 */
function oneOf(value, choices) {
  return choices.find((choice) => choice === value);
}

/**
 * @param {unknown} value
 * @param {number} max_length
 */
function readText(value, max_length) {
  return typeof value === 'string' && value.length <= max_length ? value : undefined;
}

/**
 * Returns what is good of a list, each entry once.
 *
 * @param {unknown} value
 * @param {(entry: unknown) => string | undefined} readEntry
 * @param {number} max_entries
 * @returns {string[] | undefined}
 */
function readList(value, readEntry, max_entries) {
  if (!Array.isArray(value)) return undefined;
  const entries = value.slice(0, max_entries).map(readEntry);
  return [...new Set(entries.filter((entry) => entry !== undefined))];
}

/** @param {string} text */
function parseUrl(text) {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
