// This module opens pages in headless Firefox.
import { FIREFOX, WEBGPU_PREFS, launchFirefox } from '../../../scripts/firefox.mjs';
import { cannotRun } from './harness.mjs';

export { WEBGPU_PREFS };

/**
 * Returns why tests in Firefox cannot run here, or false if they can.
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
 * @param {object} [options]
 * @param {Record<string, unknown>} [options.prefs]
 * @param {string} [options.profile] a folder that outlives the browser
 */
export async function openFirefox(url, { prefs = {}, profile } = {}) {
  const browser = await launchFirefox(prefs, profile);
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  await page.goto(url);
  return { browser, page, complaints, stop: () => browser.close() };
}
