/**
 * This module is the engine's end of the protocol: it serves the clients of one engine, each over a
 * port of its own. Chats, scores and prefixes run one at a time, and the clients take turns.
 */
import { BUILD } from '../build.js';
import { SiskinError, codeOf, messageOf, versionMismatch } from '../errors.js';
import { PROTOCOL } from '../protocol.js';
import { checkModel } from './check_model.js';
import { EngineRunner } from './engine_runner.js';
import { FairQueue } from './fair_queue.js';
import { openPort } from './port.js';

/**
 * @import { ChatRequest, CheckMessage, Engine, LoadMessage, LoadProgress } from '../protocol.js'
 * @import { ModelInfo, ModelMessage, PageMessage, RawRequest, WorkerMessage } from '../protocol.js'
 */
/** @import { Connection, PortLike } from './port.js' */

/**
 * A `Client` is one port. The owner's may load and unload the model, and is of the same build.
 *
 * @typedef {object} Client
 * @property {Connection} connection
 * @property {boolean} is_owner
 * @property {boolean} greeted
 */

/**
 * A `Job` is a chat, a score or a prefix.
 *
 * @typedef {object} Job
 * @property {Client} client
 * @property {number} id
 * @property {() => Promise<void>} run
 * @property {boolean} idle whether nobody has read the answer for a while
 * @property {boolean} [unread] whether it was ended for that
 */

const UNREAD =
  'Nobody read this answer for some time while another request waited, so it was ended. Read a ' +
  'stream to its end, or leave its loop.';

/** An `EngineHost` serves one engine to many clients. */
export class EngineHost {
  #runner;
  /** @type {Set<Client>} */
  #clients = new Set();
  /** @type {FairQueue<Client, Job>} */
  #jobs = new FairQueue();
  /** Short calls are served between two steps of an answer. @type {(() => void)[]} */
  #calls = [];
  /** `#running` is the chat or score that runs. @type {Job | undefined} */
  #running;
  #busy = false;
  #unloading = false;
  /** @type {LoadProgress | undefined} */
  #progress;
  /** `#info` is set once the model is loaded. @type {ModelInfo | undefined} */
  #info;
  /** `#load_error` is set once the loading failed. @type {unknown} */
  #load_error;
  /** These clients wait for the model. @type {{client: Client, id: number}[]} */
  #waiting = [];

  /** @param {EngineRunner} [runner] */
  constructor(runner = new EngineRunner()) {
    this.#runner = runner;
    runner.onMoved = (value) => this.#moved(value);
  }

  /**
   * Serves a port until it is closed, which aborts its calls.
   *
   * @param {PortLike} port
   * @param {{is_owner?: boolean}} [options]
   * @returns {() => void} closes the port
   */
  serve(port, { is_owner = false } = {}) {
    /** @type {Client} */
    const client = {
      connection: openPort(
        port,
        (message) => this.#receive(client, message),
        () => this.#drop(client),
      ),
      is_owner,
      greeted: false,
    };
    this.#clients.add(client);
    this.#post(client, { type: 'hello', protocol: PROTOCOL, build: BUILD });
    return () => this.#drop(client);
  }

  /**
   * Serves the end of a channel by its name, as long as its client holds the lock of that name: a
   * tab that is gone holds none.
   *
   * @param {string} name
   */
  #serveChannel(name) {
    const close = this.serve(new BroadcastChannel(name));
    void navigator.locks.request(name, close).catch(close);
  }

  /**
   * @param {Client} client
   * @param {PageMessage} message
   */
  #receive(client, message) {
    if (!this.#clients.has(client)) return;
    if (!client.greeted) {
      client.greeted = true;
      const { type, protocol, build } = /** @type {any} */ (message);
      if (type === 'hello' && protocol === PROTOCOL && (!client.is_owner || build === BUILD))
        return;
      // A page that says hello reads this from ours; one that does not is of an older version.
      if (type !== 'hello')
        this.#post(client, { type: 'crashed', message: versionMismatch().message });
      this.#clients.delete(client);
      return;
    }
    switch (message.type) {
      case 'hello':
        return;
      case 'close':
        return this.#drop(client);
      case 'load':
        return client.is_owner ? void this.#load(client, message) : undefined;
      case 'check':
        return client.is_owner ? void this.#check(client, message) : undefined;
      case 'unload':
        return client.is_owner ? this.#startUnload() : undefined;
      case 'serve':
        this.serve(message.port);
        return;
      case 'serve_channel':
        return this.#serveChannel(message.name);
      case 'ping':
        return this.#post(client, { type: 'done', id: message.id, value: undefined });
      case 'stop':
        return this.#stop(client, message.id);
      case 'idle':
        return this.#setIdle(client, message.id, message.value);
      default:
        this.#take(client, message);
    }
  }

  /**
   * Takes a call that needs the model.
   *
   * @param {Client} client
   * @param {ModelMessage} message
   */
  #take(client, message) {
    const { id } = message;
    if (this.#load_error !== undefined) return this.#fail(client, id, this.#load_error);
    switch (message.type) {
      case 'info':
        if (this.#progress) this.#post(client, { type: 'progress', id, value: this.#progress });
        if (this.#info) this.#post(client, { type: 'done', id, value: this.#info });
        else this.#waiting.push({ client, id });
        return;
      case 'chat':
        this.#push(client, id, () => this.#answer(client, id, message.request));
        break;
      case 'score':
        this.#pushCall(client, id, () => this.#runner.score(message));
        break;
      case 'embed':
        this.#pushCall(client, id, () => this.#runner.embed(message.inputs));
        break;
      case 'prefix':
        this.#pushCall(client, id, () => this.#runner.keepPrefix(message));
        break;
      case 'restore_prefix':
        this.#pushCall(client, id, () =>
          this.#runner.restorePrefix(Uint8Array.from(message.bytes)),
        );
        break;
      case 'tokenize':
        this.#call(client, id, (engine) =>
          engine.tokenize(message.text, { special: message.special }),
        );
        break;
      case 'detokenize':
        this.#call(client, id, (engine) => engine.detokenize(Uint32Array.from(message.ids)));
        break;
      case 'count_tokens':
        this.#call(client, id, (engine) => engine.prompt_tokens(message.request).length);
        break;
      case 'memory':
        this.#call(client, id, (engine) => engine.memory_bytes());
        break;
    }
    void this.#work();
  }

  /**
   * @param {Client} client
   * @param {number} id
   * @param {() => Promise<void>} run
   */
  #push(client, id, run) {
    this.#jobs.push(client, { client, id, run, idle: false });
    this.#endUnread();
  }

  /**
   * @param {Client} client
   * @param {number} id
   * @param {() => Promise<unknown>} run
   */
  #pushCall(client, id, run) {
    this.#push(client, id, async () =>
      this.#post(client, { type: 'done', id, value: await run() }),
    );
  }

  /**
   * @param {Client} client
   * @param {number} id
   * @param {(engine: Engine) => unknown} run
   */
  #call(client, id, run) {
    this.#calls.push(() => {
      try {
        const value = run(/** @type {Engine} */ (this.#runner.engine));
        this.#post(client, { type: 'done', id, value });
      } catch (error) {
        this.#fail(client, id, error);
      }
    });
  }

  /** Ends a job of a client, whether it waits or runs. @param {Client} client @param {number} id */
  #stop(client, id) {
    if (this.#running?.client === client && this.#running.id === id) this.#runner.stop();
    else this.#jobs.remove(client, (job) => job.id === id);
  }

  /**
   * @param {Client} client
   * @param {number} id
   * @param {boolean} idle
   */
  #setIdle(client, id, idle) {
    if (this.#running?.client !== client || this.#running.id !== id) return;
    this.#running.idle = idle;
    this.#endUnread();
  }

  /** Ends an answer that nobody reads, if somebody waits. */
  #endUnread() {
    if (!this.#running?.idle || this.#jobs.is_empty) return;
    this.#running.unread = true;
    this.#runner.stop();
  }

  async #work() {
    if (this.#busy || !this.#info) return;
    this.#busy = true;
    for (;;) {
      this.#runCalls();
      const job = this.#jobs.shift();
      if (!job) break;
      this.#running = job;
      try {
        await job.run();
      } catch (error) {
        this.#fail(job.client, job.id, error);
      }
      this.#running = undefined;
    }
    this.#busy = false;
    if (this.#unloading) await this.#unload();
  }

  #runCalls() {
    for (let run = this.#calls.shift(); run; run = this.#calls.shift()) run();
  }

  /**
   * Writes one answer, and posts an event for each step.
   *
   * @param {Client} client
   * @param {number} id
   * @param {ChatRequest | RawRequest} request
   */
  async #answer(client, id, request) {
    await this.#runner.answer(request, {
      start: () => {
        this.#post(client, { type: 'started', id });
        this.#endUnread();
      },
      event: (value, timings) => this.#post(client, { type: 'event', id, value, timings }),
      pause: () => this.#runCalls(),
    });
    if (this.#running?.unread) throw new SiskinError('aborted', UNREAD);
    this.#post(client, { type: 'done', id, value: undefined });
  }

  /**
   * @param {Client} client
   * @param {LoadMessage} message
   */
  async #load(client, message) {
    const { id } = message;
    this.#waiting.push({ client, id });
    try {
      this.#info = await this.#runner.load(message, (value) => {
        this.#progress = value;
        for (const { client, id } of this.#waiting)
          this.#post(client, { type: 'progress', id, value });
      });
      for (const { client, id } of this.#waiting.splice(0))
        this.#post(client, { type: 'done', id, value: this.#info });
      void this.#work();
    } catch (error) {
      this.#load_error = error;
      const waiting = [...this.#waiting.splice(0), ...this.#jobs.clear()];
      for (const { client, id } of waiting) this.#fail(client, id, error);
    }
  }

  /**
   * Says whether a model would run, without loading it.
   *
   * @param {Client} client
   * @param {CheckMessage} message
   */
  async #check(client, message) {
    try {
      this.#post(client, { type: 'done', id: message.id, value: await checkModel(message) });
    } catch (error) {
      this.#fail(client, message.id, error);
    }
  }

  #startUnload() {
    this.#unloading = true;
    this.#jobs.clear();
    for (const client of this.#clients) if (!client.is_owner) this.#post(client, { type: 'gone' });
    if (this.#busy) this.#runner.stop();
    else void this.#unload();
  }

  async #unload() {
    try {
      await this.#runner.unload();
    } finally {
      for (const client of this.#clients)
        if (client.is_owner) this.#post(client, { type: 'unloaded' });
    }
  }

  /** @param {ModelInfo} value */
  #moved(value) {
    this.#info = value;
    for (const client of this.#clients) this.#post(client, { type: 'moved', value });
  }

  /** Forgets a client and ends what it asked for. @param {Client} client */
  #drop(client) {
    if (!this.#clients.delete(client)) return;
    this.#jobs.remove(client, () => true);
    this.#waiting = this.#waiting.filter((waiting) => waiting.client !== client);
    if (this.#running?.client === client) this.#runner.stop();
    client.connection.close();
  }

  /**
   * Reports an error. One with a code belongs to its call alone; anything else is a crash of the
   * engine, after which nothing can be trusted.
   *
   * @param {Client} client
   * @param {number} id
   * @param {unknown} error
   */
  #fail(client, id, error) {
    const code = codeOf(error);
    const message = messageOf(error);
    if (code !== undefined) return this.#post(client, { type: 'failed', id, code, message });
    for (const client of this.#clients) this.#post(client, { type: 'crashed', message });
  }

  /**
   * @param {Client} client
   * @param {WorkerMessage} message
   */
  #post(client, message) {
    if (!this.#clients.has(client)) return;
    try {
      client.connection.post(message);
    } catch {
      // A runtime.Port that is disconnected takes no message.
      this.#drop(client);
    }
  }
}
