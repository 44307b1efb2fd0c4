// This script runs in a page without a debugger, which would keep copies of what the network brings
// (visits.mjs). It reports its measurements to the server.

const query = new URLSearchParams(location.search);
const threads = Number(query.get('threads'));
/** A stored part of a model has this size. */
const PART_BYTES = 2 << 20;

const report = (name, value) =>
  fetch(`/report/${name}`, { method: 'POST', body: JSON.stringify(value) });

async function loadSiskin() {
  const { Siskin } = await import('/lib/siskin.js');
  await report('resting');
  const start_ms = performance.now();
  const siskin = await Siskin.load('/model.gguf', {
    contextTokens: 1024,
    storage: query.get('storage'),
    backend: 'cpu',
    threads,
  });
  const load_ms = performance.now() - start_ms;
  const { kv_cache_bytes } = siskin.info;
  await report('loaded');
  const asked_ms = performance.now();
  const chunks = await siskin.chat.completions.create({
    messages: [{ role: 'user', content: 'Hello' }],
    temperature: 0,
    max_tokens: 2,
    stream: true,
  });
  let answer_ms = 0;
  let cached_tokens;
  for await (const { choices, usage } of chunks) {
    if (choices[0]?.delta.content) answer_ms ||= performance.now() - asked_ms;
    cached_tokens = usage?.prompt_tokens_details.cached_tokens ?? cached_tokens;
  }
  await siskin.unload();
  return { load_ms, answer_ms, cached_tokens, kv_cache_bytes };
}

async function loadWllama() {
  const { Wllama } = await import('/wllama/index.js');
  await report('resting');
  const start_ms = performance.now();
  const blob = await (await fetch('/model.gguf')).blob();
  const wllama = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { suppressNativeLog: true });
  // wllama's compatibility build would be fetched from a CDN.
  wllama.setCompat(null);
  await wllama.loadModel([blob], {
    n_ctx: 1024,
    n_threads: threads,
    n_gpu_layers: 0,
    n_parallel: 1,
  });
  const load_ms = performance.now() - start_ms;
  await report('loaded');
  return { load_ms };
}

/** Yields the files in which the model is stored, one after the other. */
async function readPlainly() {
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('siskin');
  const start_ms = performance.now();
  for await (const folder of root.values())
    for await (const handle of folder.values()) await (await handle.getFile()).arrayBuffer();
  return { read_ms: performance.now() - start_ms };
}

/** Fetches the model and keeps nothing. */
async function onlyFetch() {
  const start_ms = performance.now();
  const reader = (await fetch('/model.gguf')).body.getReader();
  while (!(await reader.read()).done);
  return { load_ms: performance.now() - start_ms };
}

/** Writes as many bytes as the model has, in files of a part each, as a dedicated worker can. */
async function onlyStore() {
  const response = await fetch('/model.gguf', { method: 'HEAD' });
  const parts = Math.ceil(Number(response.headers.get('Content-Length')) / PART_BYTES);
  const worker = new Worker('/page.mjs?worker', { type: 'module' });
  const done = new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
  worker.postMessage(parts);
  return done;
}

async function storeParts(parts) {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle('bench', { create: true });
  const bytes = new Uint8Array(PART_BYTES);
  for (let at = 0; at < bytes.length; at += 65_536)
    crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  const start_ms = performance.now();
  for (let part = 0; part < parts; part++) {
    const handle = await folder.getFileHandle(String(part), { create: true });
    const file = await handle.createSyncAccessHandle();
    file.write(bytes, { at: 0 });
    file.close();
  }
  return { load_ms: performance.now() - start_ms };
}

async function measure() {
  if (query.get('only') === 'fetch') return onlyFetch();
  if (query.get('only') === 'store') return onlyStore();
  if (location.pathname === '/wllama') return loadWllama();
  const loaded = await loadSiskin();
  return query.has('read') ? { ...loaded, ...(await readPlainly()) } : loaded;
}

if (query.has('worker'))
  globalThis.onmessage = async ({ data }) => postMessage(await storeParts(data));
else
  measure().then(
    (value) => report('done', value),
    (error) => report('done', { error: String(error) }),
  );
