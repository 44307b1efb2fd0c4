// This module opens the extension and its own pages in a Chromium of their own, whose requests a proxy
// may record, and serves what the extension may ask: its models, and an API like OpenAI's.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request as sendRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM, SWITCHES, playwright } from '../../../scripts/chromium.mjs';
import { ROOT } from './harness.mjs';

const BUILT = join(ROOT, 'pkg/extension');
export const NEED_EXTENSION = [
  join(BUILT, 'content.js'),
  './build.sh extension makes the extension',
];

/**
 * Copies the built extension. It may reach some hosts as if a person had let it in: nobody can click
 * on the browser's own prompts.
 *
 * @param {string[]} [hosts]
 * @returns {Promise<string>} its folder
 */
export async function copyExtension(hosts = ['http://localhost/*']) {
  const folder = await mkdtemp(join(tmpdir(), 'siskin-extension-'));
  await cp(BUILT, folder, { recursive: true });
  await changeJson(join(folder, 'manifest.json'), (it) => ({ ...it, host_permissions: hosts }));
  return folder;
}

/**
 * Makes an extension whose listed models are all one file, at an address of a test.
 *
 * @param {object} model what models.json says of it, besides `id` and `name`
 * @returns {Promise<string>} its folder
 */
export async function makeExtension(model) {
  const folder = await copyExtension();
  await changeJson(join(folder, 'models.json'), (models) =>
    models.map((listed) => ({ ...listed, ...model })),
  );
  return folder;
}

/**
 * Lets a copy of the extension fetch its default model from a test's server, in the place of which a
 * checkout has another (models.json says so).
 *
 * @param {string} folder
 * @param {string} site
 */
export async function serveDefaultModel(folder, site) {
  await changeJson(join(folder, 'models.json'), (models) =>
    models.map((listed) => {
      const given = models.find(({ id }) => id === listed.fallback);
      return given ? { ...given, id: listed.id, url: `${site}/models/${given.file}` } : listed;
    }),
  );
}

/**
 * @param {string} path
 * @param {(value: any) => unknown} change
 */
async function changeJson(path, change) {
  await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')))));
}

/**
 * Launches Chromium with an extension.
 *
 * @param {string} folder of the extension
 * @param {string} profile a folder
 * @param {object} [options]
 * @param {string} [options.proxy] an address
 * @param {object} [options.context] options of playwright's context
 */
export function launchWith(folder, profile, { proxy, context } = {}) {
  return playwright().launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: false,
    viewport: { width: 1100, height: 900 },
    args: [
      ...SWITCHES,
      `--disable-extensions-except=${folder}`,
      `--load-extension=${folder}`,
      // Without the last one, requests to this machine go past the proxy.
      ...(proxy ? [`--proxy-server=${proxy}`, '--proxy-bypass-list=<-loopback>'] : []),
    ],
    ...context,
  });
}

/** Returns the extension's background worker, which is woken where it sleeps. */
export async function workerOf(context) {
  const [worker = await context.waitForEvent('serviceworker')] = context.serviceWorkers();
  return worker;
}

/** Writes settings as the extension's own pages do. @param {object} settings */
export async function writeSettings(context, settings) {
  const worker = await workerOf(context);
  await worker.evaluate((settings) => {
    const items = Object.entries(settings).map(([name, value]) => [`settings.${name}`, value]);
    return chrome.storage.local.set(Object.fromEntries(items));
  }, settings);
}

/**
 * Starts a server of OpenAI's API.
 *
 * @param {(question: string) => string[]} answer returns the pieces of the answer to a message
 * @returns {Promise<{url: string, sent: object[], failures: number, close: () => void}>} `sent` has
 *   each request's path, headers and body; so many of the next requests fail as `failures` says
 */
export async function startApi(answer) {
  const sent = [];
  const server = createServer(async (request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Allow-Headers', '*');
    if (request.method === 'OPTIONS') return response.end();
    let text = '';
    for await (const piece of request) text += piece;
    const body = JSON.parse(text);
    sent.push({ url: request.url, headers: request.headers, body });
    if (api.failures > 0) {
      api.failures -= 1;
      return response.writeHead(503).end();
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const say = (delta, finish_reason) =>
      response.write(
        `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] })}\n\n`,
      );
    for (const content of answer(body.messages.at(-1).content)) say({ content }, null);
    say({}, 'stop');
    return response.end('data: [DONE]\n\n');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const api = {
    url: `http://localhost:${server.address().port}/v1`,
    sent,
    failures: 0,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return api;
}

/** Chromium itself asks these for updates, who is signed in, and what the fields of forms are. */
const OF_BROWSER =
  /^((update|content-autofill)\.googleapis|accounts\.google|redirector\.gvt1)\.com$/;

/**
 * Starts a proxy that records every request of a browser, from whatever page, worker or document it
 * comes.
 *
 * @returns {Promise<{server: string, asked: string[], close: () => void}>} `asked` has the method
 *   and the address of each
 */
export async function startProxy() {
  const asked = [];
  const note = (what, host) => OF_BROWSER.test(host) || asked.push(what);
  const server = createServer((request, response) => {
    note(`${request.method} ${request.url}`, new URL(request.url).hostname);
    const { hostname, port, pathname, search } = new URL(request.url);
    const { method, headers } = request;
    const options = { hostname, port, path: pathname + search, method, headers };
    const onward = sendRequest(options, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response).on('error', () => {});
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    // Who leaves is told to the server, which stops sending.
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  server.on('connect', (request, socket) => {
    note(`CONNECT ${request.url}`, request.url.split(':')[0]);
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    server: `http://127.0.0.1:${server.address().port}`,
    asked,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * Opens a browser with an extension, and its pages.
 *
 * @param {string} folder of the extension
 * @param {string} profile a folder
 * @param {object} [options] of `launchWith`
 */
export async function openBrowser(folder, profile, options) {
  const context = await launchWith(folder, profile, options);
  const worker = await workerOf(context);
  const complaints = [];
  const watch = (page) => {
    page.setDefaultTimeout(30_000);
    page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
    page.on('console', (message) => {
      // A failed request is one of the things that are tested; the browser writes it down, too.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
        complaints.push(`${page.url()}: ${message.text()}`);
    });
    return page;
  };
  const address = (path) => new URL(`/extension/${path}`, worker.url()).href;
  return {
    context,
    worker,
    complaints,
    /** Opens a page of the extension. @param {string} path such as "options/options.html" */
    async open(path) {
      const page = watch(await context.newPage());
      await page.goto(address(path));
      return page;
    },
    /** Waits for a page that the extension opens itself. @param {string} path */
    async opened(path) {
      const is_it = (page) => page.url() === address(path);
      const page =
        context.pages().find(is_it) ?? (await context.waitForEvent('page', { predicate: is_it }));
      return watch(page);
    },
    /** @param {object} settings */
    set: (settings) => writeSettings(context, settings),
    close: () => context.close(),
  };
}

/** Makes a folder, such as one for a profile. @param {{after: (end: () => unknown) => void}} t */
export async function makeFolder(t) {
  const folder = await mkdtemp(join(tmpdir(), 'siskin-profile-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
