/**
 * This module says whether this machine would run a model, from the file's header alone. It runs in
 * the worker.
 */
import { codeOf, messageOf } from '../errors.js';
import { openModel } from '../model/open_model.js';
import { CHUNK_BYTES } from '../model/record.js';
import { findGpu } from './adapter.js';
import { addAdapters } from './lora.js';
import { startEngine } from './wasm_build.js';

/**
 * @import { CheckMessage, CheckResult, Engine, LoadPlan, UrlSource } from '../protocol.js'
 * @import { WeightSource } from '../protocol.js'
 * @import { Model } from '../model/open_model.js'
 */

/** The engine copies what it is given, so it is given the header in pieces. */
const PUSH_BYTES = 1 << 20;

/**
 * Errors with these codes say nothing about the model or the machine: the check fails with them.
 */
const NO_VERDICT =
  /^(aborted|invalid_argument|network|http_status|file_changed|wasm_failed|version_mismatch)$/;

/**
 * @param {CheckMessage} message
 * @returns {Promise<CheckResult>}
 * @throws {SiskinError} `network`, `http_status`, `file_changed`, `invalid_argument`,
 *   `wasm_failed`, `version_mismatch`
 */
export async function checkModel(message) {
  const { adapter, refusal } = message.backend === 'cpu' ? {} : await findGpu(message.known_gpus);
  const on_gpu = adapter !== undefined && (message.backend === 'gpu' || !refusal);
  /** @type {CheckResult} */
  const result = { ok: true, backend: on_gpu ? 'gpu' : 'cpu', cached: false };
  if (adapter !== undefined) result.adapter = adapter;
  if (refusal)
    Object.assign(result, { gpu_refusal: refusal.message, gpu_refusal_code: refusal.code });
  const refuse = (/** @type {string | undefined} */ code, /** @type {string} */ reason) =>
    Object.assign(result, { ok: false, code, reason });
  try {
    const { module } = await startEngine(1, message);
    const { context_tokens, slots, chat_template } = message;
    const engine = new module.Engine({ context_tokens, slots, chat_template, threads: 1 });
    try {
      await addAdapters(engine, message);
      const source = await openHeader(message.source);
      result.cached = source.cached;
      describe(result, await readPlan(engine, source.chunks), source.size_bytes);
    } finally {
      engine.free();
    }
    if (message.backend === 'gpu' && !on_gpu) refuse('gpu_unavailable', refusal?.message ?? '');
    await checkQuota(message.source, result, refuse);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined || NO_VERDICT.test(code)) throw error;
    refuse(code, messageOf(error));
  }
  return result;
}

/**
 * @param {CheckResult} result
 * @param {LoadPlan} plan
 * @param {number | undefined} size_bytes of the file, as its server says
 */
function describe(result, plan, size_bytes) {
  const { weights_bytes, cache_bytes, step_bytes, adapters_bytes, ...model } = plan;
  result.model = { ...model, size_bytes: size_bytes ?? model.size_bytes };
  result.memory_bytes = weights_bytes + cache_bytes + step_bytes + adapters_bytes;
}

/**
 * Pushes bytes until the header is read. What is wrong with it is thrown.
 *
 * @param {Engine} engine
 * @param {AsyncIterable<Uint8Array>} chunks
 * @returns {Promise<LoadPlan>}
 */
async function readPlan(engine, chunks) {
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += PUSH_BYTES) {
      engine.push(chunk.subarray(at, at + PUSH_BYTES));
      const plan = engine.plan();
      if (plan) return plan;
    }
  await engine.finish();
  throw new Error('a model without a header was loaded');
}

/**
 * @typedef {object} HeaderSource
 * @property {AsyncIterable<Uint8Array>} chunks from the beginning of the file
 * @property {number} [size_bytes]
 * @property {boolean} cached
 */

/**
 * @param {WeightSource} source
 * @returns {Promise<HeaderSource>}
 */
async function openHeader(source) {
  if (source.kind === 'blob')
    return { chunks: blobChunks(source.blob), size_bytes: source.blob.size, cached: false };
  if (source.kind === 'port') throw new Error('a stream cannot be read twice');
  const stored = await openModel(source);
  if (stored.from_cache) {
    const size_bytes = stored.total_bytes ?? undefined;
    return { chunks: fileChunks(stored), size_bytes, cached: true };
  }
  stored.close();
  return { chunks: fetchedChunks(source), cached: false };
}

/** @param {Blob} blob */
async function* blobChunks(blob) {
  for (let at = 0; at < blob.size; at += CHUNK_BYTES)
    yield new Uint8Array(await blob.slice(at, at + CHUNK_BYTES).arrayBuffer());
}

/** @param {Model} file is closed at the end */
async function* fileChunks(file) {
  try {
    for (let at = 0; at < (file.total_bytes ?? 0); at += CHUNK_BYTES)
      yield* file.bytes(at, at + CHUNK_BYTES);
  } finally {
    file.close();
  }
}

/**
 * Fetches a chunk when the one before was not enough, and stores none.
 *
 * @param {UrlSource} source
 */
async function* fetchedChunks(source) {
  const file = await openModel({ ...source, storage: 'memory' });
  try {
    for (let at = 0, is_complete = false; !is_complete; at += CHUNK_BYTES) {
      is_complete = await file.fetchChunk();
      yield* file.bytes(at, at + CHUNK_BYTES);
    }
  } finally {
    file.close();
  }
}

/**
 * @param {WeightSource} source
 * @param {CheckResult} result
 * @param {(code: string, reason: string) => void} refuse
 */
async function checkQuota(source, result, refuse) {
  if (source.kind !== 'url' || source.storage !== 'disk' || result.cached) return;
  const { quota, usage } = (await navigator.storage?.estimate?.()) ?? {};
  if (quota === undefined || usage === undefined) return;
  result.free_bytes = Math.max(0, quota - usage);
  if (source.evict || !result.model || result.model.size_bytes <= result.free_bytes) return;
  refuse(
    'storage_full',
    `The model has ${result.model.size_bytes} bytes, and this site may store ` +
      `${result.free_bytes} more. Remove other models, or load with storage: "memory".`,
  );
}
