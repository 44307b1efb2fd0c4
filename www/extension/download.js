/**
 * This module fetches a model for the extension, and shows how far that is. Nothing is fetched
 * before its button is pressed; what has arrived stays, and is not fetched again.
 */
import { canRetry, explain } from '../demo/advice.js';
import { announce, element } from '../demo/dom.js';
import { formatBytes, formatSeconds } from '../demo/format.js';
import { models } from '../lib/siskin.js';

/** @import { LoadProgress } from '../lib/protocol.js' */
/** @import { ExtensionModel } from './models.js' */

/** A `Download` is the part of a page that fetches one model. */
export class Download {
  #state = element('p', { className: 'muted' });
  #bar = element('progress', { max: 1 });
  #bytes = element('span');
  #rate = element('span');
  #figures = element('p', { className: 'figures' }, this.#bytes, this.#rate);
  #error = element('div', { className: 'notice error' });
  #start = element('button', { type: 'button', className: 'primary' });
  #cancel = element('button', { type: 'button', className: 'plain' }, 'Cancel');
  #row = element('div', { className: 'row' }, this.#start, this.#cancel);
  /** @type {ExtensionModel | undefined} */
  #model;
  /** @type {AbortController | undefined} */
  #running;
  #announced = 0;
  #onChange;

  /**
   * @param {HTMLElement} root is filled
   * @param {(state: {is_running: boolean, is_here: boolean}) => void} onChange called when fetching
   *   begins and ends, and when another model is shown
   */
  constructor(root, onChange) {
    this.#onChange = onChange;
    this.#bar.setAttribute('aria-label', 'Download');
    this.#error.setAttribute('role', 'alert');
    this.#start.addEventListener('click', () => void this.#run());
    this.#cancel.addEventListener('click', () => this.#running?.abort());
    root.replaceChildren(this.#state, this.#bar, this.#figures, this.#error, this.#row);
  }

  /** Whether a model is being fetched. */
  get isRunning() {
    return this.#running !== undefined;
  }

  /**
   * Shows a model, and whether it is on this device. A download in progress is stopped.
   *
   * @param {ExtensionModel} model
   */
  async show(model) {
    this.#running?.abort();
    this.#model = model;
    this.#error.hidden = true;
    await this.#look();
  }

  /** Shows what is there of the model. */
  async #look() {
    const model = /** @type {ExtensionModel} */ (this.#model);
    const { name, source, sha256, size_bytes } = model;
    const is_file = typeof source !== 'string';
    const key = { sha256 };
    const [is_here, stored_bytes] = is_file
      ? [true, source.size]
      : await Promise.all([models.has(source, key), models.size(source, key)]);
    if (model !== this.#model || this.#running) return;
    this.#bar.hidden = this.#figures.hidden = this.#cancel.hidden = true;
    this.#start.hidden = is_here;
    this.#row.hidden = is_here;
    const size = size_bytes === undefined ? '' : formatBytes(size_bytes);
    if (is_here)
      this.#state.textContent = `${name} is on this computer, ${formatBytes(stored_bytes)}.`;
    else if (stored_bytes > 0) {
      const part = `${formatBytes(stored_bytes)}${size && ` of ${size}`}`;
      this.#state.textContent = `${part} is here already.`;
      this.#start.textContent = 'Resume the download';
    } else {
      this.#state.textContent = `${name} is not on this computer yet.`;
      this.#start.textContent = size ? `Download ${size}` : 'Download';
    }
    this.#onChange({ is_running: false, is_here });
  }

  async #run() {
    const model = /** @type {ExtensionModel} */ (this.#model);
    if (this.#running || typeof model.source !== 'string') return;
    const controller = new AbortController();
    this.#running = controller;
    this.#error.hidden = this.#start.hidden = true;
    this.#bar.hidden = this.#figures.hidden = this.#cancel.hidden = false;
    this.#bar.removeAttribute('value');
    this.#bytes.textContent = `Asking ${model.host}`;
    this.#rate.textContent = '';
    this.#announced = 0;
    this.#cancel.focus();
    this.#onChange({ is_running: true, is_here: false });
    this.#state.textContent = `Downloading ${model.name}`;
    announce(this.#state.textContent);
    /** @type {unknown} */
    let failure;
    try {
      await models.prefetch(model.source, {
        sha256: model.sha256,
        persist: true,
        signal: controller.signal,
        onProgress: (progress) => this.#progress(progress),
      });
      announce(`${model.name} is on this computer.`);
    } catch (error) {
      if (!controller.signal.aborted) failure = error;
    }
    this.#running = undefined;
    await this.#look();
    if (failure) this.#fail(failure);
    if (!this.#start.hidden) this.#start.focus();
  }

  /** @param {LoadProgress} progress */
  #progress({ loaded_bytes, total_bytes, bytes_per_second }) {
    if (total_bytes === null) {
      this.#bytes.textContent = formatBytes(loaded_bytes);
      return;
    }
    const share = loaded_bytes / total_bytes;
    this.#bar.value = share;
    this.#bytes.textContent = `${formatBytes(loaded_bytes)} of ${formatBytes(total_bytes)}`;
    this.#rate.textContent =
      bytes_per_second > 0 && share < 1
        ? `${formatBytes(bytes_per_second)}/s, ` +
          `${formatSeconds((total_bytes - loaded_bytes) / bytes_per_second)} left`
        : '';
    const percent = Math.floor(share * 100);
    this.#bar.setAttribute('aria-valuetext', `${percent} percent`);
    if (percent < this.#announced + 25 || percent >= 100) return;
    this.#announced = percent;
    announce(`${percent} percent downloaded`);
  }

  /** @param {unknown} error */
  #fail(error) {
    const { code, title, message } = explain(error);
    this.#error.replaceChildren(
      element('strong', {}, title),
      element('p', {}, message),
      element('p', { className: 'muted code' }, 'Code: ', element('code', {}, code)),
    );
    this.#error.hidden = false;
    if (canRetry(code)) this.#start.textContent = 'Try again';
  }
}

/**
 * Says what a download is: how big, from where, and under which licence.
 *
 * @param {ExtensionModel} model
 * @returns {string}
 */
export function downloadFacts({ size_bytes, host, license }) {
  const size = size_bytes === undefined ? 'A file' : formatBytes(size_bytes);
  return [`${size} from ${host}`, license && `${license} licence`].filter(Boolean).join(' · ');
}
