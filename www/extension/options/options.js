/** This script is the options page. Whatever is changed is kept at once. */
import { announce, byId, element } from '../../demo/dom.js';
import { chromeModelState } from '../chrome_model.js';
import {
  MAX_SITES,
  MAX_WORDS,
  onSettings,
  readHost,
  readSettings,
  readWord,
  writeSettings,
} from '../settings.js';
import { EntryList } from './entry_list.js';
import { ModelSection } from './model_section.js';
import { ServerSection } from './server_section.js';
import { StorageSection } from './storage_section.js';

/** @import { Settings } from '../settings.js' */

/** @param {Partial<Settings>} part */
async function keep(part) {
  try {
    await writeSettings(part);
    announce('Kept.');
  } catch {
    announce('This could not be kept. Reload the page and try again.');
  }
}

const storage = new StorageSection({ onRemoved: () => model.look() });
const model = new ModelSection({ keep, onStored: () => storage.show() });
const server = new ServerSection({ keep });
const sites = new EntryList('sites', {
  read: readHost,
  max: MAX_SITES,
  problem: 'Write a site such as example.org.',
  keep: (offSites) => keep({ offSites }),
});
const words = new EntryList('words', {
  read: readWord,
  max: MAX_WORDS,
  problem: 'Write a word of up to 64 characters.',
  keep: (dictionary) => keep({ dictionary }),
});

const backend = /** @type {HTMLSelectElement} */ (byId('backend'));
backend.addEventListener('change', () => keep({ backend: /** @type {any} */ (backend.value) }));

const as_you_type = /** @type {HTMLSelectElement} */ (byId('as-you-type'));
as_you_type.addEventListener('change', async () => {
  const asYouType = /** @type {Settings['asYouType']} */ (as_you_type.value);
  await keep({ asYouType });
  // Chrome asks only after what a person does.
  if (asYouType !== 'off') await chrome.permissions.request(EVERYWHERE).catch(() => false);
});

/** Chrome keeps this one itself, as a permission. */
const EVERYWHERE = { origins: ['http://*/*', 'https://*/*'] };
const all_pages = /** @type {HTMLInputElement} */ (byId('all-pages'));
all_pages.addEventListener('change', async () => {
  if (all_pages.checked) await chrome.permissions.request(EVERYWHERE).catch(() => false);
  else await chrome.permissions.remove(EVERYWHERE).catch(() => false);
  await showPermission();
});
chrome.permissions.onAdded.addListener(showPermission);
chrome.permissions.onRemoved.addListener(showPermission);

async function showPermission() {
  all_pages.checked = await chrome.permissions.contains(EVERYWHERE);
}

/** @param {Settings} settings */
function show(settings) {
  backend.value = settings.backend;
  as_you_type.value = settings.asYouType;
  sites.show(settings.offSites);
  words.show(settings.dictionary);
  server.show(settings.fallback);
  void model.show(settings.model);
}

/** Shows the shortcuts, which only Chrome's own page can change. */
async function showShortcuts() {
  const commands = await chrome.commands.getAll();
  byId('shortcuts').replaceChildren(
    ...commands
      .filter((/** @type {any} */ { description }) => description)
      .map((/** @type {any} */ { description, shortcut }) =>
        element(
          'li',
          {},
          element('span', {}, description),
          shortcut
            ? element('kbd', {}, shortcut)
            : element('span', { className: 'hint' }, 'not set'),
        ),
      ),
  );
}

/** Offers Chrome's own model where it needs no download. */
async function offerChromeModel() {
  if ((await chromeModelState()) !== 'available') return;
  const option = /** @type {HTMLOptionElement} */ (backend.querySelector('[value=chrome]'));
  option.disabled = false;
  option.textContent = "Chrome's own model";
}

byId('shortcuts-button').addEventListener('click', () =>
  chrome.tabs.create({ url: 'chrome://extensions/shortcuts' }),
);
// Shortcuts may have been changed in another tab.
document.addEventListener('visibilitychange', () => document.hidden || void showShortcuts());
byId('version').textContent = chrome.runtime.getManifest().version;

show(await readSettings());
onSettings(show);
void offerChromeModel();
void showShortcuts();
void showPermission();
void storage.show();
