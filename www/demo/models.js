/**
 * This module lists the models that the server offers and those that are stored on this device.
 */
import { models as stored_models } from '../lib/siskin.js';
import { element } from './dom.js';
import { formatBytes } from './format.js';

/** @import { StoredModel } from '../lib/index.js' */

/**
 * A `ListedModel` is an entry of models.json. `url` may be relative to the list; without it the
 * model is beside the list.
 *
 * @typedef {object} ListedModel
 * @property {string} id
 * @property {string} name
 * @property {string} file
 * @property {number} size_bytes
 * @property {string} [sha256]
 * @property {string} [license]
 * @property {string} [url]
 */

// The URL is relative to this file and not to the page, because a site may be in any folder of its
// host.
const LIST = new URL('../models.json', import.meta.url);

/**
 * An `OfferedModel` is a model to choose from; `stored` tells how much of it is on this device.
 *
 * @typedef {object} OfferedModel
 * @property {string} id
 * @property {string} name
 * @property {string} source
 * @property {string} [sha256]
 * @property {string} details
 * @property {StoredModel} [stored]
 */

/**
 * Returns the models of the server's list, followed by the other models on the device.
 *
 * @returns {Promise<OfferedModel[]>}
 */
export async function offeredModels() {
  const [listed, stored] = await Promise.all([listModels(), stored_models.list().catch(() => [])]);
  const offered = listed.map(({ id, name, file, size_bytes, sha256, license, url }) => {
    const source = new URL(url ?? `models/${file}`, LIST).href;
    const details = [formatBytes(size_bytes), license].filter(Boolean).join(', ');
    return { id, name, source, sha256, details, stored: stored.find(({ url }) => url === source) };
  });
  const others = stored.filter(
    ({ url, complete }) => complete && !offered.some(({ source }) => source === url),
  );
  return [
    ...offered,
    ...others.map((stored) => ({
      id: stored.url,
      name: stored.name,
      source: stored.url,
      details: formatBytes(stored.stored_bytes),
      stored,
    })),
  ];
}

/** @returns {Promise<ListedModel[]>} empty where there is no list */
async function listModels() {
  try {
    const response = await fetch(LIST);
    return response.ok ? await response.json() : [];
  } catch {
    return [];
  }
}

/**
 * Returns a radio button for each model, named `model`, or a sentence if there are none.
 *
 * @param {OfferedModel[]} offered
 * @param {string} checked the id of the one that is chosen; else the first is
 * @param {(model: OfferedModel) => void} [onRemove] where models may be removed
 * @returns {HTMLElement[]}
 */
export function modelChoices(offered, checked, onRemove) {
  if (offered.length === 0)
    return [
      element(
        'p',
        { className: 'muted' },
        'This server lists no models. Open a GGUF file or give its address.',
      ),
    ];
  const chosen = offered.find(({ id }) => id === checked) ?? offered[0];
  return offered.map((model) => {
    const input = element('input', {
      type: 'radio',
      name: 'model',
      value: model.id,
      defaultChecked: model === chosen,
    });
    const details = element('small', {}, model.details);
    const label = element(
      'label',
      {},
      input,
      element('span', {}, model.name, element('span', {}, details)),
    );
    const { stored } = model;
    if (!stored || stored.stored_bytes === 0) return element('div', { className: 'model' }, label);
    const share = stored.size_bytes
      ? Math.floor((stored.stored_bytes / stored.size_bytes) * 100)
      : 0;
    details.append(
      ' · ',
      element('strong', {}, stored.complete ? 'on this device' : `${share}% on this device`),
    );
    if (!onRemove) return element('div', { className: 'model' }, label);
    const remove = element('button', { type: 'button', className: 'quiet' }, 'Remove');
    remove.setAttribute('aria-label', `Remove ${model.name} from this device`);
    remove.addEventListener('click', () => onRemove(model));
    return element('div', { className: 'model' }, label, remove);
  });
}
