/** This module is the message box, with its buttons for send and stop. */
import { byId, element } from '../dom.js';

const SUGGESTIONS = [
  {
    title: 'Correct a sentence',
    prompt: "Correct the grammar: he go to school yesterday and don't had no lunch.",
  },
  {
    title: 'Make it polite',
    prompt: 'Rewrite this so that it sounds friendly: Send me the report today.',
  },
  { title: 'Explain', prompt: 'Explain in three sentences why the sky is blue.' },
  {
    title: 'Write code',
    prompt: 'Write a JavaScript function that reverses the words of a sentence.',
  },
];

export class Composer {
  #prompt = /** @type {HTMLTextAreaElement} */ (byId('prompt'));
  #send = /** @type {HTMLButtonElement} */ (byId('send'));
  #stop = byId('stop');
  #answering = false;

  /**
   * @param {object} handlers
   * @param {(text: string) => void} handlers.onSend
   * @param {() => void} handlers.onStop
   * @param {{title: string, prompt: string}[]} [suggestions] what an empty chat offers
   */
  constructor({ onSend, onStop }, suggestions = SUGGESTIONS) {
    const send = () => {
      const text = this.#prompt.value.trim();
      if (!text || this.#answering) return;
      this.#prompt.value = '';
      this.#resize();
      onSend(text);
    };
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      send();
    });
    this.#prompt.addEventListener('keydown', (event) => {
      // While an input method composes a character, Enter belongs to the input method.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    this.#prompt.addEventListener('input', () => this.#resize());
    this.#stop.addEventListener('click', () => {
      onStop();
      this.#prompt.focus();
    });
    byId('suggestions').append(
      ...suggestions.map(({ title, prompt }) => {
        const button = element(
          'button',
          { type: 'button', className: 'plain' },
          element('strong', {}, title),
          element('span', {}, prompt),
        );
        button.addEventListener('click', () => {
          this.#prompt.value = prompt;
          send();
          this.focus();
        });
        return element('li', {}, button);
      }),
    );
    this.#resize();
  }

  /** Tells whether an answer is being written: the stop button then replaces the send button. */
  set answering(/** @type {boolean} */ value) {
    const had_focus =
      document.activeElement === this.#stop || document.activeElement === this.#send;
    this.#answering = value;
    this.#send.hidden = value;
    this.#stop.hidden = !value;
    if (had_focus) this.focus();
    this.#resize();
  }

  focus() {
    this.#prompt.focus();
  }

  #resize() {
    this.#send.disabled = this.#prompt.value.trim() === '';
    if (CSS.supports('field-sizing', 'content')) return;
    this.#prompt.style.height = 'auto';
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
  }
}
