// This module opens the extension's own pages in a Chromium of their own: its models come from a
// server of the test, and its profile may be opened again.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request as sendRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM, SWITCHES, playwright } from '../../../scripts/chromium.mjs';
import { ROOT } from './harness.mjs';

const BUILT = join(ROOT, 'pkg/extension');
export const NEED_EXTENSION = [
  join(BUILT, 'manifest.json'),
  './build.sh extension makes the extension',
];

/**
 * Makes an extension whose listed models are all one file, at an address of a test. It may reach
 * localhost as if a person had let it in: nobody can click on the browser's own prompts.
 *
 * @param {object} model what models.json says of it, besides `id` and `name`
 * @returns {Promise<string>} its folder
 */
export async function makeExtension(model) {
  const folder = await mkdtemp(join(tmpdir(), 'siskin-extension-'));
  await cp(BUILT, folder, { recursive: true });
  const edit = async (name, change) => {
    const path = join(folder, name);
    await writeFile(path, JSON.stringify(change(JSON.parse(await readFile(path, 'utf8')))));
  };
  await edit('models.json', (models) => models.map((listed) => ({ ...listed, ...model })));
  await edit('manifest.json', (it) => ({ ...it, host_permissions: ['http://localhost/*'] }));
  return folder;
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
 * Opens a browser with an extension.
 *
 * @param {string} folder of the extension
 * @param {string} profile a folder
 * @param {object} [options]
 * @param {string} [options.proxy] an address
 * @param {object} [options.context] options of playwright's context
 */
export async function openBrowser(folder, profile, { proxy, context: more } = {}) {
  const context = await playwright().launchPersistentContext(profile, {
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
    ...more,
  });
  const [worker = await context.waitForEvent('serviceworker')] = context.serviceWorkers();
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
    /** Writes settings as the extension's own pages do. @param {object} settings */
    set: (settings) =>
      worker.evaluate((settings) => {
        const items = Object.entries(settings).map(([name, value]) => [`settings.${name}`, value]);
        return chrome.storage.local.set(Object.fromEntries(items));
      }, settings),
    close: () => context.close(),
  };
}

/** Makes a folder, such as one for a profile. @param {{after: (end: () => unknown) => void}} t */
export async function makeFolder(t) {
  const folder = await mkdtemp(join(tmpdir(), 'siskin-profile-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
