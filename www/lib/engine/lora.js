/** This module gives an engine the LoRA adapters that a model is loaded with. */
import { SiskinError } from '../errors.js';
import { openWeights, pumpWeights } from '../model/weights.js';

/** @import { AdapterSource } from '../model/source.js' */
/** @import { Engine } from '../protocol.js' */

/**
 * Reads each adapter as a model's file is read, verified and stored, and gives it to an engine that
 * waits for its model. The engine is freed if that fails.
 *
 * @param {Engine} engine
 * @param {{adapters?: AdapterSource[]}} options
 * @throws {SiskinError} `invalid_argument`, those of `pumpWeights`, and what may be wrong with an
 *   adapter
 */
export async function addAdapters(engine, { adapters = [] }) {
  try {
    for (const adapter of adapters) await addAdapter(engine, adapter);
  } catch (error) {
    engine.free();
    throw error;
  }
}

/**
 * @param {Engine} engine
 * @param {AdapterSource} adapter
 */
async function addAdapter(engine, { source, scale }) {
  if (!source || source.kind === 'port')
    throw invalid('`adapters[].source` must be a URL, a Request, a File or a Blob.');
  // The engine has floats of 32 bits.
  if (!Number.isFinite(scale) || !Number.isFinite(Math.fround(scale)))
    throw invalid('`adapters[].scale` must be a number.');
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const chunks = [];
  const ignore = () => {};
  const sink = {
    push: (/** @type {Uint8Array} */ bytes) => void chunks.push(bytes.slice()),
    finish: async () => {
      const file = await new Blob(chunks).arrayBuffer();
      engine.add_adapter(new Uint8Array(file), scale);
    },
  };
  await pumpWeights(await openWeights(source, ignore), sink, ignore);
}

/** @param {string} message */
function invalid(message) {
  return new SiskinError('invalid_argument', message);
}
