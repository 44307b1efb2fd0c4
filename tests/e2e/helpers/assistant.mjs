// This module opens the extension in a Chromium of its own, and reads and clicks its card, which the
// page itself cannot.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from '../../../scripts/serve.mjs';
import {
  copyExtension,
  launchWith,
  serveDefaultModel,
  workerOf,
  writeSettings,
} from './extension.mjs';
import { ROOT } from './harness.mjs';

export const WRONG = 'She have two cats. The keys are on the table.';
export const RIGHT = 'She has two cats. The keys are on the table.';
/** An answer to this takes some seconds. */
export const LONG =
  'We are writing to tell you that the meeting of the garden club, which was planned for Monday, ' +
  'has to be moved to Thursday, because the room is being painted and nobody may enter it.';

/**
 * Opens the built extension in a browser of its own.
 *
 * @param {object} settings as www/extension/settings.js has them
 * @param {object} [options] of `launchWith`, and
 * @param {string[]} [options.hosts] that are permitted
 * @param {(folder: string) => Promise<void>} [options.change] changes the copy that is installed
 * @param {boolean} [options.keeps_first_run] whether the page of the first run stays open
 */
export async function openAssistant(
  settings,
  { hosts, change, keeps_first_run = false, context: more, ...options } = {},
) {
  const folder = await copyExtension(hosts);
  const profile = await mkdtemp(join(tmpdir(), 'siskin-profile-'));
  await change?.(folder);
  const viewport = { width: 1100, height: 760 };
  const context = await launchWith(folder, profile, { context: { viewport, ...more }, ...options });
  const stop = async () => {
    await context.close();
    for (const path of [folder, profile])
      await rm(path, { recursive: true, force: true, maxRetries: 10 });
  };
  try {
    await workerOf(context);
    // The page of the first run says by itself whether a model is there.
    const isFirstRun = (page) => page.url().includes('/first_run/');
    const first_run =
      context.pages().find(isFirstRun) ??
      (await context.waitForEvent('page', { predicate: isFirstRun, timeout: 10_000 }));
    await first_run.waitForLoadState();
    await first_run.waitForTimeout(300);
    if (!keeps_first_run) await first_run.close();
    await writeSettings(context, settings);
    return { context, stop, profile, first_run };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Starts a server of pages with fields, and opens the extension there, with a model of that server.
 *
 * @param {object} [options] of `openAssistant`, and
 * @param {string} [options.model] a file; without one there is no model
 * @param {boolean} [options.is_new] whether a person is still to fetch the default model, in the page
 *   of the first run
 * @param {object} [options.settings] more settings
 * @param {object} [options.routes] more routes of the server
 * @returns {Promise<object>} `open(path)` opens a page of the server
 */
export async function openFields({ model, is_new = false, settings, routes, ...options } = {}) {
  const fields = plainFolder(join(ROOT, 'tests/e2e/pages/fields'));
  const server = await startServer({ routes: { '/fields/': fields, ...routes } });
  const site = server.url.replace('127.0.0.1', 'localhost');
  const of_model = model
    ? { model: { kind: 'url', url: `${site}/models/${model}` }, backend: 'cpu', ready: true }
    : { ready: false };
  const change = async (folder) => {
    if (is_new) await serveDefaultModel(folder, site);
    await options.change?.(folder);
  };
  try {
    const { context, stop, profile, first_run } = await openAssistant(
      { ...of_model, ...settings },
      { ...options, change, keeps_first_run: is_new },
    );
    return {
      context,
      profile,
      first_run,
      site,
      open: (path = 'fields/plain.html') => openPage(context, `${site}/${path}`),
      async close() {
        await stop();
        await server.close();
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Opens a page that collects its errors. */
export async function openPage(context, url) {
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.goto(url);
  return { page, complaints };
}

/** Does what the browser does when a person picks an item of the context menu or a shortcut. */
export async function act(context, page, action, frameId) {
  const worker = await workerOf(context);
  await page.bringToFront();
  await worker.evaluate(
    async ({ url, action, frameId }) => {
      const tab = (await chrome.tabs.query({})).find((tab) => tab.url === url && tab.active);
      if (frameId === undefined) chrome.commands.onCommand.dispatch(action, tab);
      else chrome.contextMenus.onClicked.dispatch({ menuItemId: action, frameId }, tab);
    },
    { url: page.url(), action, frameId },
  );
}

/** Returns every closed shadow root of a page and its frames. */
async function closedRoots(session) {
  const { root } = await session.send('DOM.getDocument', { depth: -1, pierce: true });
  const found = [];
  const visit = (node) => {
    for (const shadow of node.shadowRoots ?? [])
      if (shadow.shadowRootType === 'closed') found.push(shadow.backendNodeId);
    for (const part of [...(node.children ?? []), ...(node.shadowRoots ?? [])]) visit(part);
    if (node.contentDocument) visit(node.contentDocument);
  };
  visit(root);
  return found;
}

/** Describes the card or the corner button. Runs in the page, on the closed root. */
function describe() {
  const root = this;
  let [left, top] = [0, 0];
  for (let view = root.ownerDocument.defaultView; view.frameElement; view = view.parent) {
    const rect = view.frameElement.getBoundingClientRect();
    left += rect.left + view.frameElement.clientLeft;
    top += rect.top + view.frameElement.clientTop;
  }
  const textOf = (selector) => [...root.querySelectorAll(selector)].map((it) => it.textContent);
  const controls = [...root.querySelectorAll('button, input, select, iframe')].map((it) => {
    const rect = it.getBoundingClientRect();
    return {
      label: it.getAttribute('aria-label') ?? it.textContent,
      x: left + rect.left + rect.width / 2,
      y: top + rect.top + rect.height / 2,
      is_enabled: !it.disabled,
      is_frame: it.localName === 'iframe',
    };
  });
  return {
    kind: root.querySelector('.card') ? 'card' : root.querySelector('.corner') ? 'corner' : '',
    title: textOf('h2')[0],
    text: textOf('.text')[0] ?? '',
    status: textOf('.status')[0] ?? '',
    notice: textOf('.notice p')[0],
    deleted: textOf('del'),
    inserted: textOf('ins'),
    detail: textOf('.detail p')[0],
    controls,
  };
}

/**
 * Returns what the card shows, or undefined where none is open.
 *
 * @param {'card' | 'corner'} [kind]
 */
export async function cardOf(page, kind = 'card') {
  const session = await page.context().newCDPSession(page);
  try {
    for (const backendNodeId of await closedRoots(session)) {
      const { object } = await session.send('DOM.resolveNode', { backendNodeId });
      const { result } = await session.send('Runtime.callFunctionOn', {
        objectId: object.objectId,
        functionDeclaration: describe.toString(),
        returnByValue: true,
      });
      if (result.value?.kind === kind) return result.value;
    }
    return undefined;
  } finally {
    await session.detach();
  }
}

/**
 * Waits until the card is as `test` wants it.
 *
 * @param {(card: object | undefined) => boolean} test
 */
export async function waitForCard(page, test, { ms = 30_000, kind = 'card' } = {}) {
  let card;
  for (const end = Date.now() + ms; Date.now() < end;) {
    card = await cardOf(page, kind);
    if (test(card)) return card;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`the card did not come to that: ${JSON.stringify(card)}`);
}

/** Returns a control of the card by its label. */
export const controlOf = (card, label) =>
  card?.controls.find((it) =>
    label instanceof RegExp ? label.test(it.label) : it.label === label,
  );

/** Whether the answer has ended. */
export const isDone = (card) => controlOf(card, 'Retry')?.is_enabled;

/** Whether an answer that writes a text has ended. */
export const isWritten = (card) =>
  card?.status === '' && controlOf(card, 'Retry') && card.text.length > 20;

/** Clicks a control of the card, as soon as it is there and enabled. */
export async function clickCard(page, label, options) {
  const card = await waitForCard(page, (it) => controlOf(it, label)?.is_enabled, options);
  const { x, y } = controlOf(card, label);
  // The browser takes a moment to know that the card is seen.
  await page.waitForTimeout(250);
  await page.mouse.click(x, y);
}

/**
 * Runs an expression in the world of the extension's content script, which a page cannot reach.
 *
 * @returns {Promise<any>} its value
 */
export async function inContentScript(page, expression) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const found = new Promise((resolve) => {
    // The frames of the page have the script too.
    session.on('Runtime.executionContextCreated', ({ context: { id, origin, auxData } }) => {
      const is_ours = origin.startsWith('chrome-extension://');
      if (is_ours && auxData.frameId === frameTree.frame.id) resolve({ id });
    });
  });
  await session.send('Runtime.enable');
  const world = await found;
  const { result } = await session.send('Runtime.evaluate', {
    expression,
    contextId: world.id,
    returnByValue: true,
    awaitPromise: true,
  });
  await session.detach();
  return result.value;
}

/** Ends the background worker as Chrome does when it is idle. */
export async function stopWorker(context) {
  const [worker] = context.serviceWorkers();
  const page = await context.newPage();
  await page.goto(new URL('/models.json', worker.url()).href);
  const session = await context.newCDPSession(page);
  await session.send('ServiceWorker.enable');
  await session.send('ServiceWorker.stopAllWorkers');
  await page.close();
}

/** Returns the browser's targets whose addresses hold a text. */
export async function targetsOf(page, text) {
  const session = await page.context().newCDPSession(page);
  const { targetInfos } = await session.send('Target.getTargets');
  await session.detach();
  return targetInfos.filter(({ url }) => url.includes(text));
}

/** Closes the engine's document, as Chrome may at any moment. */
export async function closeEngine(page) {
  const [target] = await targetsOf(page, '/offscreen.html');
  const session = await page.context().newCDPSession(page);
  await session.send('Target.closeTarget', { targetId: target.targetId });
  await session.detach();
}

/**
 * Evaluates an expression in the engine's document.
 *
 * @param {object} page any page of the browser
 * @returns {Promise<any>} its value
 */
export async function inEngine(page, expression) {
  const [{ targetId }] = await targetsOf(page, '/offscreen.html');
  const session = await page.context().newCDPSession(page);
  const { sessionId } = await session.send('Target.attachToTarget', { targetId, flatten: false });
  const answer = new Promise((resolve) =>
    session.on('Target.receivedMessageFromTarget', ({ message }) => {
      const { id, result } = JSON.parse(message);
      if (id === 1) resolve(result);
    }),
  );
  const params = { expression, returnByValue: true, awaitPromise: true };
  const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params });
  await session.send('Target.sendMessageToTarget', { sessionId, message });
  const { result, exceptionDetails } = await answer;
  await session.detach();
  if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
  return result.value;
}

/** Serves a folder without the policy of the demo, which forbids frames and scripts of the page. */
export function plainFolder(folder) {
  const types = { html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css' };
  return async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const name = pathname.split('/').pop() || 'index.html';
    response.removeHeader('Content-Security-Policy');
    const body = await readFile(join(folder, name)).catch(() => undefined);
    if (!body) return response.writeHead(404).end();
    const type = types[name.split('.').pop()] ?? 'application/octet-stream';
    return response.writeHead(200, { 'Content-Type': type }).end(body);
  };
}
