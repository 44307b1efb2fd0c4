/** This module is the part of the options that shows what is stored, and removes it. */
import { announce, byId, confirmed, element } from '../../demo/dom.js';
import { formatBytes } from '../../demo/format.js';
import { removeStoredPrefixes, storedPrefixBytes } from '../../lib/model/prefix_store.js';
import { models } from '../../lib/siskin.js';
import { chosenFileBytes, removeChosenFile } from '../chosen_file.js';

/**
 * A `Stored` is a thing that takes room on this device.
 *
 * @typedef {object} Stored
 * @property {string} name
 * @property {string} about
 * @property {number} bytes
 * @property {() => Promise<void>} remove
 */

export class StorageSection {
  #onRemoved;

  /** @param {{onRemoved: () => void}} handlers */
  constructor({ onRemoved }) {
    this.#onRemoved = onRemoved;
  }

  /** Shows what is stored now. */
  async show() {
    const stored = await listStored();
    const bytes = stored.reduce((sum, { bytes }) => sum + bytes, 0);
    const { quota = 0 } = await navigator.storage.estimate();
    const room = quota > 0 ? ` Chrome gives Siskin up to ${formatBytes(quota)}.` : '';
    byId('storage-total').textContent =
      stored.length > 0 ? `Siskin uses ${formatBytes(bytes)}.${room}` : `Nothing is stored.${room}`;
    byId('storage').replaceChildren(
      ...stored.map((thing) => {
        const button = element('button', { type: 'button', className: 'plain' }, 'Remove');
        button.setAttribute('aria-label', `Remove ${thing.name}`);
        button.addEventListener('click', () => void this.#remove(thing));
        return element(
          'li',
          {},
          element(
            'div',
            {},
            thing.name,
            element('small', {}, `${formatBytes(thing.bytes)}, ${thing.about}`),
          ),
          button,
        );
      }),
    );
  }

  /** @param {Stored} thing */
  async #remove({ name, about, remove }) {
    const title = `Remove ${name}?`;
    const text = `${about[0].toUpperCase()}${about.slice(1)}. It can be fetched or made again.`;
    if (!(await confirmed(title, text, 'Remove'))) return;
    await remove().then(
      () => announce(`${name} was removed.`),
      () => announce(`${name} could not be removed.`),
    );
    await this.show();
    this.#onRemoved();
    byId('storage-title').focus();
  }
}

/** @returns {Promise<Stored[]>} */
async function listStored() {
  const [listed, prefix_bytes, file_bytes] = await Promise.all([
    models.list(),
    storedPrefixBytes(),
    chosenFileBytes(),
  ]);
  const stored = listed.map(({ name, url, cache_key, stored_bytes, complete }) => ({
    name,
    about: complete ? `a model from ${hostOf(url)}` : `a part of a model from ${hostOf(url)}`,
    bytes: stored_bytes,
    remove: () => models.remove(url, cache_key === url ? {} : { cacheKey: cache_key }),
  }));
  if (file_bytes > 0)
    stored.push({
      name: 'The file you chose',
      about: 'the copy of a model file',
      bytes: file_bytes,
      remove: removeChosenFile,
    });
  if (prefix_bytes > 0)
    stored.push({
      name: 'Prepared instructions',
      about: 'what makes the first correction quick',
      bytes: prefix_bytes,
      remove: removeStoredPrefixes,
    });
  return stored;
}

/** @param {string} url */
function hostOf(url) {
  return URL.canParse(url) ? new URL(url).host : 'this computer';
}
