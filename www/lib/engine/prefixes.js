/**
 * This module keeps beginnings of conversations in the engine, saves them and restores them. A
 * prefix is of use only to the model, the build and the chat template that it was made with.
 */
import { BUILD } from '../build.js';
import { SiskinError, messageOf } from '../errors.js';
import { readStoredPrefix, storePrefix } from '../model/prefix_store.js';
import { decodePrefix, encodePrefix } from './prefix_file.js';

/** @import { Engine, ModelInfo, PrefixMessage } from '../protocol.js' */
/** @import { PrefixRequest, PrefixResult } from '../protocol.js' */

/** The beginning that a chat template writes by itself is that of this request. */
const OPENING = { messages: [] };
/** A longer one would hold the first answer up for longer than it saves, and displace others. */
const MAX_OPENING_BYTES = 16 << 20;

/**
 * @typedef {object} PrefixOwner
 * @property {Engine} engine
 * @property {Pick<ModelInfo, 'name' | 'fingerprint' | 'build'>} info
 * @property {boolean} stores whether what has a key may be stored on the device
 * @property {boolean} stores_opening whether the chat template's own beginning may
 */

/**
 * Evaluates a beginning and keeps it. What is stored under `key` is taken instead, if it is of the
 * same messages and undamaged.
 *
 * @param {PrefixOwner} owner
 * @param {Omit<PrefixMessage, 'type' | 'id'>} message
 * @returns {Promise<PrefixResult>}
 */
export async function keepPrefix({ engine, info, stores }, { request, key, save }) {
  if (key !== undefined && stores) {
    const tokens = await restoreStored(info, request, key, (tokens, kv) =>
      engine.restore_prefix(request, tokens, kv),
    );
    if (tokens) return { token_count: tokens.length, restored: true };
  }
  const tokens = await engine.keep_prefix(request);
  /** @type {PrefixResult} */
  const result = { token_count: tokens.length, restored: false };
  if (!save && (key === undefined || !stores)) return result;
  const kv = engine.kept_prefix(tokens);
  if (!kv) return result;
  const bytes = await encode(info, request, tokens, kv);
  if (save) return { ...result, bytes };
  try {
    await storePrefix(/** @type {string} */ (key), info.fingerprint, bytes);
  } catch (error) {
    // The prefix is kept all the same, for this visit.
    console.warn(`Siskin could not store a prefix. ${messageOf(error)}`);
  }
  return result;
}

/**
 * Keeps the beginning that the chat template writes by itself, if it was stored: the first answer
 * then reads only what the user says.
 *
 * @param {PrefixOwner} owner
 * @returns {Promise<boolean>} whether it was restored
 */
export async function restoreOpening({ engine, info, stores_opening }) {
  if (!stores_opening) return false;
  const tokens = await restoreStored(info, OPENING, openingKey(info), (tokens, kv) =>
    engine.restore_opening(tokens, kv),
  );
  return tokens !== undefined;
}

/**
 * Takes that beginning from the conversation that was just answered, if it begins so, for the next
 * visit. What fails is left out.
 *
 * @param {PrefixOwner} owner
 * @returns {Promise<() => Promise<void>>} stores it, for which the engine is not needed
 */
export async function takeOpening({ engine, info, stores_opening }) {
  const nothing = async () => {};
  if (!stores_opening) return nothing;
  try {
    const opening = await engine.opening(MAX_OPENING_BYTES);
    if (!opening) return nothing;
    const [tokens, kv] = opening;
    return async () => {
      const bytes = await encode(info, OPENING, tokens, kv);
      await storePrefix(openingKey(info), info.fingerprint, bytes);
    };
  } catch {
    return nothing;
  }
}

/**
 * Returns the key of that beginning. Relaxed SIMD rounds differently, so each kind of build has its
 * own; the number of threads changes no bit.
 *
 * @param {PrefixOwner['info']} info
 */
function openingKey({ build }) {
  return `siskin.opening.${build.endsWith('simd') ? 'simd' : 'relaxed'}`;
}

/**
 * @param {PrefixOwner['info']} info
 * @param {PrefixRequest} request
 * @param {Uint32Array} tokens
 * @param {Uint16Array} kv
 */
function encode({ name, fingerprint }, request, tokens, kv) {
  const header = { build: BUILD, model: name, fingerprint, request, token_count: tokens.length };
  return encodePrefix({ header, tokens, kv });
}

/**
 * Keeps a prefix that was saved.
 *
 * @param {PrefixOwner} owner
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<{request: PrefixRequest, token_count: number}>}
 * @throws {SiskinError} `prefix_mismatch`, `integrity`, `invalid_argument`, `context_full`
 */
export async function restorePrefix({ engine, info }, bytes) {
  const { header, tokens, kv } = await decodePrefix(bytes);
  const { build, model, fingerprint, request } = header;
  if (fingerprint !== info.fingerprint)
    throw mismatch(
      `it was made with the model "${model}", and the model here is "${info.name}", or has other ` +
        'adapters',
    );
  if (build !== BUILD) throw mismatch('it was made with another build of Siskin');
  if (!engine.restore_prefix(request, tokens, kv))
    throw mismatch('it was made with another chat template');
  return { request, token_count: tokens.length };
}

/**
 * @param {PrefixOwner['info']} info
 * @param {PrefixRequest} request
 * @param {string} key
 * @param {(tokens: Uint32Array, kv: Uint16Array) => boolean} restore
 * @returns {Promise<Uint32Array | undefined>} the tokens; undefined where nothing stored serves
 */
async function restoreStored(info, request, key, restore) {
  try {
    const bytes = await readStoredPrefix(key, info.fingerprint);
    if (!bytes) return undefined;
    const { header, tokens, kv } = await decodePrefix(bytes);
    const is_same =
      header.build === BUILD && JSON.stringify(header.request) === JSON.stringify(request);
    return is_same && restore(tokens, kv) ? tokens : undefined;
  } catch {
    // What cannot be read is made again.
    return undefined;
  }
}

/** @param {string} why */
function mismatch(why) {
  return new SiskinError(
    'prefix_mismatch',
    `The saved prefix does not belong to this model: ${why}. Make it again with siskin.prefix.`,
  );
}
