/**
 * This script is the assistant on a page. It runs in a world of its own: the page's scripts see
 * neither its variables nor what it says to the extension. Bundled, it is one classic script.
 */
import { isAction } from '../assistant/actions.js';
import { AsYouType } from '../assistant/as_you_type.js';
import { Assistant } from '../assistant/assistant.js';
import { isBatteryLow } from '../assistant/battery.js';
import { CornerButton } from '../assistant/corner_button.js';
import { docsWindowOf } from '../assistant/google_docs.js';
import { LANGUAGES } from '../lib/writing/options.js';
import { ExtensionEngine } from './engine.js';
import { askWorker, isOurs } from './messages.js';
import { OtherModel } from './other_model.js';

/** A frame that has the script already is left alone. */
const MARK = Symbol.for('siskin assistant');

/**
 * @typedef {object} PageSettings
 * @property {string[]} dictionary
 * @property {boolean} is_off
 * @property {boolean} has_button
 * @property {'off' | 'on' | 'always'} as_you_type
 * @property {string} other what answers in the engine's place: `chrome`, or the host of a server
 */

function start() {
  /** @type {PageSettings} */
  let settings = {
    dictionary: [],
    is_off: false,
    has_button: false,
    as_you_type: 'off',
    other: '',
  };
  const refresh = async () => {
    settings = await askWorker({ type: 'page' }).catch(() => settings);
  };
  const engine = new ExtensionEngine({
    onStatus: (status) => {
      if (status.state === 'loading') assistant.setProgress(status.progress);
      if (status.state === 'ready') assistant.setProgress('ready');
    },
  });
  const other = /** @type {any} */ (new OtherModel());
  const siskin = () => (settings.other === '' ? engine.siskin : other);
  const isServer = () => settings.other !== '' && settings.other !== 'chrome';
  const assistant = new Assistant(document, {
    siskin,
    notice: () => (isServer() ? `Your text is sent to ${settings.other}.` : undefined),
    dictionary: () => settings.dictionary,
    refusal: () => (settings.is_off ? 'Siskin is off on this site.' : undefined),
    makeInput: makeInstructionFrame,
    help: (what) => void askWorker({ type: what }).catch(() => {}),
  });

  /** @param {(instruction: string) => void} onInstruction */
  function makeInstructionFrame(onInstruction) {
    const frame = document.createElement('iframe');
    frame.title = 'Your instruction';
    // A page that is cross-origin isolated takes no other frame.
    frame.setAttribute('credentialless', '');
    frame.src = chrome.runtime.getURL('extension/instruction.html');
    frame.addEventListener('load', () => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => {
        if (data.type === 'instruction') onInstruction(String(data.text));
        if (data.type === 'close') assistant.close();
      };
      // The address of the frame changes with each session, its origin does not.
      const origin = `chrome-extension://${chrome.runtime.id}`;
      frame.contentWindow?.postMessage('siskin', origin, [port2]);
    });
    return frame;
  }

  chrome.runtime.onMessage.addListener((/** @type {any} */ message, /** @type {any} */ sender) => {
    // Content scripts of other tabs have a tab, the background worker has none.
    if (!isOurs(sender) || sender.tab || message?.type !== 'act') return;
    if (!message.is_for_frame && !hasFocus()) return;
    void refresh().then(() =>
      assistant.open(isAction(message.action) ? message.action : undefined),
    );
  });

  // The memory is the engine's: a page that is put aside lets go of its port.
  window.addEventListener('pagehide', () => {
    assistant.close();
    engine.close();
  });

  void refresh().then(() => {
    if (!settings.has_button || settings.is_off) return;
    /** @type {AsYouType | undefined} */
    let typing;
    const button = new CornerButton(document, async () => {
      await refresh();
      const found = typing?.found();
      if (found && !settings.is_off) assistant.openWith(found);
      else assistant.open();
    });
    if (settings.as_you_type === 'off') return;
    typing = new AsYouType(document, {
      siskin,
      dictionary: () => settings.dictionary,
      onCount: (count) => button.setCount(count),
      isKnownLanguage,
      mayCheck: async () => {
        // It may have been turned off since.
        await refresh();
        if (settings.is_off || !settings.has_button || settings.as_you_type === 'off') return false;
        // What is sent elsewhere is sent when a person asks for it.
        if (isServer()) return false;
        return settings.as_you_type === 'always' || !(await isBatteryLow());
      },
    });
  });
}

/** Whether Chrome takes a text for one of the languages that can be checked, or does not know. */
async function isKnownLanguage(/** @type {string} */ text) {
  const { isReliable, languages } = await chrome.i18n.detectLanguage(text);
  return !isReliable || LANGUAGES.some((it) => it === languages[0]?.language);
}

/** Whether this frame is where the card goes: it has the focus, and none within it. */
function hasFocus() {
  const docs = docsWindowOf(window);
  if (docs) return docs === window && document.hasFocus();
  const element = document.activeElement;
  return document.hasFocus() && !/^i?frame$/.test(element?.localName ?? '');
}

const world = /** @type {any} */ (globalThis);
if (!world[MARK]) {
  world[MARK] = true;
  start();
}
