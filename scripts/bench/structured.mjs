// This script measures what it costs to hold an answer to a JSON schema: tokens per second of
// answers with and without one, in turns, in headless Chromium.
//
// node scripts/bench/structured.mjs MODEL.gguf [ROUNDS]
//
// The package must be built (./build.sh build), and the machine do nothing else.
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchChromium } from '../chromium.mjs';
import { startServer } from '../serve.mjs';

const [file, rounds = '5'] = process.argv.slice(2);

const server = await startServer({
  routes: {
    '/': (_, response) =>
      response
        .writeHead(200, { 'Content-Type': 'text/html' })
        .end('<!doctype html><title>Structured</title>'),
    '/lib/': fileURLToPath(new URL('../../pkg/dist', import.meta.url)),
    '/model.gguf': resolve(file),
  },
});
const browser = await launchChromium([]);
try {
  const page = await browser.newPage();
  await page.goto(server.url);
  const { first_ms, free, held, build } = await page.evaluate(measure, Number(rounds));
  const median = (rates) => rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)];
  const ratio = median(held.map((rate, index) => rate / free[index]));
  console.log(
    `${basename(file)} (${build}): ${median(free).toFixed(1)} tokens/s free, ` +
      `${median(held).toFixed(1)} held, ratio ${ratio.toFixed(3)}; ` +
      `the first form takes ${Math.round(first_ms)} ms more`,
  );
} finally {
  await browser.close();
  await server.close();
}

/** Returns the rates of each round. Runs in the page. */
async function measure(rounds) {
  const { Siskin } = await import('/lib/siskin.js');
  const siskin = await Siskin.load('/model.gguf', { contextTokens: 1024 });
  const items = { type: 'string', maxLength: 60 };
  const schema = { type: 'array', minItems: 200, items };
  const response_format = { type: 'json_schema', json_schema: { name: 'story', schema } };
  const ask = async (more) => {
    const { timings } = await siskin.chat.completions.create({
      messages: [{ role: 'user', content: 'Write a story as JSON strings.' }],
      temperature: 1,
      max_tokens: 120,
      // Guesses would hide the cost: they make some answers faster than others.
      draft_max: 0,
      ...more,
    });
    return timings.decode_tokens_per_second;
  };
  await ask({ seed: 0, max_tokens: 2 });
  const begin_ms = performance.now();
  await ask({ regex: 'a', max_tokens: 2 });
  const first_ms = performance.now() - begin_ms;
  const rates = { free: [], held: [] };
  for (let seed = 0; seed < rounds; seed += 1) {
    rates.free.push(await ask({ seed }));
    rates.held.push(await ask({ seed, response_format }));
  }
  return { first_ms, ...rates, build: siskin.info.build };
}
