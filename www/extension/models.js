/** This module finds the model that the settings name: where it comes from, and how big it is. */
import { readChosenFile } from './chosen_file.js';

/** @import { ModelSetting } from './settings.js' */

/**
 * `ListedModel` is an entry of models.json.
 *
 * @typedef {object} ListedModel
 * @property {string} id
 * @property {string} name
 * @property {string} about what it is good for, in a sentence
 * @property {number} size_bytes of the file
 * @property {number} memory_bytes what the engine takes with it
 * @property {string} sha256
 * @property {string} license
 * @property {string} url
 */

/**
 * `ExtensionModel` is a model as `Siskin.load(source, {sha256})` takes it.
 *
 * @typedef {object} ExtensionModel
 * @property {string} name
 * @property {string} about in a sentence; may be empty
 * @property {string | File} source
 * @property {string} [sha256]
 * @property {number} [size_bytes]
 * @property {string} [license]
 * @property {string} host from which it is fetched; empty where it is a file on this device
 */

const LIST = new URL('../models.json', import.meta.url);

/** The ids of models.json that the settings `small` and `default` mean. */
const IDS = { small: 'smollm2-135m-instruct', default: 'qwen2.5-0.5b-instruct' };

/** @type {Promise<ListedModel[]> | undefined} */
let listed;

/** @returns {Promise<ListedModel[]>} */
function listModels() {
  return (listed ??= fetch(LIST).then((response) => response.json()));
}

/**
 * Returns the model that a setting names.
 *
 * @param {ModelSetting} setting
 * @returns {Promise<ExtensionModel>}
 * @throws {Error} where the file that was chosen is gone
 */
export async function modelOf(setting) {
  if (setting.kind === 'url') {
    const { host, pathname } = new URL(setting.url);
    const name = decodeURIComponent(pathname.split('/').pop() ?? '') || host;
    return { name, about: '', source: setting.url, host };
  }
  if (setting.kind === 'file') {
    const source = await readChosenFile();
    return { name: setting.name, about: '', source, size_bytes: source.size, host: '' };
  }
  const model = (await listModels()).find(({ id }) => id === IDS[setting.kind]);
  if (!model) throw new Error(`models.json has no model ${IDS[setting.kind]}.`);
  const { name, about, url, sha256, size_bytes, license } = model;
  return { name, about, source: url, sha256, size_bytes, license, host: new URL(url).host };
}
