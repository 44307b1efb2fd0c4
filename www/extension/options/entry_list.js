/** This module is a list of sites or words, to which one adds and of which one removes. */
import { byId, element, icon } from '../../demo/dom.js';

export class EntryList {
  #list;
  #input;
  #problem;
  #options;
  /** @type {string[]} */
  #entries = [];

  /**
   * @param {string} name of the list; the ids of its parts begin with it
   * @param {object} options
   * @param {(text: string) => string | undefined} options.read returns the entry that was written
   * @param {number} options.max how many entries it may have
   * @param {string} options.problem what is said where nothing was read
   * @param {(entries: string[]) => Promise<void>} options.keep
   */
  constructor(name, options) {
    this.#options = options;
    this.#list = byId(name);
    this.#input = /** @type {HTMLInputElement} */ (byId(`${name}-input`));
    this.#problem = byId(`${name}-problem`);
    byId(`${name}-form`).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#add();
    });
    this.#input.addEventListener('input', () => this.#complain(''));
  }

  /** @param {string[]} entries */
  show(entries) {
    if (entries.join('\n') === this.#entries.join('\n')) return;
    this.#entries = entries;
    this.#list.replaceChildren(
      ...entries.map((entry) => {
        const remove = element(
          'button',
          { type: 'button', className: 'quiet square' },
          icon('close'),
        );
        remove.setAttribute('aria-label', `Remove ${entry}`);
        remove.addEventListener('click', () => {
          this.#change(this.#entries.filter((other) => other !== entry));
          this.#input.focus();
        });
        return element('li', {}, entry, remove);
      }),
    );
  }

  #add() {
    const entry = this.#options.read(this.#input.value);
    if (entry === undefined) return this.#complain(this.#options.problem);
    if (this.#entries.length >= this.#options.max && !this.#entries.includes(entry))
      return this.#complain(`There is room for ${this.#options.max}. Remove one first.`);
    this.#input.value = '';
    this.#complain('');
    this.#change([...new Set([...this.#entries, entry])]);
  }

  /** @param {string[]} entries */
  #change(entries) {
    this.show(entries);
    void this.#options.keep(entries);
  }

  /** @param {string} text */
  #complain(text) {
    this.#problem.textContent = text;
    this.#input.setAttribute('aria-invalid', String(text !== ''));
  }
}
