// This module holds what the browser tests share: the server, the browser, pages that collect
// errors, and what to skip.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  CHROMIUM,
  SOFTWARE_GPU,
  SWITCHES,
  launchChromium,
  playwright,
} from '../../../scripts/chromium.mjs';
import { startServer } from '../../../scripts/serve.mjs';

export { SOFTWARE_GPU };

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'siskin');
export const MODELS_DIR = join(CACHE, 'models');
/** The native tests build this command line. */
export const PROGRAM = join(CACHE, 'target/native/debug/siskin');
export const SMOLLM2 = 'SmolLM2-135M-Instruct.Q4_1.gguf';
export const QWEN = 'qwen2.5-coder-0.5b-instruct-q4_k_m.gguf';
const SHOTS = join(ROOT, 'target/e2e-shots');

/**
 * Returns why these tests cannot run here, or false if they can. With SISKIN_REQUIRE_MODELS set, as
 * in ./build.sh test, a missing file is an error.
 *
 * @param {...(string | [string, string])} needs names of models, PROGRAM, and pairs of a file and
 *   what installs it
 */
export function cannotRun(...needs) {
  const missing = [
    [CHROMIUM, './build.sh test installs Chromium'],
    [join(ROOT, 'pkg/dist/siskin.js'), './build.sh build makes the package'],
    [join(ROOT, 'pkg/node_modules/playwright-core'), 'npm ci in pkg/ brings playwright-core'],
    ...needs.map((need) =>
      Array.isArray(need)
        ? need
        : need === PROGRAM
          ? [need, './build.sh test compiles it']
          : [join(MODELS_DIR, need), './build.sh test fetches the models'],
    ),
  ].find(([file]) => !existsSync(file));
  if (missing && process.env.SISKIN_REQUIRE_MODELS)
    throw new Error(`${missing[0]} is missing; ${missing[1]}`);
  return missing ? `SKIPPED: ${missing[0]} is missing; ${missing[1]}` : false;
}

/**
 * Opens a page in a context of its own; `complaints` collects console errors and CSP violations.
 */
async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  return watchedPage(context);
}

async function watchedPage(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  return { context, page, complaints };
}

/**
 * Returns why extensions cannot be tested here, or false if they can.
 *
 * @param {...string} needs as for `cannotRun`
 */
export function cannotRunExtension(...needs) {
  const missing = cannotRun(...needs);
  if (missing) return missing;
  const version = execFileSync(CHROMIUM, ['--version'], { encoding: 'utf8', stdio: 'pipe' });
  return version.includes('Google Chrome')
    ? 'SKIPPED: Google Chrome takes no extensions from its command line, Chromium does'
    : false;
}

/**
 * Opens a page of an extension in a Chromium of its own.
 *
 * @param {string} folder the unpacked extension, which must have a service worker
 * @param {string} path of the page
 */
export async function openExtension(folder, path) {
  const profile = await mkdtemp(join(tmpdir(), 'siskin-profile-'));
  const context = await playwright().launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: false,
    args: [...SWITCHES, `--disable-extensions-except=${folder}`, `--load-extension=${folder}`],
  });
  const stop = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  };
  try {
    const [worker = await context.waitForEvent('serviceworker')] = context.serviceWorkers();
    const opened = await watchedPage(context);
    const requests = [];
    opened.page.on('request', (request) => requests.push(request.url()));
    await opened.page.goto(new URL(path, worker.url()).href);
    return { ...opened, requests, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Opens `url` in a Chromium of its own.
 *
 * @param {string} url
 * @param {object} [options] of playwright's context
 * @param {string[]} [more] arguments
 */
export async function openChromium(url, options, more) {
  const browser = await launchChromium(more);
  const opened = await newPage(browser, options);
  await opened.page.goto(url);
  return { ...opened, browser, stop: () => browser.close() };
}

/**
 * Starts a server and a browser for one test file.
 *
 * @param {Record<string, unknown>} [routes] added to the server's own
 * @param {{gpu?: boolean}} [options] gpu: whether the browser has one, in software
 */
export async function start(routes = {}, { gpu = false } = {}) {
  const server = await startServer({ port: 0, routes });
  const browser = await launchChromium(gpu ? SOFTWARE_GPU : []);
  return {
    url: server.url,
    /** Opens the demo in a context of its own. */
    async open(options = {}) {
      const { context, page, complaints } = await newPage(browser, options);
      await page.goto(`${server.url}/`);
      await page.locator('input[name=model]').first().waitFor();
      return { page, complaints, close: () => context.close() };
    },
    async stop() {
      await browser.close();
      await server.close();
    },
  };
}

/** Loads a listed model through the page and waits for the chat. */
export async function loadListed(page, name) {
  await page.getByRole('radio', { name }).check();
  await page.getByRole('button', { name: 'Load model' }).click();
  await page.locator('#prompt').waitFor({ state: 'visible' });
}

/**
 * Loads a model into a page, which gets `Siskin`, `siskin`, `ask(content, more)` for a greedy answer
 * and `codeOf(promise)` for what a call fails with.
 */
export async function loadToAsk(page, url) {
  await page.evaluate(async (url) => {
    const { Siskin } = await import('/lib/siskin.js');
    window.Siskin = Siskin;
    window.siskin = await Siskin.load(url);
    window.ask = (content, more = {}) =>
      window.siskin.chat.completions.create({
        messages: [{ role: 'user', content }],
        temperature: 0,
        ...more,
      });
    window.codeOf = (promise) =>
      promise.then(
        () => 'no error',
        (error) => `${error.name}: ${error.code}`,
      );
  }, url);
}

/**
 * Returns how many workers the page's browser has, threads included. The browser itself is asked,
 * because playwright's own list misses ends.
 */
export async function workerCount(page) {
  const devtools = await page.context().newCDPSession(page);
  const { targetInfos } = await devtools.send('Target.getTargets');
  await devtools.detach();
  return targetInfos.filter(({ type }) => type === 'worker').length;
}

/**
 * Counts the workers of a page as `window.running`, from its next document on: those that it has
 * started and not ended.
 */
export function countOwnWorkers(page) {
  return page.addInitScript(() => {
    window.running = 0;
    window.Worker = class extends Worker {
      #ended = false;
      constructor(...given) {
        super(...given);
        window.running += 1;
      }
      terminate() {
        super.terminate();
        if (!this.#ended) window.running -= 1;
        this.#ended = true;
      }
    };
  });
}

/** Returns the number that `countOwnWorkers` counts. */
export function ownWorkers(page) {
  return page.evaluate(() => window.running);
}

/** Returns the processor time that the browser's pages and workers have taken so far. */
export async function cpuSeconds(page) {
  const devtools = await page.context().browser().newBrowserCDPSession();
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo');
  await devtools.detach();
  return processInfo
    .filter(({ type }) => type === 'renderer')
    .reduce((sum, { cpuTime }) => sum + cpuTime, 0);
}

/**
 * Records the tasks of the page's main thread. Their processor time is measured, because other
 * programs may delay a task on a busy machine.
 *
 * @returns {Promise<{stop: () => Promise<number[]>}>} `stop` gives each task's milliseconds
 */
export async function recordTasks(page) {
  const browser = page.context().browser();
  // A process may have several threads of that name; the page's own is the one that records the
  // mark.
  const mark = `siskin ${Math.random()}`;
  await browser.startTracing(page, { categories: ['toplevel', 'blink.user_timing'] });
  return {
    async stop() {
      await page.evaluate((mark) => performance.mark(mark), mark);
      const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
      const { pid, tid } = traceEvents.find(({ name }) => name === mark);
      const tasks = traceEvents.filter(
        (event) =>
          event.pid === pid &&
          event.tid === tid &&
          event.ph === 'X' &&
          event.name.endsWith('RunTask') &&
          event.tdur !== undefined,
      );
      return tasks.map(({ tdur }) => tdur / 1000);
    },
  };
}

/** Waits until the browser has `count` workers: a worker needs some time to end. */
export async function workersLeft(page, count) {
  for (
    const end_ms = Date.now() + 5000;
    Date.now() < end_ms && (await workerCount(page)) !== count;
  )
    await page.waitForTimeout(50);
  return workerCount(page);
}

/** Takes a screenshot for people to look at, in a folder that git ignores. */
export async function shoot(page, name) {
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
}
