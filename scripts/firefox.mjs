// A headless Firefox, which playwright's own protocol does not drive: puppeteer does, over WebDriver BiDi.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const FIREFOX = process.env.SISKIN_FIREFOX || '/usr/bin/firefox-esr';

/** What lets WebGPU find an adapter, in workers too, where there is no GPU. */
export const WEBGPU_PREFS = { 'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true };

/**
 * @param {Record<string, unknown>} prefs
 * @param {string} [profile] a folder that outlives the browser
 */
export function launchFirefox(prefs, profile) {
  const puppeteer = createRequire(
    join(fileURLToPath(new URL('..', import.meta.url)), 'pkg/package.json'),
  )('puppeteer-core');
  // Who calls has limits of its own; puppeteer's of three minutes is short where a slow machine compiles every kernel.
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
