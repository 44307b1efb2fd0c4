// This module launches headless Firefox through puppeteer and WebDriver BiDi, because playwright's
// protocol does not drive an unpatched Firefox.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const FIREFOX = process.env.SISKIN_FIREFOX || '/usr/bin/firefox-esr';

/** With these preferences WebGPU finds an adapter, in workers too, on machines without a GPU. */
export const WEBGPU_PREFS = { 'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true };

/**
 * @param {Record<string, unknown>} prefs
 * @param {string} [profile] a folder that outlives the browser
 */
export function launchFirefox(prefs, profile) {
  const puppeteer = createRequire(
    join(fileURLToPath(new URL('..', import.meta.url)), 'pkg/package.json'),
  )('puppeteer-core');
  // Callers have limits of their own. Puppeteer's default of three minutes is too short where a
  // slow machine compiles every kernel.
  const protocolTimeout = 15 * 60_000;
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    extraPrefsFirefox: prefs,
    userDataDir: profile,
    protocolTimeout,
  });
}
