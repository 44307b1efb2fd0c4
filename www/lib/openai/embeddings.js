/** This module implements `embeddings.create` in the shape of OpenAI's API. */
import { SiskinError } from '../errors.js';
import { readSignal } from '../chat/arguments.js';
import { readOptions, readRequest } from '../chat/request.js';

/** @import { RequestOptions } from '../chat/completions.js' */
/** @import { Host } from './index.js' */
/** @import { EmbedResult } from '../protocol.js' */

/**
 * @typedef {object} EmbeddingFields
 * @property {string | string[] | number[] | number[][]} input a text, texts, token ids, or several
 *   lists of them; at most 2048 of them
 * @property {string | null} [model] accepted because OpenAI's clients send it; has no effect
 * @property {number | null} [dimensions] only this number of the first values is given, as a vector
 *   of length 1; by default all
 * @property {string | null} [user] has no effect
 * @property {AbortSignal | null} [signal] ends the computing, within about 100 ms
 */

/** @typedef {EmbeddingFields & {encoding_format?: 'float' | null}} EmbeddingRequest */
/** @typedef {EmbeddingFields & {encoding_format?: string | null}} AnyEmbeddingRequest */

/**
 * @template [T=number[]]
 * @typedef {object} Embedding
 * @property {'embedding'} object
 * @property {number} index of the input
 * @property {T} embedding its length is 1. With `encoding_format: 'base64'` the bytes of f32
 */

/**
 * @template [T=number[]]
 * @typedef {object} EmbeddingResponse
 * @property {'list'} object
 * @property {Embedding<T>[]} data
 * @property {string} model
 * @property {{prompt_tokens: number, total_tokens: number}} usage
 */

/**
 * `Embeddings` is the type of `siskin.embeddings`.
 *
 * @typedef {object} Embeddings
 * @property {(
 *   request: EmbeddingRequest,
 *   options?: RequestOptions,
 * ) => Promise<EmbeddingResponse>} create
 */

/** These are the fields of a request. */
const FIELDS = ['input', 'model', 'dimensions', 'encoding_format', 'user', 'signal'];

/** OpenAI's API takes no more. */
const MAX_INPUTS = 2048;

/**
 * @param {Host} host
 * @param {AnyEmbeddingRequest} request
 * @param {RequestOptions} [options]
 * @returns {Promise<EmbeddingResponse<any>>}
 * @throws {SiskinError} `invalid_argument`, `context_full`, `aborted`, `not_loaded`
 */
export async function createEmbeddings(host, request, options) {
  const fields = /** @type {AnyEmbeddingRequest} */ (
    /** @type {unknown} */ (readRequest(request, FIELDS))
  );
  const signal = readSignal(fields.signal) ?? readOptions(options);
  const { dimensions } = fields;
  const inputs = readInputs(fields.input);
  const encode = encoder(fields.encoding_format);
  checkText('user', fields.user);
  if ((dimensions ?? 1) !== Math.max(1, Math.round(Number(dimensions ?? 1))))
    throw invalid(`\`dimensions\` is ${dimensions}; it must be a whole number from 1.`);
  const { client, info } = await host.model(signal);
  /** @type {EmbedResult} */
  const { embeddings, token_counts } = await client.call({ type: 'embed', inputs }, { signal })
    .result;
  const tokens = token_counts.reduce((sum, count) => sum + count, 0);
  return {
    object: 'list',
    data: embeddings.map((embedding, index) => ({
      object: 'embedding',
      index,
      embedding: encode(shorten(embedding, dimensions ?? embedding.length)),
    })),
    model: info.name,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

/**
 * Returns texts or lists of token ids.
 *
 * @param {unknown} input
 * @returns {(string | number[])[]}
 */
function readInputs(input) {
  const inputs = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input];
  if (inputs.length === 0 || inputs.length > MAX_INPUTS)
    throw invalid(`\`input\` has ${inputs.length} inputs; give from 1 to ${MAX_INPUTS}.`);
  const is_several = inputs !== input ? false : true;
  for (const [index, one] of inputs.entries()) {
    const path = is_several ? `input[${index}]` : 'input';
    if (typeof one === 'string') {
      if (one === '') throw invalid(`\`${path}\` is an empty text; give at least one character.`);
    } else if (!Array.isArray(one) || one.length === 0 || !one.every(isId)) {
      throw invalid(
        `\`${path}\` must be a text or token ids; \`input\` is one of these, or an array of them.`,
      );
    }
  }
  return inputs;
}

/** @param {unknown} id */
const isId = (id) => Number.isInteger(id) && Number(id) >= 0 && Number(id) <= 0xffffffff;

/**
 * Returns the first values of an embedding, as a vector of length 1.
 *
 * @param {ArrayLike<number>} embedding
 * @param {number} dimensions
 */
function shorten(embedding, dimensions) {
  if (dimensions > embedding.length)
    throw invalid(
      `\`dimensions\` is ${dimensions}; this model's embeddings have ${embedding.length}.`,
    );
  const first = Array.from(embedding).slice(0, dimensions);
  if (dimensions === embedding.length) return first;
  const length = Math.hypot(...first) || 1;
  return first.map((value) => value / length);
}

/**
 * @param {unknown} format
 * @returns {(embedding: number[]) => number[] | string}
 */
function encoder(format) {
  if (format === undefined || format === null || format === 'float') return (values) => values;
  if (format !== 'base64')
    throw invalid(`\`encoding_format\` is ${JSON.stringify(format)}; it must be float or base64.`);
  return (values) => {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
  };
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function checkText(name, value) {
  if (value !== undefined && value !== null && typeof value !== 'string')
    throw invalid(`\`${name}\` must be a string.`);
}

/** @param {string} message */
function invalid(message) {
  return new SiskinError('invalid_argument', message);
}
