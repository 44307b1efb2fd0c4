// This module runs a model in Node as a page's worker does, with the relaxed build on one thread,
// and offers what proofreading uses of a Siskin.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { Completions } from '../../www/lib/chat/completions.js';

const WASM = new URL('../../pkg/dist/wasm/siskin_relaxed', import.meta.url);
const CHUNK_BYTES = 8 << 20;

/** @import { Model } from '../../www/lib/writing/correct.js' */

/**
 * Loads a model. Node 20 computes relaxed SIMD wrongly in the first of V8's compilers for wasm, so
 * node must have been started with --no-liftoff.
 *
 * @param {string} file
 * @param {number} context_tokens
 * @returns {Promise<Model>}
 */
export async function loadModel(file, context_tokens) {
  if (!process.execArgv.includes('--no-liftoff'))
    throw new Error('Run this with node --no-liftoff, or the sums are wrong.');
  const { default: start, Engine } = await import(`${WASM}.js`);
  const wasm = readFileSync(new URL(`${WASM}_bg.wasm`));
  await start({ module_or_path: await WebAssembly.compile(wasm) });
  const engine = new Engine({ context_tokens, threads: 1 });
  pushFile(engine, file);
  const { name } = await engine.finish();
  const ask = async (request) => {
    engine.start(request);
    // Nobody leaves an answer: `cancel` only comes once it is forgotten, when another may run.
    const next = async () => {
      const event = await engine.next();
      return event && { event, timings: {} };
    };
    return { answer: { next, cancel: () => {} }, model: name, computed: 'local' };
  };
  return {
    chat: { completions: new Completions(ask) },
    prefix: async (messages) => engine.keep_prefix({ messages }),
    tokenize: async (text) => engine.tokenize(text),
    detokenize: async (ids) => engine.detokenize(Uint32Array.from(ids)),
    score: async (ids, { from } = {}) => engine.score(Uint32Array.from(ids), from),
  };
}

function pushFile(engine, file) {
  const opened = openSync(file);
  const chunk = new Uint8Array(CHUNK_BYTES);
  try {
    for (;;) {
      const length = readSync(opened, chunk);
      if (length === 0) return;
      engine.push(chunk.subarray(0, length));
    }
  } finally {
    closeSync(opened);
  }
}
