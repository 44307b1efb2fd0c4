/** This module lists the loaded model as OpenAI's API lists its models. */
import { SiskinError } from '../errors.js';

/** @import { Host } from './index.js' */
/** @import { ModelInfo } from '../protocol.js' */

/**
 * A `Model` is a model as OpenAI's API describes one.
 *
 * @typedef {object} Model
 * @property {string} id `general.name` of the file
 * @property {'model'} object
 * @property {number} created 0, for a file does not tell
 * @property {string} owned_by `siskin`
 */

/** @typedef {{object: 'list', data: Model[]}} ModelList */

/**
 * `Models` is the type of `siskin.models`: the loaded model, as OpenAI's API describes it.
 *
 * @typedef {object} Models
 * @property {() => Promise<ModelList>} list
 * @property {(id: string) => Promise<Model>} retrieve fails with `invalid_argument` where the
 *   loaded model has another name
 */

/** @param {ModelInfo} info @returns {Model} */
const modelOf = (info) => ({ id: info.name, object: 'model', created: 0, owned_by: 'siskin' });

/**
 * @param {Host} host
 * @returns {Promise<ModelList>}
 */
export async function listModels(host) {
  return { object: 'list', data: [modelOf((await host.model()).info)] };
}

/**
 * @param {Host} host
 * @param {string} id
 * @returns {Promise<Model>}
 */
export async function retrieveModel(host, id) {
  const { info } = await host.model();
  if (id === info.name) return modelOf(info);
  throw new SiskinError(
    'invalid_argument',
    `The \`model\` ${JSON.stringify(id)} is not loaded; the one that is has the name ` +
      `${JSON.stringify(info.name)}.`,
  );
}
