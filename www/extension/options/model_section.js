/** This module is the part of the options where the model is chosen, and fetched if missing. */
import { announce, byId } from '../../demo/dom.js';
import { formatBytes } from '../../demo/format.js';
import { keepChosenFile } from '../chosen_file.js';
import { Download, downloadFacts } from '../download.js';
import { modelOf } from '../models.js';
import { readModelUrl } from '../settings.js';

/** @import { ModelSetting, Settings } from '../settings.js' */

export class ModelSection {
  #keep;
  #onStored;
  #download;
  #url = /** @type {HTMLInputElement} */ (byId('url-input'));
  /** What is kept. @type {ModelSetting} */
  #setting = { kind: 'default' };

  /**
   * @param {object} handlers
   * @param {(part: Partial<Settings>) => Promise<void>} handlers.keep
   * @param {() => void} handlers.onStored called when more or less is stored
   */
  constructor({ keep, onStored }) {
    this.#keep = keep;
    this.#onStored = onStored;
    this.#download = new Download(byId('download'), ({ is_running, is_here }) => {
      // What is used may be fetched, so `ready` says that this was done.
      if (!is_running) void this.#keepReady(is_here);
      this.#onStored();
    });
    for (const input of document.querySelectorAll('input[name=model]'))
      input.addEventListener('change', () => this.#choose(/** @type {any} */ (input).value));
    byId('url-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#useUrl();
    });
    this.#url.addEventListener('input', () => (byId('url-problem').textContent = ''));
    const file_input = /** @type {HTMLInputElement} */ (byId('file-input'));
    byId('file-button').addEventListener('click', () => file_input.click());
    file_input.addEventListener('change', () => {
      const [file] = file_input.files ?? [];
      file_input.value = '';
      if (file) void this.#useFile(file);
    });
    for (const kind of /** @type {const} */ (['default', 'small'])) void this.#describe(kind);
  }

  /** @param {'default' | 'small'} kind */
  async #describe(kind) {
    const model = await modelOf({ kind });
    const label = /** @type {HTMLElement} */ (byId(`model-${kind}`).nextElementSibling);
    const [name, about, facts] = label.children;
    name.textContent = model.name;
    about.textContent = model.about;
    facts.textContent = downloadFacts(model);
  }

  /** @param {ModelSetting} setting */
  async show(setting) {
    if (JSON.stringify(setting) === JSON.stringify(this.#setting) && this.#shown) return;
    this.#setting = setting;
    this.#shown = true;
    /** @type {HTMLInputElement} */ (byId(`model-${setting.kind}`)).checked = true;
    if (setting.kind === 'url') this.#url.value = setting.url;
    byId('file-state').textContent = setting.kind === 'file' ? setting.name : '';
    this.#reveal(setting.kind);
    await this.look();
  }

  #shown = false;

  /** Shows what is there of the model. */
  async look() {
    try {
      await this.#download.show(await modelOf(this.#setting));
      byId('download').hidden = this.#setting.kind === 'file';
    } catch {
      byId('download').hidden = true;
      byId('file-problem').textContent = 'The copy of the file is gone. Choose it again.';
      await this.#keepReady(false);
    }
  }

  /** @param {boolean} ready */
  async #keepReady(ready) {
    await this.#keep({ ready });
  }

  /** Shows the fields of a kind of model. @param {string} kind */
  #reveal(kind) {
    byId('url-form').hidden = kind !== 'url';
    byId('file-form').hidden = kind !== 'file';
    byId('download').hidden = kind !== this.#setting.kind || kind === 'file';
  }

  /** @param {ModelSetting['kind']} kind */
  #choose(kind) {
    this.#reveal(kind);
    if (kind === 'default' || kind === 'small') void this.#use({ kind });
    else if (kind === 'url') this.#url.focus();
    else byId('file-button').focus();
  }

  /** @param {ModelSetting} setting */
  async #use(setting) {
    // Nothing is fetched of the new model before it was asked for.
    await this.#keep({ model: setting, ready: false });
    this.#shown = false;
    await this.show(setting);
  }

  #useUrl() {
    const url = readModelUrl(this.#url.value);
    if (url === undefined) {
      byId('url-problem').textContent =
        'Write the address of a GGUF file that begins with https://.';
      return;
    }
    void this.#use({ kind: 'url', url });
  }

  /** @param {File} file */
  async #useFile(file) {
    const state = byId('file-state');
    const button = /** @type {HTMLButtonElement} */ (byId('file-button'));
    byId('file-problem').textContent = '';
    button.disabled = true;
    try {
      await keepChosenFile(file, {
        onProgress: (bytes) =>
          (state.textContent = `Copying, ${Math.floor((100 * bytes) / file.size)}%`),
      });
      await this.#use({ kind: 'file', name: file.name });
      state.textContent = `${file.name}, ${formatBytes(file.size)}`;
      announce(`${file.name} was copied.`);
    } catch (error) {
      state.textContent = '';
      byId('file-problem').textContent =
        /** @type {any} */ (error).name === 'QuotaExceededError'
          ? 'There is no room for a copy of this file.'
          : 'The file could not be read. Choose it again.';
    } finally {
      button.disabled = false;
    }
  }
}
