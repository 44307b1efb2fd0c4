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
  await report('loaded');
  const asked_ms = performance.now();
  const chunks = await siskin.chat.completions.create({
    messages: [{ role: 'user', content: 'Hello' }],
    temperature: 0,
    max_tokens: 2,
    stream: true,
  });
  let answer_ms = 0;
  for await (const { choices } of chunks)
    if (choices[0].delta.content) answer_ms ||= performance.now() - asked_ms;
  await siskin.unload();
  return { load_ms, first_ms: load_ms + answer_ms, from_cache };
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
