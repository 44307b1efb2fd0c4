/** This module reads the manifest of a model in shards, which `siskin shard` writes. */
import { SiskinError } from '../errors.js';
import { CHUNK_BYTES, newRecord } from './record.js';
import { NO_STORE, readBody, request } from './request.js';
import { FIRST_REQUEST, retry } from './retry.js';
import { sha256 } from './sha256.js';

/** @import { ModelRecord } from './record.js' */

/**
 * @typedef {object} ModelManifest
 * @property {1} siskin_manifest the version
 * @property {string} name
 * @property {string} architecture
 * @property {string} file_type
 * @property {number} parameter_count
 * @property {number} context_tokens that the model was trained on
 * @property {string} [license]
 * @property {number} size_bytes
 * @property {string} sha256 of the whole file
 * @property {number} chunk_bytes
 * @property {string[]} chunks the SHA-256 of each
 * @property {{file: string, size_bytes: number, sha256: string}[]} shards in order
 */

/** No manifest of a model that fits a tab is longer than this. */
const MAX_MANIFEST_BYTES = 4 << 20;

/**
 * @param {string} url
 * @returns {boolean} whether a manifest is expected there
 */
export function isManifest(url) {
  return new URL(url).pathname.endsWith('.json');
}

/**
 * @param {object} source
 * @param {string} source.url
 * @param {RequestInit} source.init
 * @param {string} [source.sha256] that it must have
 * @param {AbortSignal} signal
 * @returns {Promise<ModelRecord>}
 * @throws {SiskinError} `network`, `http_status`, `integrity`, `manifest`, `aborted`
 */
export async function fetchManifest({ url, init, sha256: pin }, signal) {
  const bytes = await retry(
    async () => {
      const response = await request(url, { ...NO_STORE, ...init }, { signal });
      /** @type {Uint8Array<ArrayBuffer>[]} */
      const pieces = [];
      let length = 0;
      for await (const piece of readBody(response, signal)) {
        pieces.push(piece.slice());
        length += piece.length;
        if (length > MAX_MANIFEST_BYTES)
          throw new SiskinError(
            'manifest',
            `What lies at ${url} is too long for a manifest. Give the address of one, or of a ` +
              'GGUF file.',
          );
      }
      return new Uint8Array(await new Blob(pieces).arrayBuffer());
    },
    { plan: FIRST_REQUEST, signal },
  );
  const hash = await sha256(bytes);
  if (pin !== undefined && hash !== pin)
    throw new SiskinError(
      'integrity',
      `The manifest at ${url} is not the one that was asked for: its SHA-256 is ${hash}. ` +
        'Check the address and the hash.',
    );
  return recordOf(url, new TextDecoder().decode(bytes), hash);
}

/**
 * Parses a manifest. Its content is not trusted.
 *
 * @param {string} url of the manifest; the shards lie beside it
 * @param {string} text
 * @param {string} sha256 its own
 * @returns {ModelRecord}
 * @throws {SiskinError} `manifest`
 */
export function recordOf(url, text, sha256) {
  const malformed = (/** @type {string} */ what) =>
    new SiskinError(
      'manifest',
      `The manifest at ${url} ${what}. Write it again with siskin shard, and upload the ` +
        'whole folder.',
    );
  /** @type {ModelManifest} */
  let manifest;
  try {
    manifest = JSON.parse(text);
  } catch {
    throw malformed('is not JSON');
  }
  if (manifest?.siskin_manifest !== 1) throw malformed('is not one of version 1');
  const { name, size_bytes, chunk_bytes, chunks, shards } = manifest;
  if (chunk_bytes !== CHUNK_BYTES) throw malformed('has chunks of another size');
  if (
    !isCount(size_bytes) ||
    !Array.isArray(chunks) ||
    chunks.length !== Math.ceil(size_bytes / CHUNK_BYTES)
  )
    throw malformed('has too few chunks, or too many');
  if (!chunks.every((chunk) => typeof chunk === 'string' && /^[0-9a-f]{64}$/.test(chunk)))
    throw malformed('holds what is no SHA-256');
  if (!Array.isArray(shards) || shards.length === 0) throw malformed('lists no shards');
  let end = 0;
  const files = shards.map((shard) => {
    if (end % CHUNK_BYTES || !isCount(shard?.size_bytes))
      throw malformed('has a shard of an impossible size');
    // Shards may lie beside the manifest and nowhere else.
    if (typeof shard.file !== 'string' || !/^[\w-][\w.-]*$/.test(shard.file))
      throw malformed('names a shard that is not beside it');
    end += shard.size_bytes;
    return { url: new URL(shard.file, url).href, size_bytes: shard.size_bytes };
  });
  if (end !== size_bytes) throw malformed('has shards that do not make up the whole');
  return newRecord(url, {
    size_bytes,
    files,
    chunks,
    sha256,
    ...(typeof name === 'string' && name ? { name } : {}),
  });
}

/** @param {unknown} value */
function isCount(value) {
  return Number.isSafeInteger(value) && /** @type {number} */ (value) > 0;
}
