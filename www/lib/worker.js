/**
 * The dedicated worker that owns the engine. It fetches the model itself, so that the page stays smooth, and looks at its
 * messages between any two steps of the engine, so that stop stops.
 */
import { startEngine } from './engine.js';
import { SiskinError, codeOf, messageOf } from './errors.js';
import { findGpu } from './gpu.js';
import { openWeights, pumpWeights } from './weights.js';

/** @import { ChatRequest, Engine, EngineEvent, ModelInfo, PageMessage, Timings, WorkerMessage } from './protocol.js' */
/** @import { StartedEngine } from './engine.js' */

/** @typedef {Extract<PageMessage, {type: 'load'}>} LoadMessage */
/** @typedef {{started: StartedEngine, engine: Engine, adapter?: string, gpu_refusal?: string}} Made an engine that waits for its file */

/** @type {{postMessage: (message: WorkerMessage, transfer?: Transferable[]) => void, onmessage: ((event: MessageEvent<PageMessage>) => void) | null}} */
const page = /** @type {any} */ (globalThis);

/** @type {Engine | undefined} */
let engine;
/** Answers and scores that wait for their turn. @type {{id: number, run: () => Promise<void>}[]} */
const jobs = [];
/** Short calls, served between two steps of an answer. @type {(() => void)[]} */
const calls = [];
/** Of the engine, in the making or ready. @type {Worker[]} */
let threads = [];
/** Frees the engine, in the making or ready. */
let free = () => {};
/** Loads the model again, when the graphics card was lost. @type {((backend: 'gpu' | 'cpu') => Promise<void>) | undefined} */
let reload;
/** How often it was. */
let losses = 0;
let busy = false;
let unloading = false;
let answering = 0;
let stopping = false;

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
      stopping = true;
      jobs.length = 0;
      if (!busy) void unload();
      return;
    case 'stop':
      if (id === answering) stopping = true;
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

/** Threads leave their seats when the engine is freed, and are waited for: one that is killed inside wasm can outlive this worker. */
async function unload() {
  try {
    const left = threads.map((thread) => new Promise((resolve) => (thread.onmessage = resolve)));
    free();
    await Promise.all(left);
  } finally {
    for (const thread of threads) thread.terminate();
    page.postMessage({ type: 'unloaded' });
  }
}

function runCalls() {
  for (let run = calls.shift(); run; run = calls.shift()) run();
}

/** @param {LoadMessage} message */
async function load(message) {
  const { id } = message;
  try {
    const opening = openWeights(message.source);
    // Awaited below; until then its failure is not unhandled.
    opening.catch(() => {});
    let made = await makeEngine(message);
    let weights = await opening;
    let info;
    try {
      info = await fill(made.engine, weights, id);
    } catch (error) {
      if (!isDeviceError(error) || message.backend === 'gpu' || message.source.kind === 'port') throw error;
      made.engine.free();
      made = { ...(await makeOnCpu(message)), gpu_refusal: messageOf(error) };
      weights = await openWeights(message.source);
      info = await fill(made.engine, weights, id);
    }
    // Only now: reading a file takes one thread, and a load that fails leaves no other worker behind.
    threads = await made.started.startThreads();
    for (const thread of threads) thread.postMessage(made.engine.take_seat());
    if (threads.length > 0) info.threads = threads.length + 1;
    const { adapter, gpu_refusal } = made;
    Object.assign(info, adapter !== undefined && { adapter }, gpu_refusal !== undefined && { gpu_refusal });
    engine = made.engine;
    // What came through a port came once.
    if (message.source.kind !== 'port') reload = (backend) => reloadInto(made, message, backend);
    page.postMessage({ type: 'done', id, value: info });
  } catch (error) {
    fail(id, error);
  }
}

/**
 * Starts the engine on the graphics card if it may and can, else on the processor.
 *
 * @param {LoadMessage} message
 * @returns {Promise<Made>}
 */
async function makeEngine(message) {
  if (message.backend === 'cpu') return makeOnCpu(message);
  const gpu = await findGpu();
  let gpu_refusal = '';
  if ('absent' in gpu) {
    gpu_refusal = gpu.absent;
  } else {
    const started = await startEngine(1);
    try {
      return { started, engine: await onGpu(started, message), adapter: gpu.adapter };
    } catch (error) {
      if (!isDeviceError(error)) throw error;
      gpu_refusal = messageOf(error);
    }
  }
  if (message.backend === 'gpu') throw new SiskinError('gpu_unavailable', `${gpu_refusal} Load the model with backend "auto" or "cpu".`);
  return { ...(await makeOnCpu(message)), gpu_refusal };
}

/**
 * @param {LoadMessage} message
 * @returns {Promise<Made>}
 */
async function makeOnCpu({ context_tokens, threads: wanted_threads }) {
  const started = await startEngine(wanted_threads);
  const engine = new started.module.Engine({ context_tokens, threads: started.thread_count });
  free = () => engine.free();
  return { started, engine };
}

/**
 * @param {StartedEngine} started
 * @param {LoadMessage} message
 */
async function onGpu(started, { context_tokens }) {
  const engine = await started.module.Engine.on_gpu({ context_tokens });
  free = () => engine.free();
  return engine;
}

/**
 * Reads the whole file into the engine.
 *
 * @param {Engine} loading
 * @param {import('./weights.js').Weights} weights
 * @param {number} id
 * @returns {Promise<ModelInfo>}
 */
async function fill(loading, weights, id) {
  await pumpWeights(weights, (bytes) => loading.push(bytes), (value) => page.postMessage({ type: 'progress', id, value }));
  return loading.finish();
}

/**
 * After the graphics card was lost: the same file once more, onto the card or, the second time, the processor. The answer goes on.
 *
 * @param {Made} made
 * @param {LoadMessage} message
 * @param {'gpu' | 'cpu'} backend
 */
async function reloadInto({ started, engine }, message, backend) {
  const { Engine } = started.module;
  const { context_tokens } = message;
  engine.reload(backend === 'gpu' ? await Engine.on_gpu({ context_tokens }) : new Engine({ context_tokens, threads: 1 }));
  const weights = await openWeights(message.source);
  await pumpWeights(weights, (bytes) => engine.push(bytes), () => {});
  engine.finish();
}

/** @param {unknown} error */
function isDeviceError(error) {
  return codeOf(error)?.startsWith('gpu_') ?? false;
}

/**
 * Writes one answer, an event a step.
 *
 * @param {number} id
 * @param {ChatRequest} request
 */
async function answer(id, request) {
  if (!engine) return;
  answering = id;
  stopping = unloading;
  let stop_sent = false;
  const clock = new Clock(performance.now());
  try {
    engine.start(request);
    page.postMessage({ type: 'started', id });
    for (;;) {
      if (stopping && !stop_sent) {
        stop_sent = true;
        engine.stop();
      }
      const event = await nextEvent(engine);
      if (!event) break;
      page.postMessage({ type: 'event', id, value: event, timings: clock.tick(performance.now(), event) });
      await breathe();
      runCalls();
    }
    page.postMessage({ type: 'done', id, value: undefined });
  } catch (error) {
    fail(id, error);
  }
  answering = 0;
}

/**
 * The next event, whatever happens to the graphics card: it is started again once, then the processor takes over.
 *
 * @param {Engine} engine
 */
async function nextEvent(engine) {
  for (;;) {
    try {
      return await engine.next();
    } catch (error) {
      if (!isDeviceError(error) || !reload || losses >= 2) throw error;
      console.log(messageOf(error));
    }
    losses += 1;
    try {
      await reload(losses === 1 ? 'gpu' : 'cpu');
    } catch (error) {
      if (!isDeviceError(error) || losses >= 2) throw error;
      losses += 1;
      await reload('cpu');
    }
  }
}

/**
 * @param {number} id
 * @param {Uint32Array} ids
 */
async function score(id, ids) {
  if (!engine) return;
  try {
    page.postMessage({ type: 'done', id, value: await engine.score(ids) });
  } catch (error) {
    fail(id, error);
  }
}

/**
 * An error with a code belongs to its call alone; anything else is a crash of the engine, after which nothing can be trusted.
 *
 * @param {number} id
 * @param {unknown} error
 */
function fail(id, error) {
  const code = codeOf(error);
  if (code !== undefined) page.postMessage({ type: 'failed', id, code, message: messageOf(error) });
  else page.postMessage({ type: 'crashed', message: messageOf(error) });
}

const { port1, port2 } = new MessageChannel();
/** @type {(() => void) | undefined} */
let wake;
port1.onmessage = () => wake?.();

/** Lets waiting messages in. `setTimeout` would cost 4 ms a token. */
function breathe() {
  return new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
    wake = resolve;
    port2.postMessage(0);
  });
}

/** Times one answer. */
class Clock {
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
      // The first token comes out of the prefill.
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
