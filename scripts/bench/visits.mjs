// This script measures what a return to a page costs, and what the first visit takes beside
// wllama's load of a blob. The visits of all packages and thread counts are made in turns, each in
// a Chromium of its own without a debugger, with a profile on disk; it prints medians to stdout.
//
// node scripts/bench/visits.mjs --file MODEL.gguf [--dist FOLDER]... [--threads 1,2] [--rounds 5]
//   [--first]
//
// --dist names a built package's dist folder; without it pkg/dist is measured. --first measures
// first visits: Siskin that stores, Siskin that keeps nothing, and wllama.

import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { renderers, startAlone } from '../../tests/e2e/helpers/killable.mjs';
import { WLLAMA_POLICY } from './engines.mjs';
import { startServer } from '../serve.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    dist: { type: 'string', multiple: true, default: [join(ROOT, 'pkg/dist')] },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '5' },
    first: { type: 'boolean', default: false },
  },
});
if (!values.file) throw new Error('--file names the model');
const file = resolve(values.file);
const file_bytes = statSync(file).size;
const threads = values.threads.split(',').map(Number);
const rounds = Number(values.rounds);

/** @type {(name: string, value: any) => void} what the page under way reports to */
let onReport = () => {};
const html = (policy) => (_request, response) =>
  response
    .writeHead(200, { 'Content-Type': 'text/html', ...policy })
    .end('<!doctype html><title>Visit</title><script type="module" src="/page.mjs"></script>');

/** Serves a package; each has an origin of its own. */
function serve(dist) {
  return startServer({
    routes: {
      '/siskin': html({}),
      '/wllama': html({ 'Content-Security-Policy': WLLAMA_POLICY }),
      '/page.mjs': join(ROOT, 'scripts/bench/visits_page.mjs'),
      '/model.gguf': file,
      '/lib/': dist,
      '/wllama/': join(ROOT, 'pkg/node_modules/@wllama/wllama/esm'),
      '/report/': async (request, response) => {
        const value = await text(request);
        onReport(request.url.split('/').pop(), value ? JSON.parse(value) : undefined);
        response.end();
      },
    },
  });
}

const statusBytes = (id, name) =>
  Number(
    new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(readFileSync(`/proc/${id}/status`, 'utf8'))[1],
  ) * 1024;

/** Opens a page in a browser of its own and returns what it measures. */
async function visit(profile, url) {
  let resting = new Map();
  let grown_bytes = 0;
  let own_bytes = 0;
  const done = new Promise((resolve) => {
    onReport = (name, value) => {
      if (name === 'resting') {
        resting = new Map(
          renderers(profile).map((id) => [
            id,
            { all: statusBytes(id, 'VmRSS'), file: statusBytes(id, 'RssFile') },
          ]),
        );
        // This resets the peak.
        for (const id of resting.keys()) writeFileSync(`/proc/${id}/clear_refs`, '5');
      } else if (name === 'loaded') {
        // The file is the browser's program, whose pages all tabs share.
        const grown = renderers(profile)
          .filter((id) => resting.has(id))
          .map((id) => {
            const bytes = statusBytes(id, 'VmHWM') - resting.get(id).all;
            return { bytes, own: bytes - (statusBytes(id, 'RssFile') - resting.get(id).file) };
          });
        grown_bytes = Math.max(...grown.map(({ bytes }) => bytes));
        own_bytes = Math.max(...grown.map(({ own }) => own));
      } else if (name === 'trace') console.error(JSON.stringify(value));
      else resolve(value);
    };
  });
  const browser = startAlone(profile, url);
  try {
    const value = await Promise.race([done, browser.exited.then(() => ({ error: 'it ended' }))]);
    if (value.error) throw new Error(value.error);
    const model_bytes = file_bytes + (value.kv_cache_bytes ?? 0);
    const memory_share = grown_bytes / model_bytes;
    return { ...value, memory_share, own_share: own_bytes / model_bytes };
  } finally {
    await browser.kill();
  }
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const newProfile = () => mkdtemp(join(tmpdir(), 'siskin-visits-'));
const forget = (profile) => rm(profile, { recursive: true, force: true, maxRetries: 3 });

/** @type {Map<string, any[]>} */
const results = new Map();
const add = (name, result) => {
  results.set(name, [...(results.get(name) ?? []), result]);
  console.error(name, JSON.stringify(result));
};

async function returns() {
  const servers = await Promise.all(values.dist.map((dist) => serve(resolve(dist))));
  const profiles = await Promise.all(servers.map(newProfile));
  try {
    for (const [i, { url }] of servers.entries())
      await visit(profiles[i], `${url}/siskin?storage=disk&threads=1`);
    for (let round = 0; round < rounds; round++)
      for (const count of threads)
        for (const [i, { url }] of servers.entries()) {
          const page = `${url}/siskin?storage=disk&threads=${count}&read`;
          add(`${values.dist[i]}, ${count} thread(s)`, await visit(profiles[i], page));
        }
  } finally {
    await Promise.all(servers.map(({ close }) => close()));
    await Promise.all(profiles.map(forget));
  }
  console.log(
    '| | load, ms | plain read, ms | load / read | first token after it, ms | ' +
      "memory / (file + cache) | the same without the browser's program |",
  );
  console.log('|---|--:|--:|--:|--:|--:|--:|');
  for (const [name, runs] of results) {
    const of = (field) => median(runs.map((run) => run[field]));
    const ratio = median(runs.map(({ load_ms, read_ms }) => load_ms / read_ms));
    console.log(
      `| ${name} | ${Math.round(of('load_ms'))} | ${Math.round(of('read_ms'))} | ` +
        `${ratio.toFixed(2)} | ${Math.round(of('answer_ms'))} | ` +
        `${of('memory_share').toFixed(3)} | ${of('own_share').toFixed(3)} |`,
    );
  }
}

async function firsts() {
  const server = await serve(resolve(values.dist.at(-1)));
  try {
    for (let round = 0; round < rounds; round++)
      for (const count of threads)
        for (const [name, path] of [
          ['siskin, storing', 'siskin?storage=disk'],
          ['siskin, storing nothing', 'siskin?storage=memory'],
          ['wllama, a blob', 'wllama?'],
          ['storing alone', 'siskin?only=store'],
          ['fetching alone', 'siskin?only=fetch'],
        ]) {
          const profile = await newProfile();
          try {
            const result = await visit(profile, `${server.url}/${path}&threads=${count}`);
            add(`${name}, ${count} thread(s)`, result);
          } finally {
            await forget(profile);
          }
        }
  } finally {
    await server.close();
  }
  console.log('| first visit | load, ms |');
  console.log('|---|--:|');
  const load_ms = new Map(
    [...results].map(([name, runs]) => [name, median(runs.map(({ load_ms }) => load_ms))]),
  );
  for (const [name, ms] of load_ms) console.log(`| ${name} | ${Math.round(ms)} |`);
  for (const count of threads) {
    const of = (name) => load_ms.get(`${name}, ${count} thread(s)`);
    const [kept, blob] = [of('siskin, storing'), of('wllama, a blob')];
    const storing = kept - of('siskin, storing nothing');
    console.log(
      `\n${count} thread(s): of Siskin's load storing takes ${Math.round(storing)} ms (alone ` +
        `${Math.round(of('storing alone'))} ms); the rest is ` +
        `${((kept - storing) / blob).toFixed(2)} of wllama's load, all of it ` +
        `${(kept / blob).toFixed(2)}.`,
    );
  }
}

await (values.first ? firsts() : returns());
