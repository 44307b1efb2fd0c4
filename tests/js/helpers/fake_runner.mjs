// This module stands in for the engine: it answers each request with the words of its last message,
// one an event, and stops when it is told to.
import { setImmediate } from 'node:timers/promises';

export class FakeRunner {
  /** Holds what was asked, in the order in which it ran. */
  log = [];
  /** How often `next` was called; a test may wait for it. */
  steps = 0;
  /** An error here fails the loading. */
  failure;
  unloaded = false;
  onMoved = () => {};
  #stopping = false;
  engine = {
    tokenize: (text) => Uint32Array.from(text, (letter) => letter.codePointAt(0)),
    detokenize: (ids) => String.fromCodePoint(...ids),
    memory_bytes: () => 1000,
  };

  async load(message, onProgress) {
    this.log.push(`load ${message.source.url}`);
    onProgress({ loaded_bytes: 1, total_bytes: 2 });
    await setImmediate();
    if (this.failure) throw this.failure;
    return { name: 'fake', backend: 'gpu' };
  }

  stop() {
    this.#stopping = true;
  }

  async answer(request, on) {
    this.#stopping = false;
    const { content } = request.messages.at(-1);
    this.log.push(content);
    if (content === 'trap') throw new WebAssembly.RuntimeError('unreachable');
    if (content === 'refused') throw Object.assign(new Error('No.'), { code: 'invalid_argument' });
    on.start();
    const words = content === 'endless' ? Array(1e6).fill('x') : content.split(' ');
    for (const [index, text] of words.entries()) {
      await setImmediate();
      on.pause();
      const last = this.#stopping || index === words.length - 1;
      const finish_reason = this.#stopping ? 'abort' : last ? 'stop' : null;
      const usage = last && {
        prompt_tokens: 1,
        completion_tokens: index + 1,
        total_tokens: index + 2,
        cached_tokens: 0,
      };
      this.steps += 1;
      const timings = last ? { prefill_ms: 1, decode_ms: 1 } : undefined;
      on.event(
        { text: this.#stopping ? '' : text, finish_reason, ...(usage && { usage }) },
        timings,
      );
      if (last) return;
    }
  }

  async score({ ids }) {
    this.log.push('score');
    return { log_probabilities: [...ids].map(() => -1), most_likely: [...ids] };
  }

  async unload() {
    this.unloaded = true;
  }
}

/** A pair of an extension's ports: they carry JSON alone. */
export function runtimePorts() {
  const make = () => ({ messages: [], ends: [] });
  const [a, b] = [make(), make()];
  const end = (own, other) => ({
    postMessage(message) {
      if (own.closed) throw new Error('Attempting to use a disconnected port object');
      const text = JSON.stringify(message);
      if (text.includes('"0":')) throw new Error('a typed array became an object');
      queueMicrotask(() => other.messages.forEach((listener) => listener(JSON.parse(text))));
    },
    onMessage: { addListener: (listener) => own.messages.push(listener) },
    onDisconnect: { addListener: (listener) => own.ends.push(listener) },
    disconnect() {
      own.closed = other.closed = true;
      queueMicrotask(() => other.ends.forEach((listener) => listener()));
    },
  });
  return [end(a, b), end(b, a)];
}
