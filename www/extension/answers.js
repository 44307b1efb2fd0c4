/**
 * This module answers conversations where the settings say: by the engine on this computer, by
 * Chrome's own model, or by the server that was turned on.
 */
import { SiskinError } from '../lib/errors.js';
import { Siskin } from '../lib/siskin.js';
import { askChromeModel, chromeModelState } from './chrome_model.js';
import { ExtensionEngine } from './engine.js';
import { readSettings } from './settings.js';

/** @import { ChatCompletionChunk } from '../lib/chat/completions.js' */
/** @import { ChatMessage } from '../lib/protocol.js' */
/** @import { EngineStatus } from './messages.js' */
/** @import { FallbackSetting, Settings } from './settings.js' */

/**
 * `Place` says where answers are computed; `none` means that there is no model yet.
 *
 * @typedef {{kind: 'engine'} | {kind: 'chrome'} | {kind: 'server', host: string} |
 *   {kind: 'none'}} Place
 */

/**
 * A `Chunk` is what of a `ChatCompletionChunk` both ways have.
 *
 * @typedef {ChatCompletionChunk} Chunk
 */

/** `Siskin.load` wants a source. With `until: 'never'` it is not fetched. */
const NO_MODEL = 'https://siskin.invalid/none.gguf';

/**
 * Returns where the next answer is computed.
 *
 * @param {Settings} settings
 * @returns {Promise<Place>}
 */
export async function placeOf({ backend, fallback, ready }) {
  if (backend === 'chrome' && (await chromeModelState()) === 'available') return { kind: 'chrome' };
  if (fallback.on && (fallback.until === 'never' || !ready))
    return { kind: 'server', host: new URL(fallback.baseURL).host };
  return { kind: ready ? 'engine' : 'none' };
}

/** An `Answerer` answers one conversation after the other. */
export class Answerer {
  #engine;
  #readSettings;
  /** The server's client, and what it was made of. */
  #server = { made_of: '', siskin: /** @type {Promise<Siskin> | undefined} */ (undefined) };

  /**
   * @param {object} [options]
   * @param {(status: EngineStatus) => void} [options.onStatus]
   * @param {() => Promise<Settings>} [options.settings] reads them, where a document cannot
   * @param {boolean} [options.has_engine] whether the engine may be asked; by default true
   */
  constructor({ onStatus, settings = readSettings, has_engine = true } = {}) {
    this.#engine = has_engine ? new ExtensionEngine({ onStatus }) : undefined;
    this.#readSettings = settings;
  }

  /**
   * Answers the last message.
   *
   * @param {ChatMessage[]} messages
   * @param {{signal: AbortSignal, max_tokens: number, temperature: number}} options
   * @returns {Promise<{place: Place, chunks: AsyncIterable<Chunk>}>}
   * @throws {SiskinError} `not_loaded` where there is no model yet
   */
  async answer(messages, { signal, ...more }) {
    const settings = await this.#readSettings();
    const place = await placeOf(settings);
    if (place.kind === 'chrome')
      return { place, chunks: chunksOf(askChromeModel(messages, signal)) };
    const siskin =
      place.kind === 'server'
        ? await this.#serverFor(settings.fallback)
        : place.kind === 'engine'
          ? this.#engine?.siskin
          : undefined;
    if (!siskin) throw new SiskinError('not_loaded', 'There is no model yet. Choose one first.');
    const request = { ...more, messages, stream: /** @type {const} */ (true), signal };
    return { place, chunks: await siskin.chat.completions.create(request) };
  }

  /** @param {FallbackSetting} fallback */
  #serverFor({ baseURL, model, apiKey }) {
    const made_of = JSON.stringify([baseURL, model, apiKey]);
    if (!this.#server.siskin || this.#server.made_of !== made_of) {
      const key = apiKey === '' ? {} : { apiKey };
      const siskin = Siskin.load(NO_MODEL, {
        fallback: { baseURL, model, until: 'never', ...key },
      });
      this.#server = { made_of, siskin };
    }
    return /** @type {Promise<Siskin>} */ (this.#server.siskin);
  }
}

/**
 * Returns pieces of a text as chunks of OpenAI's form.
 *
 * @param {AsyncIterable<string>} pieces
 * @returns {AsyncGenerator<Chunk>}
 */
async function* chunksOf(pieces) {
  const chunk = (/** @type {string} */ content, /** @type {'stop' | null} */ finish_reason) =>
    /** @type {Chunk} */ (
      /** @type {unknown} */ ({ choices: [{ index: 0, delta: { content }, finish_reason }] })
    );
  for await (const piece of pieces) yield chunk(piece, null);
  yield chunk('', 'stop');
}
