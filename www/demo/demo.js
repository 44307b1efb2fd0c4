/** This module is the demo page: it loads a model, and hands it to the chat and the tasks. */
import { History, requestMessages } from './chat/history.js';
import { HistoryPanel } from './chat/history_panel.js';
import { Chat } from './chat/chat.js';
import { changedSettings, codeSheet } from './code_sheet.js';
import { announce, byId } from './dom.js';
import { describeBackend, formatCount } from './format.js';
import { forgetModel, markAttempt, modelToResume, rememberModel } from './last_model.js';
import { LoadCard } from './load_card.js';
import { ModelSession } from './model_session.js';
import { dropZone, startPage } from './page_frame.js';
import { RequestCounter } from './requests.js';
import { Settings } from './settings.js';
import { makeTabs } from './tabs.js';
import { makeClassifyPanel, makeExtractPanel, makeReceiptPanel } from './tasks/panels.js';
import { WritePanel } from './tasks/write_panel.js';

/** @import { Choice } from './model_session.js' */

/** @type {AbortController | undefined} */
let loading;

const settings = new Settings();
const requests = new RequestCounter((count) => {
  byId('requests').textContent = `Requests since load: ${count}`;
});
const session = new ModelSession(requests.startWorker);
const history = new History();
const chat = new Chat(
  { session, settings, history },
  { onChange: () => void panel.render(), onAnswered: showWhere, remedy },
);
const panel = new HistoryPanel(chat, history, () => tabs.select('chat'));
const tasks = {
  classify: makeClassifyPanel(session),
  write: new WritePanel(session),
  extract: makeExtractPanel(session),
  receipt: makeReceiptPanel(session),
};
const card = new LoadCard({
  onChoose: (choice) => void load(choice),
  onCancel: () => loading?.abort(),
  onBack: showModel,
  onOther: changeModel,
});
const tabs = makeTabs(byId('tabs'));

/**
 * Loads a model and shows the page with it.
 *
 * @param {Choice} choice
 */
async function load(choice) {
  loading?.abort();
  const controller = new AbortController();
  loading = controller;
  const stopped = chat.stop();
  for (const task of Object.values(tasks)) task.stop();
  hideModel();
  card.begin(choice.name);
  try {
    await stopped;
    await session.load(choice, {
      backend: settings.backend,
      signal: controller.signal,
      onProgress: (progress) => {
        if (loading === controller) card.progress(progress);
      },
    });
    rememberModel(choice);
    // The library fetches its part for corrections when it is first used: now, and not later.
    await session.siskin?.proofread('').catch(() => {});
    requests.restart();
    byId('model-name').textContent = session.name;
    byId('model-button').setAttribute('aria-label', `Change the model: ${session.name}`);
    showWhere();
    if (loading !== controller) return;
    showModel();
    announce('The model is ready.');
  } catch (error) {
    if (loading !== controller) return;
    if (!controller.signal.aborted) card.fail(error, session.siskin !== undefined);
    else if (session.siskin) showModel();
    else await card.offer(false);
  } finally {
    if (loading === controller) loading = undefined;
  }
}

/** Shows where the model computes, which may change during an answer. */
function showWhere() {
  const { siskin } = session;
  if (!siskin) return;
  byId('where').textContent = describeBackend(siskin.info);
  byId('where').title = siskin.info.gpu_refusal ?? '';
  byId('context').textContent = ` · ${formatCount(siskin.info.context_tokens, 'token')} of context`;
}

function hideModel() {
  document.body.dataset.state = 'choosing';
  // Who has a model already need not be told again what this is.
  document.body.toggleAttribute('data-known', session.siskin !== undefined);
}

function showModel() {
  card.hide();
  document.body.dataset.state = 'ready';
  tabs.select(tabs.selected);
  focusPanel();
}

function focusPanel() {
  const task = tasks[/** @type {keyof typeof tasks} */ (tabs.selected)];
  (task ?? chat).focus();
}

function changeModel() {
  hideModel();
  void card.offer(session.siskin !== undefined);
}

/**
 * @param {unknown} error
 * @param {() => void} retry
 * @returns {{label: string, run: () => void}} what the reader can do about it
 */
function remedy(error, retry) {
  const { code } = /** @type {{code?: string}} */ (error ?? {});
  if (code === 'context_full' || code === 'template')
    return { label: 'New chat', run: () => void startOver() };
  if (code === 'worker_failed' || code === 'not_loaded' || code === 'out_of_memory')
    return { label: 'Load the model again', run: changeModel };
  if (code === 'version_mismatch')
    return { label: 'Reload the page', run: () => location.reload() };
  return { label: 'Try again', run: retry };
}

async function startOver() {
  tabs.select('chat');
  await chat.startOver();
  chat.focus();
}

/** Goes on with the model of the last visit, if it is on the device. */
async function resume() {
  const last = await modelToResume();
  if (!last || loading) return;
  markAttempt(true);
  await load(last);
  if (session.siskin) return;
  // A model that no longer loads is not tried unasked again.
  forgetModel();
}

codeSheet(() => {
  const tab = /** @type {'chat' | keyof typeof tasks} */ (tabs.selected);
  const system = settings.systemPrompt;
  const source = session.choice?.source;
  const messages = requestMessages(chat.conversation.messages);
  const last_question = messages.map(({ role }) => role).lastIndexOf('user');
  const asked =
    last_question < 0
      ? [{ role: 'user', content: 'What is the capital of France?' }]
      : messages.slice(0, last_question + 1);
  const task = tab === 'chat' ? undefined : tasks[tab];
  return {
    tab,
    source: typeof source === 'string' ? source : undefined,
    messages: system ? [{ role: 'system', content: system }, ...asked] : asked,
    request: changedSettings(settings.request),
    text: task?.text ?? '',
    words: task?.words ?? [],
  };
});
byId('new-chat').addEventListener('click', () => void startOver());
byId('model-button').addEventListener('click', changeModel);
addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || document.querySelector('dialog[open]')) return;
  void chat.stop();
  for (const task of Object.values(tasks)) task.stop();
});
startPage(() => {
  if (document.body.dataset.state !== 'ready') return byId('main');
  return byId(tabs.selected === 'chat' ? 'prompt' : `${tabs.selected}-text`);
});
dropZone((file) => card.choose({ name: file.name, source: file }));
addEventListener('pagehide', () => markAttempt(false));
void chat.restore();
void panel.render();
await card.list();
void card.checkDevice();
await resume();
// The page is still there, so that the attempt has not ended it.
markAttempt(false);
