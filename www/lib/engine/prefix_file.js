/**
 * This module writes a prefix as the bytes of a file, and reads it. The file is: 8 bytes
 * "SKPREFIX", the length of the header as u32, the header as JSON in UTF-8 padded with spaces to a
 * multiple of 4, the tokens as u32, the keys and values as f16, and the SHA-256 of all that.
 * Numbers are in little-endian order.
 */
import { SiskinError } from '../errors.js';
import { sha256 } from '../model/sha256.js';

/** @import { PrefixRequest } from '../protocol.js' */

const MAGIC = 'SKPREFIX';
const HASH_BYTES = 32;
/** A longer header is not read: messages of a prefix fill a context at most. */
const MAX_HEADER_BYTES = 16 << 20;

/**
 * A `PrefixHeader` says what a prefix was made of, and for what.
 *
 * @typedef {object} PrefixHeader
 * @property {string} build
 * @property {string} model the model's name
 * @property {string} fingerprint the model file's
 * @property {PrefixRequest} request
 * @property {number} token_count
 */

/** @typedef {{header: PrefixHeader, tokens: Uint32Array, kv: Uint16Array}} PrefixContent */

/**
 * @param {PrefixContent} content
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function encodePrefix({ header, tokens, kv }) {
  let json = JSON.stringify(header);
  let header_bytes = new TextEncoder().encode(json);
  json += ' '.repeat(-header_bytes.length & 3);
  header_bytes = new TextEncoder().encode(json);
  const body_bytes = MAGIC.length + 4 + header_bytes.length + tokens.byteLength + kv.byteLength;
  const file = new Uint8Array(body_bytes + HASH_BYTES);
  file.set(new TextEncoder().encode(MAGIC));
  new DataView(file.buffer).setUint32(MAGIC.length, header_bytes.length, true);
  let at = MAGIC.length + 4;
  for (const part of [header_bytes, bytesOf(tokens), bytesOf(kv)]) {
    file.set(part, at);
    at += part.length;
  }
  const hash = await sha256(file.subarray(0, body_bytes));
  for (let i = 0; i < HASH_BYTES; i++)
    file[body_bytes + i] = parseInt(hash.slice(2 * i, 2 * i + 2), 16);
  return file;
}

/**
 * @param {Uint8Array<ArrayBuffer>} file
 * @returns {Promise<PrefixContent>}
 * @throws {SiskinError} `invalid_argument` for what is no prefix, `integrity` for one that is
 *   damaged
 */
export async function decodePrefix(file) {
  const head = MAGIC.length + 4;
  if (new TextDecoder().decode(file.subarray(0, MAGIC.length)) !== MAGIC)
    throw new SiskinError(
      'invalid_argument',
      'These bytes are no prefix. Give what prefix.save() returned.',
    );
  const body = file.subarray(0, Math.max(0, file.length - HASH_BYTES));
  const hash = Array.from(file.subarray(body.length), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
  if (body.length < head || (await sha256(body)) !== hash) throw damagedError();
  const header_bytes = new DataView(file.buffer, file.byteOffset).getUint32(MAGIC.length, true);
  const end = head + header_bytes;
  if (header_bytes > MAX_HEADER_BYTES || header_bytes % 4 !== 0 || end > body.length)
    throw damagedError();
  const header = parseHeader(new TextDecoder().decode(body.subarray(head, end)));
  const tokens_end = end + 4 * header.token_count;
  if (tokens_end > body.length || (body.length - tokens_end) % 2 !== 0) throw damagedError();
  // Copies, because the views of another type need an aligned beginning.
  return {
    header,
    tokens: new Uint32Array(body.slice(end, tokens_end).buffer),
    kv: new Uint16Array(body.slice(tokens_end).buffer),
  };
}

/**
 * @param {string} json
 * @returns {PrefixHeader}
 */
function parseHeader(json) {
  /** @type {PrefixHeader} */
  let header;
  try {
    header = JSON.parse(json);
  } catch {
    throw damagedError();
  }
  const { build, model, fingerprint, request, token_count } = header ?? {};
  const texts = [build, model, fingerprint].every((text) => typeof text === 'string');
  if (!texts || !Array.isArray(request?.messages) || !(token_count > 0)) throw damagedError();
  return header;
}

/** @param {Uint32Array | Uint16Array} array */
function bytesOf(array) {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function damagedError() {
  return new SiskinError(
    'integrity',
    'The prefix is damaged: its bytes are not those that were saved. Make it again.',
  );
}
