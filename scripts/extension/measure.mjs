// This script measures the extension in Chromium, with the real model, on the processor:
//
//   ./build.sh bench --extension [RUNS]
//
// For one thread and for two it corrects 200 characters, warm, and says when the first change and
// the whole answer were shown, which tasks of the page were longer than 50 ms meanwhile, and how
// far its frames were apart. Nothing else should run on the machine: the load that it begins with
// is said. The last lines are the tables of docs/design/extension.md.
/* global tasks, watching */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { act, isDone, openFields, waitForCard } from '../../tests/e2e/helpers/assistant.mjs';
import { QWEN } from '../../tests/e2e/helpers/harness.mjs';
import { TEXTS } from '../bench/texts.mjs';

const RUNS = Number(process.argv[2] ?? 4);
/** An answer may take this long. */
const MAX_MS = 300_000;
/** So long the page is watched while the engine works. */
const WATCH_MS = 6000;

/** Watches the frames and the long tasks of a page, in the page itself. */
const watch = (page) =>
  page.evaluate(() => {
    window.tasks = [];
    window.frames = [];
    window.watching = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) tasks.push(duration);
    });
    watching.observe({ type: 'longtask' });
    let last = performance.now();
    const frame = (now) => {
      frames.push(now - last);
      last = now;
      if (window.watching) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });

/** Returns the long tasks, and how far frames were apart: the median, 95 of 100, and the most. */
const unwatch = (page) =>
  page.evaluate(() => {
    watching.disconnect();
    window.watching = undefined;
    frames.sort((one, other) => one - other);
    const at = (part) => Math.round(frames[Math.floor(part * (frames.length - 1))]);
    return { tasks: tasks.map(Math.round), frames: [at(0.5), at(0.95), at(1)] };
  });

/**
 * Measures with a number of threads, and returns rows of the tables.
 *
 * @param {number} threads
 */
async function measure(threads) {
  const { context, open, close } = await openFields({
    model: QWEN,
    change: async (folder) => {
      const path = join(folder, 'extension/offscreen.js');
      const text = await readFile(path, 'utf8');
      const changed = text.replace('persist: true,', `persist: true, threads: ${threads},`);
      if (changed === text) throw new Error('offscreen.js no longer says "persist: true,"');
      await writeFile(path, changed);
    },
  });
  try {
    const { page } = await open();
    const correct = async (text) => {
      await page.locator('#area').fill(text);
      const start_ms = Date.now();
      await act(context, page, 'correct', 0);
      await waitForCard(page, (it) => it?.inserted.length > 0, { ms: MAX_MS });
      const first_ms = Date.now() - start_ms;
      const card = await waitForCard(page, isDone, { ms: MAX_MS });
      const all_ms = Date.now() - start_ms;
      await page.keyboard.press('Escape');
      console.error(
        `${threads} threads: first change ${first_ms} ms, all ${all_ms} ms, ` +
          `${card.inserted.length} changes`,
      );
      return { first_ms, all_ms, changes: card.inserted.length };
    };
    // The model is loaded and has read the beginning of its prompt.
    await correct(TEXTS[0]);
    const runs = [];
    for (let run = 0; run < RUNS; run++) runs.push(await correct(TEXTS[(run + 1) % 2]));
    const watched = [];
    // Polling the card is work for the page, so nobody polls while its frames are counted.
    for (const action of ['idle', 'correct', 'formal']) {
      await page.locator('#area').fill(TEXTS[1]);
      await watch(page);
      if (action !== 'idle') await act(context, page, action, 0);
      await page.waitForTimeout(WATCH_MS);
      const { tasks, frames } = await unwatch(page);
      watched.push(
        `| ${threads} | ${action} | ${tasks.join(', ') || 'none'} | ${frames.join(', ')} |`,
      );
      await page.keyboard.press('Escape');
    }
    const seconds = (/** @type {'first_ms' | 'all_ms'} */ name) =>
      runs.map((run) => (run[name] / 1000).toFixed(1)).join(', ');
    const changes = runs.map((run) => run.changes).join(', ');
    const answer = [threads, seconds('first_ms'), seconds('all_ms'), changes];
    return { answer: `| ${answer.join(' | ')} |`, watched };
  } finally {
    await close();
  }
}

console.error(`${cpus().length} cores, load of the last minute ${loadavg()[0].toFixed(2)}`);
const measured = [];
for (const threads of [1, 2]) measured.push(await measure(threads));
console.log(
  [
    '| threads | first change (s) | all (s) | changes |',
    '|---|---|---|---|',
    ...measured.map(({ answer }) => answer),
    '',
    '| threads | while | tasks over 50 ms | frames apart: median, 95 of 100, most (ms) |',
    '|---|---|---|---|',
    ...measured.flatMap(({ watched }) => watched),
  ].join('\n'),
);
