/// <reference lib="esnext.disposable" preserve="true" />
/** This module holds the class that an application uses. */
import { SiskinError, abortedError, throwIfAborted, throwIfUnsupported } from './errors.js';
import { failedModel, orAborted } from './engine/waiting.js';
import { readSignal, tokenIds } from './chat/arguments.js';
import { readLoadOptions } from './load_options.js';
import { OpenAIMembers } from './openai_members.js';
import { EngineClient } from './engine/engine_client.js';
import { openEngine, unloadedError, waitForModel } from './engine/engines.js';
import { forgetGpus } from './engine/gpu_verdicts.js';
import {
  chat,
  importCalls,
  importChat,
  importCheck,
  importFallback,
  importOpenAI,
  importPrefix,
  importShared,
  importStream,
  importWriting,
} from './lazy.js';
import { describeSource } from './model/source.js';
import { requestPersistence } from './storage/persistence.js';

export { SiskinError } from './errors.js';
export { models, offline } from './lazy.js';

/** @import { Fallback } from './chat/fallback.js' */
/** @import { LoadOptions } from './load_options.js' */
/** @import { Ask } from './chat/completions.js' */
/** @import { Prefix, PrefixOptions } from './chat/prefix.js' */
/** @import { ChatMessage, ChatRequest, CheckResult, LoadProgress, Score } from './protocol.js' */
/** @import { Client, LoadedModel, ModelHandle } from './engine/engines.js' */
/** @import { PortLike } from './engine/port.js' */
/** @import { ProofreadOptions, RewriteOptions } from './writing/options.js' */
/** @import { ProofreadResult } from './writing/proofread.js' */

/**
 * Whoever forgets a model without `unload` lets go of it when the garbage is collected: a module
 * that was replaced while a page is developed, for instance.
 *
 * @type {FinalizationRegistry<Client>}
 */
const forgotten = new FinalizationRegistry((client) => client.closeWhenIdle());

/**
 * A `ModelSource` is what `Siskin.load` takes; a `File` is a `Blob`.
 *
 * @typedef {string | URL | Request | Response | Blob | ReadableStream<Uint8Array>} ModelSource
 */

/**
 * A `Siskin` is a loaded model in a worker of its own.
 *
 * ```js
 * const siskin = await Siskin.load('/models/qwen2.5-0.5b-instruct-q4_k_m.gguf');
 * const messages = [{ role: 'user', content: 'Hello' }];
 * const chunks = await siskin.chat.completions.create({ messages, stream: true });
 * for await (const chunk of chunks) output.append(chunk.choices[0].delta.content);
 * ```
 */
export class Siskin extends OpenAIMembers {
  /** @type {LoadedModel | undefined} */
  #model;
  #loading;
  #fallback;
  #end;
  #unloaded = false;

  /**
   * Applications use `Siskin.load` or `Siskin.connect` instead of the constructor.
   *
   * @param {Omit<ModelHandle, 'client'> & {client?: Client}} model
   * @param {Fallback} [fallback]
   */
  constructor({ client, loading, end }, fallback) {
    super({
      ask: (request, signal, n) => this.#ask(request, signal, n),
      model: (signal) => this.#loaded(signal),
    });
    this.#loading = loading;
    this.#fallback = fallback;
    this.#end = end;
    if (client) forgotten.register(this, client, this);
    /**
     * `ready` resolves when the model is loaded, and rejects with the error of the loading. Only
     * callers with `fallback` need it: without that, `load` waits for it.
     */
    this.ready = loading.then(async (model) => {
      await importChat();
      this.#model = model;
    });
    this.ready.catch(end);
  }

  /**
   * Tells what was loaded and where it runs.
   *
   * @throws {SiskinError} `not_loaded` before `ready`
   */
  get info() {
    if (this.#model) return this.#model.info;
    throw new SiskinError('not_loaded', 'The model is not loaded yet. Wait for siskin.ready.');
  }

  /**
   * Loads a GGUF model. A model at a URL is stored on the device, and fetched only once.
   *
   * @param {ModelSource} source
   * @param {LoadOptions} [options]
   * @returns {Promise<Siskin>} when the model is loaded; with `fallback`, at once
   * @throws {SiskinError} `unsupported`, `version_mismatch`, `http_status`, `network`,
   *   `file_changed`, `integrity`, `manifest`, `storage_full`, `aborted`, `template` for
   *   `chatTemplate`, `worker_failed`, `wasm_failed`, `no_simd`, `invalid_argument`,
   *   `out_of_memory`, and what may be wrong with the file: `html_not_model`, `not_gguf`,
   *   `gguf_truncated`, `architecture`, `tensor_type` ...
   */
  static async load(source, options = {}) {
    throwIfUnsupported();
    const {
      onProgress,
      signal,
      engine,
      store,
      shared,
      fallback: fallback_options,
      unknown,
      place,
    } = readLoadOptions(options);
    if (unknown !== undefined) throw (await importCalls()).unknownOptionError(unknown);
    throwIfAborted(signal);
    const fallback =
      fallback_options === undefined
        ? undefined
        : new (await importFallback()).Fallback(fallback_options);
    const described =
      describeSource(source, store) ??
      (await importStream()).describeStream(/** @type {any} */ (source));
    if (fallback?.until === 'never') {
      described.close();
      return new Siskin(failedModel(fallback.neverLoadedError()), fallback);
    }
    if (store.persist) void requestPersistence();
    fallback?.watch(described.source);
    const wait = {
      signal,
      onProgress: (/** @type {LoadProgress} */ progress) => {
        // The model's own requests come first.
        if (progress.loaded_bytes > 0) importChat().catch(() => {});
        fallback?.progress(progress);
        onProgress?.(progress);
      },
    };
    const open = shared ? (await importShared()).openShared : openEngine;
    /** @type {Omit<ModelHandle, 'client'> & {client?: Client}} */
    let model;
    try {
      model = open(described, { ...engine, place }, wait);
    } catch (error) {
      described.close();
      model = failedModel(error);
    }
    const siskin = new Siskin(model, fallback);
    if (!fallback) await siskin.ready;
    return siskin;
  }

  /**
   * Speaks to an engine that another page, frame or worker has, and that it serves with
   * `siskin.serve`: an extension's offscreen document, for instance. `unload` then ends the
   * connection, not the engine.
   *
   * @param {PortLike} port a `MessagePort`, a `BroadcastChannel`, or a `runtime.Port` of an
   *   extension
   * @param {{onProgress?: (progress: LoadProgress) => void, signal?: AbortSignal | null}} [options]
   *   `signal` ends the waiting for the model
   * @returns {Promise<Siskin>} when the model is loaded there
   * @throws {SiskinError} `version_mismatch`, `engine_gone`, `aborted`, `invalid_argument`, and
   *   what the loading fails with there
   */
  static async connect(port, { onProgress, signal } = {}) {
    const given = readSignal(signal);
    throwIfAborted(given);
    const client = new EngineClient(port);
    const end = async () => client.close(abortedError(), unloadedError());
    const loading = waitForModel(client, { onProgress, signal: given });
    const siskin = new Siskin({ client, loading, end });
    await siskin.ready;
    return siskin;
  }

  /**
   * Forgets which graphics cards were refused, and which of their features were wrong. The next
   * load tests the card again, as after a new driver.
   */
  static forgetGpu() {
    forgetGpus();
  }

  /**
   * Says from a model's header alone whether it would run on this machine, before it is downloaded:
   * its format, its memory, the graphics card, and the room to store it.
   *
   * @param {string | URL | Request | Blob} source
   * @param {LoadOptions} [options] those that `load` will have
   * @returns {Promise<CheckResult>}
   * @throws {SiskinError} `invalid_argument`, `network`, `http_status`, `aborted`, `wasm_failed`,
   *   `worker_failed`, `version_mismatch`
   */
  static async check(source, options) {
    return (await importCheck()).check(source, options);
  }

  /**
   * @param {ChatRequest} request
   * @param {AbortSignal | undefined} signal
   * @param {number | null} [n]
   * @returns {ReturnType<Ask>}
   */
  async #ask(request, signal, n) {
    if ((n ?? 1) !== 1)
      return (await importOpenAI()).askSeveral(
        (request, signal) => this.#ask(request, signal),
        request,
        signal,
        n,
      );
    if (this.#unloaded) throw unloadedError();
    if (!this.#model && (await this.#fallback?.handles(request)) && !this.#model)
      return /** @type {Fallback} */ (this.#fallback).ask(request, signal);
    const { client, info } = this.#model ?? (await this.#loaded(signal));
    return (chat ?? (await importChat())).askLocally(client, info)(request, signal);
  }

  /** @type {(signal?: AbortSignal) => Promise<LoadedModel>} */
  #loaded = async (signal) => {
    if (this.#unloaded) throw unloadedError();
    return this.#model ?? orAborted(this.#loading, signal);
  };

  /** @type {(signal?: AbortSignal) => Promise<Client>} */
  #client = async (signal) => (await this.#loaded(signal)).client;

  /**
   * Returns the token ids of a text. No BOS or EOS is added.
   *
   * @param {string} text
   * @param {{special?: boolean}} [options] with `special: true`, text such as `<|im_end|>` becomes
   *   the control token that it names
   * @returns {Promise<Uint32Array>}
   */
  async tokenize(text, { special = false } = {}) {
    if (typeof text !== 'string')
      throw new SiskinError('invalid_argument', 'tokenize takes a string.');
    const message = { type: /** @type {const} */ ('tokenize'), text, special: Boolean(special) };
    return Uint32Array.from(await (await this.#client()).call(message).result);
  }

  /**
   * Returns the text of token ids. Control tokens are written as their text.
   *
   * @param {Iterable<number>} ids
   * @returns {Promise<string>}
   */
  async detokenize(ids) {
    const message = { type: /** @type {const} */ ('detokenize'), ids: tokenIds('detokenize', ids) };
    return (await this.#client()).call(message).result;
  }

  /**
   * Computes how likely the model finds a text, for ranking candidates or classifying without
   * generating. The call takes as long as a prefill of the text.
   *
   * @param {Iterable<number>} ids of `tokenize`
   * @param {{from?: number, signal?: AbortSignal | null}} [options] `from` is the number of the
   *   first token whose probability is wanted, by default 1: what scores begin with before it is
   *   computed once. `signal` ends the score: also one that is being computed, within about 100 ms
   * @returns {Promise<Score>}
   * @throws {SiskinError} `invalid_argument`, `context_full`, `aborted`, `not_loaded`
   */
  async score(ids, { from, signal: given } = {}) {
    const signal = readSignal(given);
    const message = { type: /** @type {const} */ ('score'), ids: tokenIds('score', ids), from };
    return (await this.#client(signal)).call(message, { signal }).result;
  }

  /**
   * Corrects the spelling, grammar and punctuation of a text, sentence by sentence. What the model
   * is not sure of stays as it is, and so do addresses, numbers, code, names and quotes.
   *
   * ```js
   * const { correctedInput, corrections } = await siskin.proofread('He go to school.');
   * ```
   *
   * @param {string} text
   * @param {ProofreadOptions} [options]
   * @returns {Promise<ProofreadResult>}
   * @throws {SiskinError} `invalid_argument`, `context_full`, `aborted`, `not_loaded`
   */
  async proofread(text, options) {
    return (await importWriting()).proofread(this, text, options);
  }

  /**
   * Says a text in other words, and resolves with it.
   *
   * @overload
   * @param {string} text
   * @param {RewriteOptions & {stream?: false | null}} [options]
   * @returns {Promise<string>}
   */
  /**
   * Says a text in other words, and resolves when the first of them are there. Leaving the loop
   * early stops the model.
   *
   * @overload
   * @param {string} text
   * @param {RewriteOptions & {stream: true}} options
   * @returns {Promise<AsyncIterableIterator<string>>}
   */
  /**
   * Says a text in other words.
   *
   * @param {string} text
   * @param {RewriteOptions} [options]
   * @returns {Promise<string | AsyncIterableIterator<string>>} the text, or with `stream: true`
   *   pieces of it
   * @throws {SiskinError} `invalid_argument`, `context_full`, `aborted`, `not_loaded`
   */
  async rewrite(text, options) {
    return (await importWriting()).rewrite(this, text, options);
  }

  /**
   * Computes the beginning of conversations and keeps it: a system message with its examples, for
   * instance. Requests that begin with these messages start at once. With `key`, the next visit
   * reads it from the device.
   *
   * @param {ChatMessage[]} messages
   * @param {PrefixOptions} [options]
   * @returns {Promise<Prefix>}
   * @throws {SiskinError} `invalid_argument`, `template`, `context_full`, `aborted`, `not_loaded`
   */
  async prefix(messages, options) {
    return (await importPrefix()).openPrefix(this.#client, messages, options);
  }

  /**
   * Keeps a prefix that `prefix.save()` returned, on this visit or an earlier one.
   *
   * @param {ArrayBuffer | Uint8Array} saved
   * @param {{signal?: AbortSignal | null}} [options]
   * @returns {Promise<Prefix>}
   * @throws {SiskinError} `prefix_mismatch` where it is of another model, build or chat template,
   *   `integrity` where it is damaged, `invalid_argument`, `context_full`, `aborted`, `not_loaded`
   */
  async restorePrefix(saved, options) {
    return (await importPrefix()).restorePrefix(this.#client, saved, options);
  }

  /**
   * Returns how much memory the engine has taken. WebAssembly memory never shrinks, so this is also
   * its peak.
   *
   * @returns {Promise<number>} bytes
   */
  async memoryBytes() {
    return (await this.#client()).call({ type: 'memory' }).result;
  }

  /**
   * Lets another page, frame or worker, which calls `Siskin.connect` with the port's other end, use
   * this model until either unloads or the port closes. The requests of all take turns.
   *
   * @param {PortLike} port a `MessagePort`, a `BroadcastChannel`, or a `runtime.Port` of an
   *   extension
   * @throws {SiskinError} `invalid_argument`, `not_loaded`
   */
  async serve(port) {
    return (await importCalls()).serve(this.#client, port);
  }

  /**
   * Lets go of the model. Answers in progress fail with `aborted`, later calls with `not_loaded`.
   *
   * @returns {Promise<void>} resolves when its worker is gone and the memory free; at once where
   *   somebody else on this page holds the same model
   */
  async unload() {
    this.#unloaded = true;
    forgotten.unregister(this);
    await this.#end();
  }

  /** Does what `unload` does, at the end of an `await using` block. */
  async [Symbol.asyncDispose]() {
    await this.unload();
  }
}
