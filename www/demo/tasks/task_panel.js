/**
 * This module is what the panels with tasks share: a form with a text and perhaps a list of words,
 * one run at a time, and where the result or the error is shown.
 */
import { explain } from '../advice.js';
import { announce, byId, element } from '../dom.js';

/**
 * @typedef {object} Task
 * @property {string} name of the panel, and the beginning of its elements' ids
 * @property {string} title
 * @property {string} lead what happens, in a sentence or two
 * @property {string} [words_label] what the list of words is; without it there is none
 * @property {string[]} [words] to begin with
 * @property {string} action what the button says
 * @property {string[]} examples texts to begin with
 * @property {number} [text_rows] the height of the text in lines, by default 4
 * @property {number} [least] how many words the list needs
 * @property {string} [missing] what to say where the list has too few words
 * @property {(text: string, words: string[], signal: AbortSignal) => Promise<Node[]>} run returns
 *   the result's nodes
 */

export class TaskPanel {
  #task;
  #text;
  #words;
  #run_button;
  #stop_button;
  #result = element('div', { className: 'result' });
  #next_example = 0;
  /** @type {AbortController | undefined} */
  #running;

  /** @param {Task} task */
  constructor(task) {
    const { name, title, lead, words_label, words = [], action, text_rows = 4 } = task;
    this.#task = task;
    this.#text = element('textarea', { id: `${name}-text`, rows: text_rows });
    this.#words = element('input', {
      id: `${name}-words`,
      type: 'text',
      value: words.join(', '),
      autocomplete: 'off',
    });
    this.#run_button = element('button', { className: 'primary', type: 'submit' }, action);
    this.#stop_button = element(
      'button',
      { className: 'primary', type: 'button', hidden: true, onclick: () => this.stop() },
      'Stop',
    );
    this.#result.setAttribute('role', 'status');
    const form = element(
      'form',
      {},
      element('h1', {}, title),
      element('p', { className: 'lead' }, lead),
      field('Text', this.#text),
      ...(words_label ? [field(words_label, this.#words)] : []),
      element(
        'div',
        { className: 'row' },
        this.#run_button,
        this.#stop_button,
        element(
          'button',
          { className: 'plain', type: 'button', onclick: () => this.#example() },
          'Another example',
        ),
      ),
      this.#result,
    );
    byId(name).append(form);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#run();
    });
    this.#text.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      void this.#run();
    });
    this.#example();
  }

  get text() {
    return this.#text.value.trim();
  }

  get words() {
    const words = this.#words.value.split(',').map((word) => word.trim());
    return [...new Set(words)].filter((word) => word !== '');
  }

  focus() {
    this.#text.focus();
  }

  stop() {
    this.#running?.abort();
  }

  #example() {
    const { examples } = this.#task;
    this.#text.value = examples[this.#next_example];
    this.#next_example = (this.#next_example + 1) % examples.length;
    this.#result.replaceChildren();
  }

  async #run() {
    const { text, words } = this;
    if (this.#running) return;
    const { least = 0, missing = '', run } = this.#task;
    if (!text) return this.#complain(this.#text, 'Write or paste a text first.');
    if (words.length < least) return this.#complain(this.#words, missing);
    const controller = new AbortController();
    this.#running = controller;
    this.#busy(true);
    const start_ms = performance.now();
    try {
      const nodes = await run(text, words, controller.signal);
      const seconds = ((performance.now() - start_ms) / 1000).toFixed(1);
      const note = element('p', { className: 'muted note' }, `${seconds} s on this device`);
      this.#result.replaceChildren(...nodes, note);
    } catch (error) {
      if (!controller.signal.aborted) this.#fail(error);
      else announce('Stopped.');
    }
    this.#running = undefined;
    this.#busy(false);
  }

  /** @param {boolean} is_busy */
  #busy(is_busy) {
    const [shown, hidden] = is_busy
      ? [this.#stop_button, this.#run_button]
      : [this.#run_button, this.#stop_button];
    const had_focus = document.activeElement === hidden;
    shown.hidden = false;
    hidden.hidden = true;
    if (had_focus) shown.focus();
    this.#result.setAttribute('aria-busy', String(is_busy));
    if (is_busy) {
      const note = element('p', { className: 'muted working' }, 'The model reads the text');
      this.#result.replaceChildren(note);
    } else if (this.#result.querySelector('.working')) {
      this.#result.replaceChildren();
    }
  }

  /**
   * @param {HTMLElement} field
   * @param {string} message
   */
  #complain(field, message) {
    this.#result.replaceChildren(element('p', { className: 'muted' }, message));
    field.focus();
  }

  /** @param {unknown} error */
  #fail(error) {
    const { code, title, message } = explain(error);
    const box = element(
      'div',
      { className: 'card error' },
      element('h2', {}, title),
      element('p', {}, message),
      element('p', { className: 'muted code' }, 'Code: ', element('code', {}, code)),
    );
    this.#result.replaceChildren(box);
  }
}

/**
 * @param {string} label
 * @param {HTMLElement} control
 */
function field(label, control) {
  return element('label', { className: 'stack', htmlFor: control.id }, label, control);
}
