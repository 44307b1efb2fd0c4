/**
 * The background worker only passes on: the context menu and the shortcuts to the page, and
 * requests for the engine to its document. Chrome ends it when it is idle, so it keeps nothing.
 */
import { isOurs, isOwnPage } from './messages.js';
import { isOff, onSettings, readSettings } from './settings.js';

/** The items of the context menu, by the actions of the card. */
const MENU = [
  ['correct', 'Correct'],
  ['improve', 'Rephrase'],
  ['formal', 'Rephrase: more formal'],
  ['casual', 'Rephrase: more casual'],
  ['shorter', 'Rephrase: shorter'],
  ['longer', 'Rephrase: longer'],
  ['translate', 'Translate'],
  ['summarize', 'Summarize'],
  ['custom', 'Custom...'],
];
const SCRIPT = 'content.js';
const REGISTERED = 'siskin corner button';
const ALL_PAGES = ['http://*/*', 'https://*/*'];
const FIRST_RUN = 'extension/first_run/first_run.html';

chrome.runtime.onInstalled.addListener(async (/** @type {any} */ { reason }) => {
  if (reason === 'install') await chrome.tabs.create({ url: chrome.runtime.getURL(FIRST_RUN) });
  // The toolbar's button lets the extension into the tab, and the panel may read it then. Firefox
  // has a sidebar in its place.
  await chrome.sidePanel?.setPanelBehavior({ openPanelOnActionClick: true });
  await registerButton();
  await chrome.contextMenus.removeAll();
  for (const [id, title] of MENU)
    chrome.contextMenus.create({ id, title, contexts: ['editable', 'selection'] });
});

chrome.contextMenus.onClicked.addListener((/** @type {any} */ info, /** @type {any} */ tab) => {
  void act(tab, String(info.menuItemId), [info.frameId ?? 0]);
});

chrome.commands.onCommand.addListener((/** @type {string} */ name, /** @type {any} */ tab) => {
  void act(tab, name === 'correct' ? 'correct' : 'choose');
});

/**
 * Lets the frame that has the focus act.
 *
 * @param {any} tab
 * @param {string} action
 * @param {number[]} [frameIds] by default all frames that the extension may reach
 */
async function act(tab, action, frameIds) {
  if (tab?.id === undefined) return;
  const target = frameIds ? { tabId: tab.id, frameIds } : { tabId: tab.id, allFrames: true };
  try {
    await chrome.scripting.executeScript({ target, files: [SCRIPT] });
    const options = frameIds ? { frameId: frameIds[0] } : {};
    const message = { type: 'act', action, is_for_frame: frameIds !== undefined };
    await chrome.tabs.sendMessage(tab.id, message, options);
  } catch {
    // The browser's own pages and its store let no extension in.
    await chrome.action.setBadgeText({ tabId: tab.id, text: '!' });
    await chrome.action.setTitle({ tabId: tab.id, title: 'Siskin cannot work on this page.' });
  }
}

/** @type {Promise<void> | undefined} */
let creating;

/** Makes the engine's document, unless it is there. */
function ensureEngine() {
  creating ??= createEngine().finally(() => (creating = undefined));
  return creating;
}

async function createEngine() {
  const contexts = await chrome.runtime.getContexts({ contextTypes: ['OFFSCREEN_DOCUMENT'] });
  if (contexts.length > 0) return;
  try {
    await chrome.offscreen.createDocument({
      url: 'extension/offscreen.html',
      reasons: ['WORKERS'],
      justification: 'The language model runs in a worker, for all tabs.',
    });
  } catch (error) {
    // Another life of this worker may have made it meanwhile.
    if (!/single offscreen/i.test(String(error))) throw error;
  }
}

/** @type {Record<string, (sender: any) => Promise<unknown>>} */
const REQUESTS = {
  engine: ensureEngine,
  settings: async () => engineSettings(await readSettings()),
  answers: readSettings,
  // A page learns nothing of the other settings.
  async page(sender) {
    const settings = await readSettings();
    const host = URL.canParse(sender.url) ? new URL(sender.url).hostname : '';
    return {
      dictionary: settings.dictionary,
      is_off: isOff(settings, host),
      has_button: await isOnAllPages(),
      // Nothing is loaded of itself before the first run is through.
      as_you_type: settings.ready || settings.backend === 'chrome' ? settings.asYouType : 'off',
      other: otherThanEngine(settings),
    };
  },
  async setup() {
    const { ready } = await readSettings();
    const path = ready ? 'extension/options/options.html' : FIRST_RUN;
    await chrome.tabs.create({ url: chrome.runtime.getURL(path) });
  },
  panel: (sender) => chrome.sidePanel.open({ windowId: sender.tab.windowId }),
};

chrome.runtime.onMessage.addListener(
  (/** @type {any} */ message, /** @type {any} */ sender, /** @type {any} */ answer) => {
    if (!isOurs(sender) || !Object.hasOwn(REQUESTS, message?.type)) return undefined;
    // What the settings hold is the business of the extension's own pages.
    const is_private = ['settings', 'answers'].includes(message.type);
    if (is_private && !isOwnPage(sender)) return undefined;
    REQUESTS[message.type](sender).then(
      (value) => answer({ value }),
      (error) => answer({ error: String(error?.message ?? error) }),
    );
    return true;
  },
);

/**
 * Returns what answers in the engine's place: `chrome`, the host of a server, or nothing.
 *
 * @param {import('./settings.js').Settings} settings
 */
function otherThanEngine({ backend, fallback, ready }) {
  if (backend === 'chrome') return 'chrome';
  const is_asked = fallback.on && (fallback.until === 'never' || !ready);
  return is_asked ? new URL(fallback.baseURL).host : '';
}

/**
 * Returns what the engine's document needs of the settings, which it cannot read itself.
 *
 * @param {import('./settings.js').Settings} settings
 */
function engineSettings({ ready, model, backend }) {
  // The browser's own model is not the engine's business.
  return { ready, model, backend: backend === 'chrome' ? 'auto' : backend };
}

// Nobody listens where there is no engine.
onSettings((settings) =>
  chrome.runtime
    .sendMessage({ type: 'changed', settings: engineSettings(settings) })
    .catch(() => {}),
);

/** Returns whether a person permitted the extension on all pages. @returns {Promise<boolean>} */
function isOnAllPages() {
  return chrome.permissions.contains({ origins: ALL_PAGES });
}

/** Puts the corner button on all pages, as long as that is permitted. */
async function registerButton() {
  const permitted = await isOnAllPages();
  const ids = [REGISTERED];
  const [found] = await chrome.scripting.getRegisteredContentScripts({ ids });
  if (permitted && !found)
    await chrome.scripting.registerContentScripts([
      { id: REGISTERED, matches: ALL_PAGES, js: [SCRIPT], allFrames: true, runAt: 'document_idle' },
    ]);
  if (!permitted && found) await chrome.scripting.unregisterContentScripts({ ids });
}

// Content scripts run in pages' processes: they get what `page` gives them.
void chrome.storage.local.setAccessLevel?.({ accessLevel: 'TRUSTED_CONTEXTS' });

chrome.permissions.onAdded.addListener(registerButton);
chrome.permissions.onRemoved.addListener(registerButton);
