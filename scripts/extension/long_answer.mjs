// This script looks whether Chrome ends the engine's document in an answer of many minutes:
//
//   node scripts/extension.mjs pkg/extension && node scripts/extension/long_answer.mjs [MINUTES]
//
// It says how long the answer took, and whether one engine's document gave all of it.
import { act, inEngine, openFields, stopWorker } from '../../tests/e2e/helpers/assistant.mjs';
import { QWEN } from '../../tests/e2e/helpers/harness.mjs';

const MINUTES = Number(process.argv[2] ?? 6);

const { context, open, close } = await openFields({ model: QWEN });
const { page } = await open();
await page.locator('#area').fill('She have two cats.');
await act(context, page, 'correct', 0);
await page.waitForTimeout(30_000);
await inEngine(page, 'globalThis.is_first = true');
// A page of the extension asks for a list that has no end.
const [worker] = context.serviceWorkers();
const asker = await context.newPage();
await asker.goto(new URL('/extension/options/options.html', worker.url()).href);
await stopWorker(context);
const { tokens, ms, gap_ms } = await asker.evaluate(async (limit_ms) => {
  const { ExtensionEngine } = await import('/extension/engine.js');
  const start = performance.now();
  let [tokens, last, gap_ms] = [0, start, 0];
  const engine = new ExtensionEngine();
  const chunks = await engine.siskin.chat.completions.create({
    messages: [{ role: 'user', content: 'Write the numbers from 1 to 100000, one a line.' }],
    stream: true,
    temperature: 0,
    max_tokens: 20_000,
  });
  for await (const { choices } of chunks) {
    if (!choices[0]?.delta.content) continue;
    const now = performance.now();
    gap_ms = Math.max(gap_ms, now - last);
    last = now;
    tokens += 1;
    if (now - start > limit_ms) break;
  }
  return { tokens, ms: performance.now() - start, gap_ms };
}, MINUTES * 60_000);
const is_same = await inEngine(page, 'globalThis.is_first === true');
console.log(
  `${tokens} tokens in ${Math.round(ms / 1000)} s, at most ${Math.round(gap_ms)} ms apart; ` +
    (is_same ? 'one document gave all of it' : 'the document was ended meanwhile'),
);
await close();
