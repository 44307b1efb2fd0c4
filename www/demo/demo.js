/** This module is the demo page: it loads a model and chats with it. */
import { Siskin, SiskinError } from '../lib/siskin.js';
import { dropZone, startPage } from './page_frame.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { announce, byId } from './dom.js';
import { describeBackend, formatCount, formatRate } from './format.js';
import { LoadCard } from './load_card.js';
import { Settings } from './settings.js';

/** @import { ChatMessage } from '../lib/index.js' */
/** @import { Choice } from './load_card.js' */

/** @type {Siskin | undefined} */
let siskin;
/** @type {ChatMessage[]} */
let messages = [];
/** @type {AbortController | undefined} */
let loading;
/** @type {AbortController | undefined} */
let answering;

const settings = new Settings();
const conversation = new Conversation();
const composer = new Composer({ onSend: send, onStop: () => answering?.abort() });
const card = new LoadCard({ onChoose: load, onCancel: () => loading?.abort(), onBack: showChat });

/** Shows where the model computes, which may change during an answer. */
function showWhere() {
  if (!siskin) return;
  byId('where').textContent = describeBackend(siskin.info);
  byId('where').title = siskin.info.gpu_refusal ?? '';
}

/** @param {Choice} choice */
async function load({ name, source, sha256, listed }) {
  loading?.abort();
  answering?.abort();
  const controller = new AbortController();
  loading = controller;
  showCard();
  card.begin(name);
  try {
    // The old model is unloaded first, because two models would take the memory of both.
    await siskin?.unload();
    siskin = undefined;
    const loaded = await Siskin.load(source, {
      sha256,
      backend: settings.backend,
      signal: controller.signal,
      onProgress: (progress) => {
        if (loading === controller) card.progress(progress);
      },
    });
    siskin = loaded;
    byId('model-name').textContent = listed ? name : loaded.info.name || name;
    showWhere();
    byId('context').textContent =
      ` · ${formatCount(loaded.info.context_tokens, 'token')} of context`;
    newChat();
    showChat();
    announce('The model is ready.');
  } catch (error) {
    if (loading !== controller) return;
    if (error instanceof SiskinError && error.code === 'aborted') await card.offer(false);
    else card.fail(error);
  } finally {
    if (loading === controller) loading = undefined;
  }
}

function showCard() {
  byId('chat').hidden = true;
  byId('model-button').hidden = true;
  byId('new-chat').hidden = true;
}

function showChat() {
  card.hide();
  byId('chat').hidden = false;
  byId('model-button').hidden = false;
  byId('new-chat').hidden = false;
  composer.focus();
}

function newChat() {
  answering?.abort();
  messages = [];
  conversation.clear();
  byId('rate').textContent = '';
}

/** @param {string} text */
function send(text) {
  // A message whose answer failed is not sent again with the next one.
  if (messages.at(-1)?.role === 'user') messages.pop();
  messages.push({ role: 'user', content: text });
  conversation.addUser(text);
  void answer();
}

async function answer() {
  if (!siskin) return;
  const controller = new AbortController();
  answering = controller;
  const asked = messages;
  const view = conversation.addAnswer();
  composer.answering = true;
  announce('Writing an answer.');
  const system = settings.systemPrompt;
  let shown_ms = 0;
  let last;
  try {
    const chunks = await siskin.chat.completions.create({
      ...settings.request,
      messages: system ? [{ role: 'system', content: system }, ...asked] : asked,
      stream: true,
      signal: controller.signal,
    });
    for await (const chunk of chunks) {
      const rate = view.add(chunk);
      if (rate > 0 && performance.now() - shown_ms > 250) {
        shown_ms = performance.now();
        byId('rate').textContent = formatRate(rate);
      }
      if (chunk.choices[0].finish_reason) last = chunk;
    }
    asked.push({ role: 'assistant', content: view.text });
    view.finish(last);
    if (last?.timings?.decode_tokens_per_second)
      byId('rate').textContent = formatRate(last.timings.decode_tokens_per_second);
  } catch (error) {
    if (error instanceof SiskinError && error.code === 'aborted') {
      asked.push({ role: 'assistant', content: view.text });
      view.finish(undefined);
    } else {
      view.fail(error, remedy(error));
    }
  } finally {
    showWhere();
    if (answering === controller) {
      answering = undefined;
      composer.answering = false;
    }
  }
}

/**
 * @param {unknown} error
 * @returns {{label: string, run: () => void}}
 */
function remedy(error) {
  const code = error instanceof SiskinError ? error.code : '';
  if (code === 'context_full' || code === 'template') return { label: 'New chat', run: startOver };
  if (code === 'worker_failed' || code === 'not_loaded' || code === 'out_of_memory')
    return { label: 'Load the model again', run: changeModel };
  return {
    label: 'Try again',
    run: () => {
      if (!answering) void answer();
    },
  };
}

function startOver() {
  newChat();
  composer.focus();
}

function changeModel() {
  answering?.abort();
  showCard();
  void card.offer(siskin !== undefined);
}

byId('new-chat').addEventListener('click', startOver);
byId('model-button').addEventListener('click', changeModel);
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && answering && !settings.open) answering.abort();
});
startPage(() => (siskin && !byId('chat').hidden ? byId('prompt') : byId('main')));
dropZone((file) => card.choose({ name: file.name, source: file }));
await card.list();
