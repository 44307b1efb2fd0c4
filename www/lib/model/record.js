/**
 * This module reads and writes the record of a stored model: where its parts came from, and which
 * hashes they must have.
 */
import { publicAddress } from './address.js';
import { SiskinError, messageOf } from '../errors.js';
import { sha256 } from './sha256.js';

/** @import { Store } from '../storage/store.js' */

/**
 * A chunk is the unit of verification: one SHA-256 is kept for each, and a wrong chunk is fetched
 * again.
 */
export const CHUNK_BYTES = 8 << 20;
/**
 * A chunk is requested and stored in this many parts, in parallel: a browser that is killed loses
 * the bytes of one chunk at most.
 */
export const PARTS_PER_CHUNK = 4;
export const PART_BYTES = CHUNK_BYTES / PARTS_PER_CHUNK;

const NAME = 'record.json';
const VERSION = 1;

/**
 * @typedef {object} ModelRecord
 * @property {number} version
 * @property {string} url that of the model or of its manifest, without what is secret in it
 * @property {string} [key] what the model is known by, where that is not `url`
 * @property {string} name
 * @property {number | null} size_bytes null until the end, where the server does not tell
 * @property {string | null} validator the file's ETag or Last-Modified
 * @property {{url: string, size_bytes: number | null}[]} files on the server, in order; all but the
 *   last are whole chunks
 * @property {(string | null)[]} chunks the SHA-256 of each: the manifest's, else that of what first
 *   arrived
 * @property {(string | null)[]} [checksums] what `checksum` said of each chunk when its SHA-256 was
 *   right, which is quicker to compare at the next visits
 * @property {string | null} sha256 of the model file, once that was compared, or of its manifest
 * @property {string} [expected_sha256] what it will be compared with
 * @property {number} used_ms when it was last loaded
 */

/**
 * Returns the name of a model's folder in the store.
 *
 * @param {string} key
 */
export async function folderOf(key) {
  return (await sha256(new TextEncoder().encode(key))).slice(0, 32);
}

/**
 * Returns the folder of a model with this hash, whatever its address was.
 *
 * @param {Store} store
 * @param {string | undefined} hash
 * @returns {Promise<string | undefined>}
 * @throws {SiskinError} `storage_failed`
 */
export async function folderWith(store, hash) {
  if (hash === undefined) return undefined;
  for (const folder of await store.folders()) {
    const record = await readRecord(store, folder);
    if (record && (record.sha256 ?? record.expected_sha256) === hash) return folder;
  }
  return undefined;
}

/**
 * Returns whether two records are of the same version of a file, as far as the server tells.
 *
 * @param {ModelRecord} a
 * @param {ModelRecord} b
 */
export function isSameVersion(a, b) {
  return a.size_bytes === b.size_bytes && a.validator === b.validator;
}

/**
 * Adds what is known of the chunks of the same version to a record.
 *
 * @param {ModelRecord} record
 * @param {ModelRecord} known
 */
export function addHashes(record, known) {
  const { checksums } = record;
  record.chunks = record.chunks.map((hash, chunk) => hash ?? known.chunks[chunk] ?? null);
  record.checksums = record.chunks.map((_, i) => checksums?.[i] ?? known.checksums?.[i] ?? null);
}

/**
 * @param {string} url its secrets are left out
 * @param {Partial<ModelRecord>} fields
 * @returns {ModelRecord}
 */
export function newRecord(url, fields) {
  url = publicAddress(url);
  const name = decoded(new URL(url).pathname.split('/').pop() ?? '');
  return {
    version: VERSION,
    url,
    name,
    size_bytes: null,
    validator: null,
    files: [{ url, size_bytes: fields.size_bytes ?? null }],
    chunks: [],
    sha256: null,
    used_ms: Date.now(),
    ...fields,
  };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * @param {Store} store
 * @param {string} folder
 * @returns {Promise<ModelRecord | undefined>} undefined where there is none, or one of another
 *   version
 * @throws {SiskinError} `storage_failed`
 */
export async function readRecord(store, folder) {
  const bytes = await orFailed(() => store.read(folder, [NAME]));
  try {
    const record = JSON.parse(new TextDecoder().decode(bytes));
    return record?.version === VERSION ? record : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Store} store
 * @param {string} folder
 * @param {ModelRecord} record
 */
export async function writeRecord(store, folder, record) {
  await store.write(folder, NAME, new TextEncoder().encode(JSON.stringify(record)));
}

/**
 * Returns the numbers of the parts that are stored completely, and the names of all other files but
 * the record.
 *
 * @param {Store} store
 * @param {string} folder
 * @param {ModelRecord} record
 * @throws {SiskinError} `storage_failed`
 */
export async function partsIn(store, folder, record) {
  /** @type {Set<number>} */
  const parts = new Set();
  const stray_files = [];
  for (const [name, size] of await orFailed(() => store.files(folder))) {
    const part = /^\d+$/.test(name) ? Number(name) : Infinity;
    if (part < partCount(record) && size === partBytes(record, part)) parts.add(part);
    else if (name !== NAME) stray_files.push(name);
  }
  return { parts, stray_files };
}

/**
 * @template T
 * @param {() => Promise<T>} read
 * @returns {Promise<T>}
 * @throws {SiskinError} `storage_failed`
 */
async function orFailed(read) {
  try {
    return await read();
  } catch (cause) {
    throw new SiskinError(
      'storage_failed',
      `The browser's storage cannot be read (${messageOf(cause)}). Reload the page, or load ` +
        "with storage: 'memory'.",
      { cause },
    );
  }
}

/** @param {ModelRecord} record */
export function partCount({ size_bytes }) {
  return size_bytes === null ? Infinity : Math.ceil(size_bytes / PART_BYTES);
}

/**
 * @param {ModelRecord} record
 * @param {number} part
 */
export function partBytes({ size_bytes }, part) {
  return size_bytes === null ? PART_BYTES : Math.min(PART_BYTES, size_bytes - part * PART_BYTES);
}

/**
 * @param {ModelRecord} record
 * @param {Set<number>} parts
 */
export function isComplete(record, parts) {
  return record.size_bytes !== null && parts.size >= partCount(record);
}

/**
 * Returns the numbers of a chunk's parts.
 *
 * @param {ModelRecord | undefined} record
 * @param {number} chunk
 */
export function partsOfChunk(record, chunk) {
  const first = chunk * PARTS_PER_CHUNK;
  const end = Math.min(first + PARTS_PER_CHUNK, record ? partCount(record) : Infinity);
  return Array.from({ length: end - first }, (_, i) => first + i);
}

/**
 * @param {ModelRecord} record
 * @param {Iterable<number>} parts
 */
export function storedBytes(record, parts) {
  let sum = 0;
  for (const part of parts) sum += partBytes(record, part);
  return sum;
}
