/** This module is the part of the options with the server that may answer. */
import { byId, confirmed } from '../../demo/dom.js';
import { readBaseUrl } from '../settings.js';

/** @import { FallbackSetting, Settings } from '../settings.js' */

export class ServerSection {
  #keep;
  #url = /** @type {HTMLInputElement} */ (byId('server-url'));
  #model = /** @type {HTMLInputElement} */ (byId('server-model'));
  #key = /** @type {HTMLInputElement} */ (byId('server-key'));
  #until = /** @type {HTMLSelectElement} */ (byId('server-until'));

  /** @param {{keep: (part: Partial<Settings>) => Promise<void>}} handlers */
  constructor({ keep }) {
    this.#keep = keep;
    byId('server-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#turnOn();
    });
    byId('server-off').addEventListener('click', () => {
      void this.#keep({ fallback: { ...this.#written(), on: false } });
      this.#url.focus();
    });
    byId('server-form').addEventListener('input', () => this.#complain(''));
  }

  /** @param {FallbackSetting} fallback */
  show({ on, baseURL, model, apiKey, until }) {
    // What somebody is writing stays.
    if (!byId('server-form').contains(document.activeElement) || on) {
      this.#url.value = baseURL;
      this.#model.value = model;
      this.#key.value = apiKey;
      this.#until.value = until;
    }
    byId('server-on').textContent = on ? 'Keep changes' : 'Turn on';
    byId('server-off').hidden = !on;
    byId('server-state').textContent = on ? `On: text is sent to ${new URL(baseURL).host}.` : 'Off';
  }

  /** @returns {Omit<FallbackSetting, 'on'>} */
  #written() {
    return {
      baseURL: readBaseUrl(this.#url.value) ?? '',
      model: this.#model.value.trim(),
      apiKey: this.#key.value.trim(),
      until: /** @type {FallbackSetting['until']} */ (this.#until.value),
    };
  }

  async #turnOn() {
    const written = this.#written();
    if (!written.baseURL)
      return this.#complain(
        'Write an address that begins with https://, or http://localhost for this computer.',
        this.#url,
      );
    if (!written.model)
      return this.#complain('Write what the server calls the model.', this.#model);
    if (!/^[\x21-\x7e]*$/.test(written.apiKey))
      return this.#complain('A key has letters, digits and signs, and no spaces.', this.#key);
    const { host } = new URL(written.baseURL);
    const is_agreed = await confirmed(
      `Send text to ${host}?`,
      'What you have corrected or rephrased and what you ask in the side panel leaves this ' +
        `computer and is sent to ${host}. Whoever runs that server can read it.`,
      'Send it there',
    );
    if (is_agreed) await this.#keep({ fallback: { ...written, on: true } });
  }

  /**
   * @param {string} text
   * @param {HTMLInputElement} [field] the one that is wrong
   */
  #complain(text, field) {
    byId('server-problem').textContent = text;
    for (const input of [this.#url, this.#model, this.#key])
      input.setAttribute('aria-invalid', String(input === field));
    field?.focus();
  }
}
