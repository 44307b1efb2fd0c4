/**
 * This module is the dedicated worker that owns the engine. It fetches the model itself, so that
 * the page stays responsive, and receives its messages between any two steps of the engine, so that
 * `stop` takes effect at once.
 */
import { isDeviceError, pickBackend } from './engine/backend.js';
import { abortedError, codeOf, messageOf } from './errors.js';
import { openWeights, pumpWeights } from './model/weights.js';
import { yieldToMessages } from './model/yield_to_messages.js';

/**
 * @import { ChatRequest, Engine, EngineEvent, LoadMessage, LoadProgress } from './protocol.js'
 * @import { PageMessage, Timings, WorkerMessage } from './protocol.js'
 */
/** @import { PickedBackend } from './engine/backend.js' */

/**
 * `Page` is the worker's end of its connection to the page.
 *
 * @typedef {object} Page
 * @property {(message: WorkerMessage, transfer?: Transferable[]) => void} postMessage
 * @property {((event: MessageEvent<PageMessage>) => void) | null} onmessage
 */

/** @type {Page} */
const page = /** @type {any} */ (globalThis);

/** `engine` is set when it is ready to answer. @type {Engine | undefined} */
let engine;
/**
 * Chats and scores run in order, one at a time.
 *
 * @type {{id: number, run: () => Promise<void>}[]}
 */
const jobs = [];
/** Short calls are served between two steps of an answer. @type {(() => void)[]} */
const calls = [];
/**
 * These workers are the engine's threads besides this worker (thread.js). `left` resolves when a
 * thread shares no more work.
 *
 * @type {{worker: Worker, left: Promise<unknown>}[]}
 */
const threads = [];
/**
 * `backend` owns the engine from the start of the loading on.
 *
 * @type {PickedBackend | undefined}
 */
let backend;
/** `starting` resolves when the engine has its threads. */
let starting = Promise.resolve();
let busy = false;
let unloading = false;
/** `answering` is the id of the chat or score that runs. */
let answering = 0;
let stopping = false;
/** A score is one call of the engine, which is told at once to stop. */
let scoring = false;

/** Workers of a worker need about this long to end. */
const WORKER_EXIT_MS = 200;

page.onmessage = ({ data }) => receive(data);

/** @param {PageMessage} message */
function receive(message) {
  const { id } = message;
  switch (message.type) {
    case 'load':
      void load(message);
      return;
    case 'unload':
      unloading = true;
      stop();
      jobs.length = 0;
      if (!busy) void unload();
      return;
    case 'stop':
      if (id === answering) stop();
      else jobs.splice(0, jobs.length, ...jobs.filter((job) => job.id !== id));
      return;
    case 'chat':
      jobs.push({ id, run: () => answer(id, message.request) });
      break;
    case 'score':
      jobs.push({ id, run: () => score(id, message.ids) });
      break;
    case 'tokenize':
      call(id, (engine) => engine.tokenize(message.text, { special: message.special }));
      break;
    case 'detokenize':
      call(id, (engine) => engine.detokenize(message.ids));
      break;
    case 'memory':
      call(id, (engine) => engine.memory_bytes());
      break;
  }
  void work();
}

/** Ends the chat or score that runs. */
function stop() {
  stopping = true;
  if (scoring) engine?.stop();
}

/**
 * @param {number} id
 * @param {(engine: Engine) => unknown} run
 */
function call(id, run) {
  calls.push(() => {
    if (!engine) return;
    try {
      page.postMessage({ type: 'done', id, value: run(engine) });
    } catch (error) {
      fail(id, error);
    }
  });
}

async function work() {
  if (busy) return;
  busy = true;
  try {
    for (;;) {
      runCalls();
      const job = jobs.shift();
      if (!job) break;
      await job.run();
    }
  } catch (error) {
    fail(answering, error);
  }
  busy = false;
  if (unloading) await unload();
}

async function unload() {
  // Chromium forgets a worker that is ended while its own workers are ending: threads, and what
  // reads the file while it is loaded.
  const exit_ms = threads.length > 0 || !engine ? WORKER_EXIT_MS : 0;
  try {
    await freeEngine();
  } finally {
    setTimeout(() => page.postMessage({ type: 'unloaded' }), exit_ms);
  }
}

/**
 * Frees the engine. The threads leave their slots when the engine is freed, and are awaited: one
 * that is terminated inside wasm can outlive this worker.
 */
async function freeEngine() {
  try {
    backend?.free();
    await Promise.all(threads.map(({ left }) => left));
  } finally {
    for (const { worker } of threads.splice(0)) worker.terminate();
  }
}

function runCalls() {
  for (let run = calls.shift(); run; run = calls.shift()) run();
}

/**
 * @param {LoadMessage} message
 * @param {boolean} [may_retry] whether a file that was replaced meanwhile is fetched once more
 */
async function load(message, may_retry = true) {
  const { id, source } = message;
  const report = (/** @type {LoadProgress} */ value) =>
    page.postMessage({ type: 'progress', id, value });
  try {
    const opening = openWeights(source, report);
    // The promise is awaited below; until then its rejection must not count as unhandled.
    opening.catch(() => {});
    backend = await pickBackend(message);
    starting = startThreads(backend);
    let weights = await opening;
    let info;
    try {
      info = await pumpWeights(weights, backend.sink(), report);
    } catch (error) {
      if (!backend.mayFallBack(error)) throw error;
      await backend.fallBack(error);
      starting = startThreads(backend);
      weights = await openWeights(source, report);
      info = await pumpWeights(weights, backend.sink(), report);
    }
    await starting;
    engine = backend.engine;
    page.postMessage({
      type: 'done',
      id,
      value: { ...info, ...backend.info(), threads: threads.length + 1 },
    });
  } catch (error) {
    if (!may_retry || codeOf(error) !== 'file_changed') return fail(id, error);
    console.warn(`Siskin starts over. ${messageOf(error)}`);
    await starting;
    await freeEngine();
    backend = undefined;
    return load(message, false);
  }
}

/**
 * Starts the engine's threads, which share the repacking of the weights already.
 *
 * @param {PickedBackend} owner
 */
async function startThreads(owner) {
  for (const worker of await owner.startThreads()) {
    if (unloading) {
      worker.terminate();
      continue;
    }
    threads.push({ worker, left: new Promise((resolve) => (worker.onmessage = resolve)) });
    worker.postMessage(owner.engine.take_seat());
  }
}

/**
 * Writes one answer, and posts an event for each step.
 *
 * @param {number} id
 * @param {ChatRequest} request
 */
async function answer(id, request) {
  const writer = engine;
  if (!writer) return;
  answering = id;
  stopping = unloading;
  let stop_sent = false;
  const timer = new AnswerTimer(performance.now());
  try {
    writer.start(request);
    page.postMessage({ type: 'started', id });
    for (;;) {
      if (stopping && !stop_sent) {
        stop_sent = true;
        writer.stop();
      }
      const event = await withRecovery(() => writer.next());
      if (!event) break;
      page.postMessage({
        type: 'event',
        id,
        value: event,
        timings: timer.tick(performance.now(), event),
      });
      await yieldToMessages();
      runCalls();
    }
    page.postMessage({ type: 'done', id, value: undefined });
  } catch (error) {
    fail(id, error);
  }
  answering = 0;
}

/**
 * Runs a call of the engine, and runs it again after the graphics card was lost: the card is
 * restarted once, then the processor takes over.
 *
 * @template T
 * @param {() => Promise<T>} run
 * @returns {Promise<T>}
 */
async function withRecovery(run) {
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (!isDeviceError(error)) throw error;
      if (!backend?.mayRecover(error)) throw new LostModelError(error);
      try {
        await backend.recover(error);
      } catch (cause) {
        throw new LostModelError(cause);
      }
      page.postMessage({ type: 'moved', value: backend.info() });
    }
  }
}

/** The model is gone, and could not be loaded again. */
class LostModelError extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super(messageOf(cause), { cause });
  }
}

/**
 * @param {number} id
 * @param {Uint32Array} ids
 */
async function score(id, ids) {
  const scorer = engine;
  if (!scorer) return;
  answering = id;
  stopping = unloading;
  scoring = true;
  try {
    const value = await withRecovery(() => {
      if (stopping) throw abortedError();
      return scorer.score(ids);
    });
    page.postMessage({ type: 'done', id, value });
  } catch (error) {
    fail(id, error);
  }
  scoring = false;
  answering = 0;
}

/**
 * Reports an error. One with a code belongs to its call alone; anything else is a crash of the
 * engine, after which nothing can be trusted.
 *
 * @param {number} id
 * @param {unknown} error
 */
function fail(id, error) {
  const code = codeOf(error);
  if (code !== undefined) page.postMessage({ type: 'failed', id, code, message: messageOf(error) });
  else page.postMessage({ type: 'crashed', message: messageOf(error) });
}

/** An `AnswerTimer` measures the times of one answer. */
class AnswerTimer {
  /** @param {number} start_ms */
  constructor(start_ms) {
    this.start_ms = start_ms;
    /** @type {number | undefined} */
    this.first_ms = undefined;
  }

  /**
   * @param {number} now_ms
   * @param {EngineEvent} event
   * @returns {Timings | undefined} on the last event
   */
  tick(now_ms, event) {
    if (!event.prefill) this.first_ms ??= now_ms;
    if (!event.finish_reason || !event.usage) return undefined;
    const first_ms = this.first_ms ?? now_ms;
    const { prompt_tokens, cached_tokens, completion_tokens } = event.usage;
    const prefill_ms = first_ms - this.start_ms;
    const decode_ms = now_ms - first_ms;
    return {
      prefill_ms,
      decode_ms,
      prefill_tokens_per_second: perSecond(prompt_tokens - cached_tokens, prefill_ms),
      // The prefill yields the first token.
      decode_tokens_per_second: perSecond(completion_tokens - 1, decode_ms),
    };
  }
}

/**
 * @param {number} count
 * @param {number} ms
 */
function perSecond(count, ms) {
  return count > 0 && ms > 0 ? (count * 1000) / ms : 0;
}
