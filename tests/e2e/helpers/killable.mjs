// This module runs a Chromium that can be killed as by a crash, and started again on the same
// profile.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { CHROMIUM, SWITCHES, playwright } from '../../../scripts/chromium.mjs';

/**
 * Starts Chromium without a debugger.
 *
 * @param {string} profile a folder
 * @param {string} url
 */
export function startAlone(profile, url) {
  const process = spawn(
    CHROMIUM,
    [
      ...SWITCHES,
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
    /** Kills Chromium, so that it cannot write anything. */
    async kill() {
      process.kill('SIGKILL');
      await exited;
    },
  };
}

/** Starts Chromium as `startAlone` does, with a page to drive. */
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
  const browser = await playwright().connectOverCDP(endpoint);
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

/** Returns the page processes of the browser that has this profile. */
export const renderers = (profile) => processes(profile, '--type=renderer');

/** Returns the processes of the browser that has this profile, all or those with a switch. */
export function processes(profile, type) {
  return readdirSync('/proc').filter((id) => {
    if (!/^\d+$/.test(id)) return false;
    try {
      const words = readFileSync(`/proc/${id}/cmdline`, 'utf8').split(/[\0 ]/);
      return words.includes(`--user-data-dir=${profile}`) && (!type || words.includes(type));
    } catch {
      // The process has ended in the meantime.
      return false;
    }
  });
}

/** Returns how long a process has computed, in ticks of the clock; 0 where it has ended. */
export function ticksOf(id) {
  try {
    // The name, in brackets, may hold spaces. The fields behind it begin with the third.
    const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ').pop().split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}
