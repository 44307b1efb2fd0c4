/** This module is the panel for writing: a text, and the writing assistant over it. */
import { byId, element } from '../dom.js';
import { Assistant } from '../vendor/assistant.js';

/** @import { Siskin } from '../../lib/index.js' */
/** @import { ModelSession } from '../model_session.js' */

const EXAMPLE =
  'She have two cats. The keys is on the table, and nobody know why. ' +
  'Please send me the report until Friday.';

export class WritePanel {
  #text = element('textarea', { id: 'write-text', rows: 7, value: EXAMPLE });
  #assistant;

  /** @param {ModelSession} session */
  constructor(session) {
    this.#assistant = new Assistant(document, {
      siskin: () => /** @type {Siskin} */ (session.siskin),
    });
    const label = element('label', { htmlFor: 'write-text' }, 'Text');
    byId('write').append(
      element(
        'form',
        {},
        element('h1', {}, 'Write, and have it corrected'),
        element(
          'p',
          { className: 'lead' },
          'Put the caret into a sentence, or select a text. As a Chrome extension, this assistant ' +
            'works in any field.',
        ),
        element('div', { className: 'stack' }, label, this.#text),
        element(
          'div',
          { className: 'row' },
          this.#button('Correct', 'primary', () => this.#assistant.open('correct')),
          this.#button('Rephrase and more', 'plain', () => this.#assistant.open()),
        ),
      ),
    );
  }

  get text() {
    return this.#text.value;
  }

  /** The panels of tasks have a list of words; this one has none. @returns {string[]} */
  get words() {
    return [];
  }

  focus() {
    this.#text.focus();
  }

  /** Gives up what is being written, and closes the card. */
  stop() {
    this.#assistant.close();
  }

  /**
   * @param {string} label
   * @param {string} className
   * @param {() => void} run
   */
  #button(label, className, run) {
    const button = element('button', { type: 'button', className }, label);
    button.addEventListener('click', () => {
      // The assistant works on what has the focus.
      this.focus();
      run();
    });
    return button;
  }
}
