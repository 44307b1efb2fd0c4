// This module starts sites whose worker has a graphics card with faults.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setLayerCount } from './gguf.mjs';
import { MODELS_DIR, ROOT, SMOLLM2, start } from './harness.mjs';

export const URL_PATH = `/models/${SMOLLM2}`;
/**
 * Serves two of the model's thirty layers to tests that need no whole model: SwiftShader takes
 * seconds for a token of all layers.
 */
export const SHORT_PATH = '/short.gguf';
/** Serves a model of random weights, whose tokens are bytes. */
export const TINY_PATH = '/tiny.gguf';
/** The tiny model is allowed small letters, so that each token is text. */
export const LETTERS = Array.from({ length: 26 }, (_, i) => 'a'.charCodeAt(0) + i);

/** These are the routes of both. */
export const GPU_MODELS = {
  [SHORT_PATH]: async (_request, response) =>
    response.writeHead(200).end(setLayerCount(await readFile(join(MODELS_DIR, SMOLLM2)), 2)),
  [TINY_PATH]: join(ROOT, 'tests/fixtures/models/chat-tiny.gguf'),
};

const ENGINE = join(ROOT, 'www/lib/engine');
export const ADAPTER = readFileSync(join(ENGINE, 'adapter.js'), 'utf8');

/** Returns a route that serves a script. */
export const script = (code) => (_request, response) =>
  response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(code);

/**
 * Starts a site whose worker runs `code` before it looks for a card.
 *
 * @param {string} code
 * @param {string} [strategy] options of `Engine.on_gpu`, so that what is tested is in use
 */
export const siteWith = (code, strategy = '') =>
  start(
    {
      ...GPU_MODELS,
      '/src/engine/adapter.js': script(`${ADAPTER}\n${code}`),
      '/src/engine/backend.js': script(withStrategy(strategy)),
    },
    { gpu: true },
  );

/** Returns the text of backend.js, with `strategy` among the options of the card. */
function withStrategy(strategy) {
  const text = readFileSync(join(ENGINE, 'backend.js'), 'utf8');
  const [options, others] = text.split('cache_type: message.cache_type,');
  if (others === undefined) throw new Error('the options of the card are not found');
  return `${options}cache_type: message.cache_type, ${strategy} ${others}`;
}

/** Makes SwiftShader look like a card, because `backend: "auto"` skips fallback adapters. */
export const AS_A_CARD = `
  Object.defineProperties(GPUAdapterInfo.prototype, {
    isFallbackAdapter: { get: () => false },
    architecture: { get: () => 'card' },
  });`;

/** Returns code after which shaders have `to` in place of `from`. */
export const withShaders = (from, to) => `
  const { createShaderModule } = GPUDevice.prototype;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    const code = descriptor.code.replace(${JSON.stringify(from)}, ${JSON.stringify(to)});
    return createShaderModule.call(this, { ...descriptor, code });
  };`;

/** Loads the model, asks for the capital of France, and returns what happened. */
export const askOnce = (page, options, url = URL_PATH) =>
  page.evaluate(
    async ({ url, options }) => {
      const { Siskin } = await import('/src/siskin.js');
      const siskin = await Siskin.load(url, { contextTokens: 256, ...options });
      const { choices } = await siskin.chat.completions.create({
        messages: [{ role: 'user', content: 'What is the capital of France?' }],
        temperature: 0,
        max_tokens: 8,
      });
      const memory_bytes = await siskin.memoryBytes();
      await siskin.unload();
      return { text: choices[0].message.content, info: siskin.info, memory_bytes };
    },
    { url, options },
  );
