// This script runs in a page without a debugger, because a debugger keeps copies of what the
// network delivers. It reports its measurements to the server.
import { Siskin } from '/lib/siskin.js';

/** The mode is `disk` or `memory`. */
const storage = location.search.slice(1);

const report = (name, value) =>
  fetch(`/report/${name}`, { method: 'POST', body: JSON.stringify(value) });

async function loadAndAsk() {
  await report('resting');
  const start_ms = performance.now();
  let from_cache;
  const siskin = await Siskin.load('/bad/model.gguf', {
    contextTokens: 1024,
    storage,
    onProgress: (progress) => (from_cache = progress.from_cache),
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
  let [answer_ms, text, usage] = [0, ''];
  for await (const chunk of chunks) {
    const { content } = chunk.choices[0].delta;
    if (content) answer_ms ||= performance.now() - asked_ms;
    text += content ?? '';
    usage = chunk.usage ?? usage;
  }
  await siskin.unload();
  const { prompt_tokens, prompt_tokens_details } = usage;
  const { cached_tokens } = prompt_tokens_details;
  return { load_ms, answer_ms, from_cache, text, prompt_tokens, cached_tokens, kv_cache_bytes };
}

/** Yields the files in which the model is stored, one after the other. */
async function readPlainly() {
  const root = await (
    await navigator.storage.getDirectory()
  ).getDirectoryHandle('siskin', { create: true });
  const start_ms = performance.now();
  let bytes = 0;
  for await (const folder of root.values()) {
    for await (const handle of folder.values())
      bytes += (await (await handle.getFile()).arrayBuffer()).byteLength;
  }
  return { read_ms: performance.now() - start_ms, bytes };
}

try {
  await report('done', { ...(await loadAndAsk()), ...(await readPlainly()) });
} catch (error) {
  await report('done', { error: String(error) });
}
