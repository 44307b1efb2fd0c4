/** The models that the server offers. */
import { element } from './dom.js';
import { formatBytes } from './format.js';

/** @typedef {{id: string, name: string, file: string, size_bytes: number, license?: string}} ListedModel */

/** @returns {Promise<ListedModel[]>} empty where there is no list */
export async function listModels() {
  try {
    const response = await fetch('/models.json');
    return response.ok ? await response.json() : [];
  } catch {
    return [];
  }
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
