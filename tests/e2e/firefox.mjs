// A page in headless Firefox, which playwright's own protocol does not drive: puppeteer does, over WebDriver BiDi.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT, cannotRun } from './harness.mjs';

const FIREFOX = process.env.SISKIN_FIREFOX || '/usr/bin/firefox-esr';

/** What lets WebGPU find an adapter, in workers too, where there is no GPU. */
export const WEBGPU_PREFS = { 'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true };

/**
 * Why tests in Firefox cannot run here; false if they can.
 *
 * @param {...string} models files that they need
 */
export function cannotRunFirefox(...models) {
  return cannotRun(...models, [FIREFOX, './build.sh test installs Firefox']);
}

/**
 * Opens `url` in a Firefox of its own; `complaints` collects errors of the page and of its console.
 *
 * @param {string} url
 * @param {{prefs?: Record<string, unknown>, profile?: string}} [options] profile: a folder that outlives the browser
 */
export async function openFirefox(url, { prefs = {}, profile } = {}) {
  const puppeteer = createRequire(join(ROOT, 'pkg/package.json'))('puppeteer-core');
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath: FIREFOX, headless: true, extraPrefsFirefox: prefs, userDataDir: profile });
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.goto(url);
  return { browser, page, complaints, stop: () => browser.close() };
}
