// This module launches headless Firefox through puppeteer and WebDriver BiDi, because playwright's
// protocol does not drive an unpatched Firefox.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const FIREFOX = process.env.SISKIN_FIREFOX || '/usr/bin/firefox-esr';

/** With these preferences WebGPU finds an adapter, in workers too, on machines without a GPU. */
export const WEBGPU_PREFS = { 'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true };

/** Ends what WebDriver registers in every process to be told of workers. */
const FORGET_WORKERS = `ChromeUtils.importESModule(
  'chrome://remote/content/shared/js-process-actors/WebDriverWorkerListenerActor.sys.mjs',
).unregisterWebDriverWorkerListenerActor()`;

/**
 * @param {Record<string, unknown>} prefs
 * @param {string} [profile] a folder that outlives the browser
 */
export async function launchFirefox(prefs, profile) {
  const puppeteer = createRequire(
    join(fileURLToPath(new URL('..', import.meta.url)), 'pkg/package.json'),
  )('puppeteer-core');
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    // The script of `forgetWorkers` needs this.
    args: ['--remote-allow-system-access'],
    extraPrefsFirefox: prefs,
    userDataDir: profile,
    // Callers have limits of their own. Puppeteer's default of three minutes is too short where a
    // slow machine compiles every kernel.
    protocolTimeout: 15 * 60_000,
  });
  await forgetWorkers(browser.connection);
  return browser;
}

/**
 * Keeps WebDriver from being told of workers. Where anybody is told, a worker that makes another
 * waits inside `new Worker` until the main thread has told them, and the signal that ends the wait
 * may wake the new worker instead of the one that waits: of 300 such workers in Firefox 153, 15
 * never went on, and without the listener none.
 *
 * @param {{send: (method: string, params: object) => Promise<any>}} connection
 */
async function forgetWorkers(connection) {
  const { result: tree } = await connection.send('browsingContext.getTree', {
    'moz:scope': 'chrome',
  });
  const { result } = await connection.send('script.evaluate', {
    target: { context: tree.contexts[0].context },
    awaitPromise: false,
    expression: FORGET_WORKERS,
  });
  // A version without that module tells nobody, or keeps it somewhere else.
  if (result.type !== 'success')
    console.warn(`A worker's worker may hang in this Firefox: ${result.exceptionDetails?.text}`);
}
