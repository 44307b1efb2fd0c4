/**
 * This module opens the model at an address: a file, or where that is the first of the files that
 * llama.cpp has split a model into, all of them.
 */
import { ModelFile } from './model_file.js';

/** @import { UrlSource } from '../protocol.js' */

/**
 * A `Model` reads a model's bytes.
 *
 * @typedef {ModelFile | import('./split_model.js').SplitModel} Model
 */

/**
 * Returns the sources of a model's files, in order.
 *
 * @param {UrlSource} source
 * @returns {Promise<UrlSource[]>}
 * @throws {SiskinError} `invalid_argument`
 */
export async function filesOf(source) {
  const [, count = ''] = /^[^?]+-00001-of-(\d{5})\.gguf(\?|$)/.exec(source.url) ?? [];
  return count > '00001' ? (await importSplit()).splitSources(source, count) : [source];
}

const importSplit = () => import('./split_model.js');

/**
 * @param {UrlSource} source
 * @param {AbortSignal} [signal] ends everything; what has arrived stays
 * @returns {Promise<Model>} to be closed
 * @throws {SiskinError} `invalid_argument`, `storage_failed`
 */
export async function openModel(source, signal) {
  const sources = await filesOf(source);
  // Where one cannot be opened, the storage is broken, and none can.
  const files = await Promise.all(sources.map((source) => ModelFile.open(source, signal)));
  return files[1] ? new (await importSplit()).SplitModel(sources, files, signal) : files[0];
}
