// A Chromium that can be killed like a crash does it, and started again on the same profile.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ARGUMENTS, CHROMIUM, ROOT } from './harness.mjs';

const { chromium } = createRequire(join(ROOT, 'pkg/package.json'))('playwright-core');

/**
 * @param {string} profile a folder
 * @param {string} url
 */
export async function launch(profile, url) {
  const process = spawn(CHROMIUM, [...ARGUMENTS, `--user-data-dir=${profile}`, '--remote-debugging-port=0', '--no-default-browser-check', 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(process, 'exit');
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
    /** Ends it without a chance to write anything. */
    async kill() {
      process.kill('SIGKILL');
      await exited;
      await browser.close().catch(() => {});
    },
  };
}
