/** The models that the server offers. */
import { element } from './dom.js';
import { formatBytes } from './format.js';

/** `url` may be relative to the list. @typedef {{id: string, name: string, file: string, size_bytes: number, sha256?: string, license?: string, url?: string}} ListedModel */

// From where this file lies and not the page: a site may have any folder of its host.
const LIST = new URL('../models.json', import.meta.url);

/** @returns {Promise<ListedModel[]>} empty where there is no list */
export async function listModels() {
  try {
    const response = await fetch(LIST);
    return response.ok ? await response.json() : [];
  } catch {
    return [];
  }
}

/**
 * Where a listed model lies: beside the list, if it does not say.
 *
 * @param {ListedModel} model
 * @returns {string}
 */
export function modelUrl({ url, file }) {
  return new URL(url ?? `models/${file}`, LIST).href;
}

/**
 * A radio button for each, named `model`, the first one checked; a sentence where there are none.
 *
 * @param {ListedModel[]} models
 * @returns {HTMLElement[]}
 */
export function modelChoices(models) {
  if (models.length === 0) return [element('p', { className: 'muted' }, 'This server lists no models. Open a GGUF file or give its address.')];
  return models.map((model, index) => {
    const input = element('input', { type: 'radio', name: 'model', value: model.id, defaultChecked: index === 0 });
    const details = [formatBytes(model.size_bytes), model.license].filter(Boolean).join(', ');
    return element('label', { className: 'model' }, input, element('span', {}, model.name, element('span', {}, element('small', {}, details))));
  });
}
