/** This module is the card that offers models and shows the progress of loading. */
import { models } from '../lib/siskin.js';
import { canRetry } from './advice.js';
import { checkDevice, describeDevice } from './device.js';
import { announce, byId, element } from './dom.js';
import { formatBytes, formatSeconds } from './format.js';
import { modelChoices, offeredModels } from './models.js';
import { fillErrorCard, filePicker } from './page_frame.js';

/** @import { LoadProgress } from '../lib/index.js' */
/** @import { Device } from './device.js' */
/** @import { Choice } from './model_session.js' */
/** @import { OfferedModel } from './models.js' */

export class LoadCard {
  #section = byId('welcome');
  #card = byId('load-card');
  #progress_card = byId('progress-card');
  #error_card = byId('load-error');
  #bar = /** @type {HTMLProgressElement} */ (byId('progress'));
  /** @type {OfferedModel[]} */
  #models = [];
  /** @type {Device | undefined} */
  #device;
  /** @type {Choice | undefined} */
  #last;
  #announced = 0;

  /**
   * @param {object} handlers
   * @param {(choice: Choice) => void} handlers.onChoose
   * @param {() => void} handlers.onCancel
   * @param {() => void} handlers.onBack
   * @param {() => void} handlers.onOther
   */
  constructor({ onChoose, onCancel, onBack, onOther }) {
    this.onChoose = onChoose;
    byId('model-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const model = this.#models.find(({ id }) => id === this.#checked);
      if (model)
        this.choose({ name: model.name, source: model.source, sha256: model.sha256, listed: true });
    });
    filePicker((file) => this.choose({ name: file.name, source: file }));
    byId('url-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const url = /** @type {HTMLInputElement} */ (byId('url-input')).value.trim();
      if (url) this.choose({ name: url.split('/').pop() || url, source: url });
    });
    byId('cancel-button').addEventListener('click', onCancel);
    for (const id of ['back-button', 'error-back-button'])
      byId(id).addEventListener('click', onBack);
    byId('retry-button').addEventListener('click', () => this.#last && this.choose(this.#last));
    byId('choose-button').addEventListener('click', onOther);
  }

  /** @param {Choice} choice */
  choose(choice) {
    this.#last = choice;
    this.onChoose(choice);
  }

  /** Shows the models that the server has and those that are stored on this device. */
  async list() {
    this.#models = await offeredModels();
    const { activeElement } = document;
    const focused = activeElement instanceof HTMLInputElement && activeElement.name === 'model';
    byId('models').replaceChildren(
      ...modelChoices(this.#models, this.#checked, {
        device: this.#device,
        onRemove: (model) => void this.#remove(model),
      }),
    );
    if (focused) this.#focusChosen();
    /** @type {HTMLButtonElement} */ (byId('load-button')).disabled = this.#models.length === 0;
  }

  /** Shows what the device has, and warns of models that may not fit it. */
  async checkDevice() {
    this.#device = await checkDevice();
    byId('device').replaceChildren(
      ...describeDevice(this.#device).map((fact) => element('li', {}, fact)),
    );
    await this.list();
  }

  /** Returns the id of the chosen model. */
  get #checked() {
    return String(new FormData(/** @type {HTMLFormElement} */ (byId('model-form'))).get('model'));
  }

  /** @param {OfferedModel} model */
  async #remove({ name, source }) {
    try {
      await models.remove(source);
      announce(`${name} was removed from this device.`);
    } catch (error) {
      this.fail(error, !byId('back-button').hidden);
      return;
    }
    await this.list();
    this.#focusChosen();
  }

  /** @param {boolean} can_go_back whether a chat is waiting */
  async offer(can_go_back) {
    this.#show(this.#card);
    byId('back-button').hidden = !can_go_back;
    await this.list();
    // Whoever has begun to type an address meanwhile goes on with it.
    if (!this.#card.contains(document.activeElement)) this.#focusChosen();
  }

  #focusChosen() {
    const chosen = this.#card.querySelector('input[name=model]:checked');
    (chosen instanceof HTMLElement ? chosen : byId('file-button')).focus();
  }

  /** @param {string} name */
  begin(name) {
    this.#show(this.#progress_card);
    this.#announced = 0;
    byId('progress-title').textContent = `Loading ${name}`;
    byId('progress-bytes').textContent = 'Starting';
    byId('progress-rate').textContent = '';
    this.#bar.removeAttribute('value');
    this.#bar.removeAttribute('aria-valuetext');
    byId('cancel-button').focus();
    announce(`Loading ${name}`);
  }

  /** @param {LoadProgress} progress */
  progress({ loaded_bytes, total_bytes, bytes_per_second, from_cache }) {
    const speed = from_cache
      ? 'From this device'
      : bytes_per_second > 0
        ? `${formatBytes(bytes_per_second)}/s`
        : '';
    if (total_bytes === null) {
      byId('progress-bytes').textContent = formatBytes(loaded_bytes);
      byId('progress-rate').textContent = speed;
      return;
    }
    const share = loaded_bytes / total_bytes;
    const percent = Math.floor(share * 100);
    const left =
      bytes_per_second > 0 && !from_cache
        ? `${formatSeconds((total_bytes - loaded_bytes) / bytes_per_second)} left`
        : '';
    this.#bar.value = share;
    byId('progress-bytes').textContent =
      `${formatBytes(loaded_bytes)} of ${formatBytes(total_bytes)}`;
    byId('progress-rate').textContent =
      share < 1 ? [speed, left].filter(Boolean).join(', ') : 'Getting ready';
    this.#bar.setAttribute('aria-valuetext', `${percent} percent`);
    if (percent >= this.#announced + 25 && percent < 100) {
      this.#announced = percent;
      announce(`${percent} percent loaded`);
    }
  }

  /**
   * @param {unknown} error
   * @param {boolean} can_go_back whether the model before is still loaded
   */
  fail(error, can_go_back) {
    const code = fillErrorCard('load-error', error);
    this.#show(this.#error_card);
    byId('error-back-button').hidden = !can_go_back;
    const retry = byId('retry-button');
    retry.hidden = !canRetry(code);
    byId('choose-button').className = retry.hidden ? 'primary' : 'plain';
    (retry.hidden ? byId('choose-button') : retry).focus();
  }

  hide() {
    this.#section.hidden = true;
  }

  /** @param {HTMLElement} shown */
  #show(shown) {
    this.#section.hidden = false;
    for (const card of [this.#card, this.#progress_card, this.#error_card])
      card.hidden = card !== shown;
  }
}
