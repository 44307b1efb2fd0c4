/**
 * This module opens the model at an address: a file, or where that is the first of the files that
 * llama.cpp has split a model into, all of them.
 */
import { ModelFile } from './model_file.js';

/** @import { UrlSource } from '../protocol.js' */

/** A `Model` reads a model's bytes. @typedef {ModelFile | import('./split_model.js').SplitModel} Model */

/**
 * Returns the sources of a model's files, in order.
 *
 * @param {UrlSource} source
 * @returns {Promise<UrlSource[]>}
 * @throws {SiskinError} `invalid_argument`
 */
export async function filesOf(source) {
  const [, digits] = /-00001-of-(\d{5})\.gguf$/.exec(new URL(source.url).pathname) ?? [];
  if (!(Number(digits) > 1)) return [source];
  return (await import('./split_model.js')).splitSources(source, Number(digits));
}

/**
 * @param {UrlSource} source
 * @param {AbortSignal} [signal] ends everything; what has arrived stays
 * @returns {Promise<Model>} to be closed
 * @throws {SiskinError} `invalid_argument`, `storage_failed`
 */
export async function openModel(source, signal) {
  const sources = await filesOf(source);
  if (sources.length === 1) return ModelFile.open(source, signal);
  return (await import('./split_model.js')).SplitModel.open(sources, signal);
}
