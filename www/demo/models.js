/**
 * This module lists the models that the server offers and those that are stored on this device.
 */
import { models as stored_models } from '../lib/siskin.js';
import { warning } from './device.js';
import { element } from './dom.js';
import { formatBytes } from './format.js';

/** @import { StoredModel } from '../lib/index.js' */
/** @import { Device } from './device.js' */

/**
 * A `ListedModel` is an entry of models.json. `url` may be relative to the list; without it the
 * model is beside the list.
 *
 * @typedef {object} ListedModel
 * @property {string} id
 * @property {string} name
 * @property {string} [about] what it is good for, in a sentence
 * @property {string} file
 * @property {number} size_bytes
 * @property {number} [memory_bytes] what the engine takes with it
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
 * @property {string} [about]
 * @property {string} details
 * @property {number} [size_bytes]
 * @property {number} [memory_bytes]
 * @property {StoredModel} [stored]
 */

/**
 * Returns the models of the server's list, followed by the other models on the device.
 *
 * @returns {Promise<OfferedModel[]>}
 */
export async function offeredModels() {
  const [listed, stored] = await Promise.all([listModels(), stored_models.list().catch(() => [])]);
  const offered = listed.map(({ file, license, url, ...model }) => {
    const source = new URL(url ?? `models/${file}`, LIST).href;
    const kept = stored.find(({ url }) => url === source);
    const size = formatBytes(model.size_bytes);
    const details = [
      kept?.complete ? size : `${size} to download`,
      model.memory_bytes && `about ${formatBytes(model.memory_bytes)} of memory`,
      license,
    ];
    return { ...model, source, details: details.filter(Boolean).join(' · '), stored: kept };
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

/** @type {Promise<ListedModel[]> | undefined} */
let list;

/**
 * Fetches the list once: a page that has its model makes no more requests.
 *
 * @returns {Promise<ListedModel[]>} empty where there is no list
 */
function listModels() {
  list ??= (async () => {
    try {
      const response = await fetch(LIST);
      return response.ok ? await response.json() : [];
    } catch {
      list = undefined;
      return [];
    }
  })();
  return list;
}

/**
 * Returns the model to offer first: the one that was chosen, else the one on the device that was
 * used last, else the first of the list.
 *
 * @param {OfferedModel[]} offered
 * @param {string} checked the id of the one that is chosen
 */
function preferred(offered, checked) {
  const on_device = offered
    .filter(({ stored }) => stored?.complete)
    .sort((a, b) => Number(b.stored?.used) - Number(a.stored?.used));
  return offered.find(({ id }) => id === checked) ?? on_device[0] ?? offered[0];
}

/**
 * Returns a radio button for each model, named `model`, or a sentence if there are none.
 *
 * @param {OfferedModel[]} offered
 * @param {string} checked the id of the one that is chosen
 * @param {{device?: Device, onRemove?: (model: OfferedModel) => void}} [options] `device` to warn
 *   of models that may not fit, `onRemove` where models may be removed
 * @returns {HTMLElement[]}
 */
export function modelChoices(offered, checked, { device, onRemove } = {}) {
  if (offered.length === 0)
    return [
      element(
        'p',
        { className: 'muted' },
        'This server lists no models. Open a GGUF file or give its address.',
      ),
    ];
  const chosen = preferred(offered, checked);
  return offered.map((model, index) => {
    const { stored } = model;
    const input = element('input', {
      type: 'radio',
      name: 'model',
      id: `model-${index}`,
      value: model.id,
      defaultChecked: model === chosen,
    });
    const label = element('label', { htmlFor: input.id }, element('b', {}, model.name));
    if (model.about) label.append(element('span', {}, model.about));
    const details = element('small', {}, model.details);
    label.append(details);
    const warned = device && warning(device, { ...model, is_stored: stored?.complete ?? false });
    if (warned) label.append(element('small', { className: 'warning' }, warned));
    const choice = element('div', { className: 'model' }, input, label);
    if (!stored || stored.stored_bytes === 0) return choice;
    const share = stored.size_bytes
      ? Math.floor((stored.stored_bytes / stored.size_bytes) * 100)
      : 0;
    details.prepend(
      element('strong', {}, stored.complete ? 'On this device' : `${share}% on this device`),
      ' · ',
    );
    if (!onRemove) return choice;
    const remove = element('button', { type: 'button', className: 'quiet' }, 'Remove');
    remove.setAttribute('aria-label', `Remove ${model.name} from this device`);
    remove.addEventListener('click', () => onRemove(model));
    choice.classList.add('removable');
    choice.append(remove);
    return choice;
  });
}
