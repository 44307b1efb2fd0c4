// A Chromium that can be killed like a crash does it, and started again on the same profile.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ARGUMENTS, CHROMIUM, ROOT } from './harness.mjs';

const { chromium } = createRequire(join(ROOT, 'pkg/package.json'))('playwright-core');

/**
 * Starts it with nobody at its debugger.
 *
 * @param {string} profile a folder
 * @param {string} url
 */
export function startAlone(profile, url) {
  const process = spawn(
    CHROMIUM,
    [
      ...ARGUMENTS,
      `--user-data-dir=${profile}`,
      '--remote-debugging-port=0',
      '--no-default-browser-check',
      url,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = once(process, 'exit');
  return {
    process,
    exited,
    /** Ends it without a chance to write anything. */
    async kill() {
      process.kill('SIGKILL');
      await exited;
    },
  };
}

/** As `startAlone`, with a page to drive. */
export async function launch(profile, url) {
  const { process, exited, kill } = startAlone(profile, 'about:blank');
  const endpoint = await new Promise((found, failed) => {
    let said = '';
    process.stderr.on('data', (text) => {
      said += text;
      const match = /DevTools listening on (ws:\S+)/.exec(said);
      if (match) found(match[1]);
    });
    exited.then(() => failed(new Error(`Chromium ended: ${said}`)));
  });
  const browser = await chromium.connectOverCDP(endpoint);
  const page = await browser.contexts()[0].newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(url);
  return {
    page,
    async kill() {
      await kill();
      await browser.close().catch(() => {});
    },
  };
}

/** The processes of pages of the browser that has this profile. */
export function renderers(profile) {
  return readdirSync('/proc').filter((id) => {
    if (!/^\d+$/.test(id)) return false;
    try {
      const words = readFileSync(`/proc/${id}/cmdline`, 'utf8').split(/[\0 ]/);
      return words.includes('--type=renderer') && words.includes(`--user-data-dir=${profile}`);
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}
