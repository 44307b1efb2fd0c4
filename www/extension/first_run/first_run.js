/** This script is the page of the first run: it fetches a model, if it is asked to. */
import { byId } from '../../demo/dom.js';
import { Download, downloadFacts } from '../download.js';
import { modelOf } from '../models.js';
import { readSettings, writeSettings } from '../settings.js';

/** @import { ModelSetting } from '../settings.js' */

const settings = await readSettings();
let setting = settings.model;

const download = new Download(byId('download'), ({ is_running, is_here }) => {
  byId('stay').hidden = !is_running;
  // The engine fetches what is missing of a model that is ready, so it is ready when it is here.
  if (is_here) void writeSettings({ ready: true });
  for (const input of radios()) input.disabled = is_running;
});

/** @returns {NodeListOf<HTMLInputElement>} */
function radios() {
  return document.querySelectorAll('input[name=model]');
}

/** @param {'default' | 'small'} kind */
async function describe(kind) {
  const model = await modelOf({ kind });
  const label = /** @type {HTMLElement} */ (byId(`model-${kind}`).nextElementSibling);
  const [name, about, facts] = label.children;
  name.textContent = model.name;
  about.textContent = model.about;
  facts.textContent = downloadFacts(model);
}

/** @param {ModelSetting} chosen */
async function choose(chosen) {
  setting = chosen;
  check();
  await writeSettings({ model: setting, ready: false });
  await download.show(await modelOf(setting));
}

/** Shows which model is chosen; one of the options is none of these. */
function check() {
  for (const input of radios()) input.checked = input.value === setting.kind;
}

/** Names the shortcuts as they are set. */
async function showShortcuts() {
  const commands = await chrome.commands.getAll();
  const shortcuts = ['correct', 'assist'].map((name) => {
    const { shortcut } = commands.find((/** @type {any} */ it) => it.name === name) ?? {};
    byId(`shortcut-${name}`).textContent = shortcut ?? '';
    return shortcut;
  });
  byId('with-shortcuts').hidden = !shortcuts.every(Boolean);
  byId('without-shortcuts').hidden = shortcuts.every(Boolean);
}

for (const input of radios())
  input.addEventListener('change', () => void choose({ kind: /** @type {any} */ (input.value) }));
check();
await Promise.all([describe('default'), describe('small'), showShortcuts()]);
// The copy of a file may be gone.
const first = await modelOf(setting).catch(() => undefined);
if (first) await download.show(first);
else await choose({ kind: 'default' });
if (settings.fallback.on) {
  const { host } = new URL(settings.fallback.baseURL);
  byId('server').textContent =
    `Until the model is here, ${host} answers in the side panel and at text fields, as you chose ` +
    'in the options: what you ask there is sent to it.';
  byId('server').hidden = false;
}
