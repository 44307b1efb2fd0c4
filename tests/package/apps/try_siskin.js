// Every app of these tests runs this: it loads the model that the page's address names, streams an
// answer, stops another one, and unloads.
export async function trySiskin(Siskin, options) {
  const model = new URLSearchParams(location.search).get('model');
  const siskin = await Siskin.load(model, { contextTokens: 256, backend: 'cpu', ...options });
  const { build, threads } = siskin.info;
  const { completions } = siskin.chat;
  const messages = [{ role: 'user', content: 'What is the capital of France?' }];
  const request = { messages, stream: true, temperature: 0 };
  let text = '';
  for await (const chunk of await completions.create({ ...request, max_tokens: 8 }))
    text += chunk.choices[0].delta.content ?? '';
  let chunks = 0;
  for await (const _ of await completions.create({ ...request, max_tokens: 100 }))
    if (++chunks === 3) break;
  await siskin.unload();
  const later = await siskin.tokenize('x').catch(({ code }) => code);
  return { build, threads, text, chunks, later };
}

/** Keeps what came of it for the test. */
export function report(trying) {
  globalThis.result = trying.catch(({ name, code, message }) => ({ name, code, message }));
  // StrictMode's first try is aborted, and its second one takes its place.
  globalThis.result.then((result) => {
    if (result.code !== 'aborted') globalThis.outcome = result;
  });
}
