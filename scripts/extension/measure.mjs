// This script measures the extension in Chromium, with the real model, on the processor:
//
//   node scripts/extension.mjs pkg/extension && node scripts/extension/measure.mjs [RUNS]
//
// For one thread and for two it corrects 200 characters, warm, and says when the first change and
// the whole answer were shown, which tasks of the page were longer than 50 ms meanwhile, and how
// far its frames were apart. Nothing else should run on the machine.
/* global tasks, watching */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  act,
  controlOf,
  openAssistant,
  openPage,
  plainFolder,
  waitForCard,
} from '../../tests/e2e/helpers/assistant.mjs';
import { QWEN, ROOT } from '../../tests/e2e/helpers/harness.mjs';
import { startServer } from '../serve.mjs';

const RUNS = Number(process.argv[2] ?? 3);
/** 200 characters, of which none is asked about twice. */
const TEXTS = [
  'She have two cats. The keys is on the table in the hall. Please let me knows if you can come on ' +
    'Saturday. The new apple trees looks wonderful, and thank you for you’re help with the garden ' +
    'last week!',
  'He have a dog. The books is on the shelf in the room. Please let me knows when you will arrive ' +
    'on Monday. The old pear trees looks beautiful, and thank you for you’re help with the roof ' +
    'last month!',
];

const server = await startServer({
  routes: { '/fields/': plainFolder(join(ROOT, 'tests/e2e/pages/fields')) },
});
const site = server.url.replace('127.0.0.1', 'localhost');

for (const threads of [1, 2]) {
  const { context, stop } = await openAssistant(
    { model: { kind: 'url', url: `${site}/models/${QWEN}` }, backend: 'cpu', ready: true },
    {
      change: async (folder) => {
        const path = join(folder, 'extension/offscreen.js');
        const text = await readFile(path, 'utf8');
        await writeFile(
          path,
          text.replace('persist: true,', `persist: true, threads: ${threads},`),
        );
      },
    },
  );
  const { page } = await openPage(context, `${site}/fields/plain.html`);
  const isDone = (it) => controlOf(it, 'Retry')?.is_enabled;
  /** Waits in the page itself, so that watching does not disturb what is watched. */
  const watch = () =>
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
  const unwatch = () =>
    page.evaluate(() => {
      watching.disconnect();
      window.watching = undefined;
      frames.sort((one, other) => one - other);
      const at = (part) => Math.round(frames[Math.floor(part * (frames.length - 1))]);
      return { tasks: tasks.map(Math.round), frames: [at(0.5), at(0.95), at(1)] };
    });
  const correct = async (text) => {
    await page.locator('#area').fill(text);
    const start_ms = Date.now();
    await act(context, page, 'correct', 0);
    await waitForCard(page, (it) => it?.inserted.length > 0, { ms: 120_000 });
    const first_ms = Date.now() - start_ms;
    const card = await waitForCard(page, isDone, { ms: 120_000 });
    return { first_ms, total_ms: Date.now() - start_ms, changes: card.inserted.length };
  };
  // The model is loaded and has read the beginning of its prompt.
  await correct(TEXTS[0]);
  await page.keyboard.press('Escape');
  await watch();
  await page.waitForTimeout(3000);
  console.log(`${threads} threads, idle: ${JSON.stringify(await unwatch())}`);
  for (let run = 0; run < RUNS; run++) {
    const { first_ms, total_ms, changes } = await correct(TEXTS[(run + 1) % 2]);
    console.log(
      `${threads} threads: first change ${first_ms} ms, all ${total_ms} ms, ${changes} changes`,
    );
    await page.keyboard.press('Escape');
  }
  // Polling the card is work for the page, so nobody polls while its frames are counted.
  for (const action of ['correct', 'formal']) {
    await page.locator('#area').fill(TEXTS[1]);
    await watch();
    await act(context, page, action, 0);
    await page.waitForTimeout(6000);
    console.log(`${threads} threads, ${action}: ${JSON.stringify(await unwatch())}`);
    await page.keyboard.press('Escape');
  }
  await stop();
}
await server.close();
