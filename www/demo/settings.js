/**
 * This module is the panel with the system prompt and the sampling settings, which are kept in
 * localStorage.
 */
import { byId, element } from './dom.js';
import { readItem, writeItem } from './storage.js';

const KEY = 'siskin.settings';

/**
 * @typedef {object} Knob
 * @property {string} name OpenAI's or llama.cpp's name of the setting
 * @property {string} label
 * @property {string} help
 * @property {number} min
 * @property {number} max
 * @property {number} step
 * @property {number} value
 * @property {number} [library_default] what holds where a request does not name the setting
 */

/** @type {Knob[]} */
export const KNOBS = [
  {
    name: 'temperature',
    label: 'Temperature',
    help: 'Higher is more varied, 0 always takes the likeliest word.',
    min: 0,
    max: 2,
    step: 0.05,
    value: 0.7,
    library_default: 0.8,
  },
  {
    name: 'top_p',
    label: 'Top p',
    help: 'Keep the likeliest words that make up this share.',
    min: 0.05,
    max: 1,
    step: 0.05,
    value: 0.8,
    library_default: 0.95,
  },
  {
    name: 'top_k',
    label: 'Top k',
    help: 'Keep this many words at most; 0 keeps all.',
    min: 0,
    max: 100,
    step: 1,
    value: 20,
    library_default: 40,
  },
  {
    name: 'min_p',
    label: 'Min p',
    help: 'Drop words less likely than this share of the best.',
    min: 0,
    max: 0.5,
    step: 0.01,
    value: 0,
    library_default: 0.05,
  },
  {
    name: 'repetition_penalty',
    label: 'Repetition penalty',
    help: 'Above 1 keeps the model from repeating itself.',
    min: 1,
    max: 1.5,
    step: 0.01,
    value: 1.1,
    library_default: 1,
  },
  {
    name: 'max_tokens',
    label: 'Longest answer, in tokens',
    help: 'A token is about three quarters of a word.',
    min: 16,
    max: 2048,
    step: 16,
    value: 512,
  },
];

export class Settings {
  #dialog = /** @type {HTMLDialogElement} */ (byId('settings'));
  #form = /** @type {HTMLFormElement} */ (byId('settings-form'));

  constructor() {
    byId('sampling').append(...KNOBS.map(slider));
    this.#fill(stored());
    this.#form.addEventListener('input', () => {
      this.#show();
      store(this.#values());
    });
    byId('settings-button').addEventListener('click', () => this.#dialog.showModal());
    byId('settings-reset').addEventListener('click', () => {
      this.#fill({});
      store({});
    });
    this.#dialog.addEventListener('click', (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
  }

  /** @returns {string} empty for the model's own */
  get systemPrompt() {
    return this.#values().system.trim();
  }

  /** Returns the fields of a chat request. */
  get request() {
    const { system: _, backend: _backend, ...request } = this.#values();
    return request;
  }

  /** @returns {'auto' | 'gpu' | 'cpu'} where the next model that is loaded computes */
  get backend() {
    return this.#values().backend;
  }

  /** @returns {Record<string, any>} */
  #values() {
    const data = new FormData(this.#form);
    /** @type {Record<string, any>} */
    const values = {
      system: String(data.get('system') ?? ''),
      context_overflow: String(data.get('context_overflow')),
      backend: String(data.get('backend')),
    };
    for (const { name } of KNOBS) values[name] = Number(data.get(name));
    return values;
  }

  /** @param {Record<string, unknown>} values what is absent gets its default */
  #fill(values) {
    this.#form.reset();
    for (const [name, value] of Object.entries(values)) {
      const field = this.#form.elements.namedItem(name);
      if (
        field instanceof HTMLInputElement ||
        field instanceof HTMLTextAreaElement ||
        field instanceof HTMLSelectElement
      )
        field.value = String(value);
    }
    this.#show();
  }

  #show() {
    for (const { name } of KNOBS) {
      const input = byId(name);
      byId(`${name}-value`).textContent = /** @type {HTMLInputElement} */ (input).value;
    }
  }
}

/**
 * @param {Knob} knob
 * @returns {HTMLElement}
 */
function slider({ name, label, help, min, max, step, value }) {
  const input = element('input', {
    type: 'range',
    id: name,
    name,
    min: String(min),
    max: String(max),
    step: String(step),
  });
  input.setAttribute('value', String(value));
  input.setAttribute('aria-describedby', `${name}-help`);
  const output = element('output', { id: `${name}-value` });
  output.setAttribute('for', name);
  return element(
    'div',
    { className: 'slider' },
    element('label', { htmlFor: name }, label),
    output,
    element('small', { id: `${name}-help` }, help),
    input,
  );
}

/** @returns {Record<string, unknown>} */
function stored() {
  try {
    const value = JSON.parse(readItem('local', KEY) ?? '{}');
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** @param {Record<string, unknown>} values */
function store(values) {
  writeItem('local', KEY, JSON.stringify(values));
}
