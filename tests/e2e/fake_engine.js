// Stands in for the wasm while it does not exist: the same class, canned text.
export default async function init() {}

function failure(code, message) {
  return Object.assign(new Error(message), { code });
}

const CANNED = `Light from the sun is a mixture of all colours. On its way through the air it meets molecules that are far smaller than its wavelength, and these **scatter blue light much more strongly** than red.

1. Blue light leaves its straight path early and comes to us from every direction.
2. Red light passes almost undisturbed.
3. At sunset the path is longer, so that mostly red is left.

The amount goes with the fourth power of the frequency:

\`\`\`python
def scattering(wavelength_nm, reference_nm=550):
    """Rayleigh scattering, relative to green light."""
    return (reference_nm / wavelength_nm) ** 4
\`\`\`

So blue light at 450 nm is scattered about \`4.4\` times as much as red at 650 nm.`;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Engine {
  #bytes = 0;
  #queue = [];
  #stopped = false;
  #total = 0;
  #done = 0;
  constructor(options) {
    this.context_tokens = options.context_tokens ?? 4096;
  }
  push(bytes) {
    if (this.#bytes === 0) {
      const head = new TextDecoder().decode(bytes.subarray(0, 15));
      if (/^\s*</.test(head)) throw failure('html_not_model', 'This is an HTML page, not a model. Check the address: it should lead to the file itself.');
      if (!head.startsWith('GGUF')) throw failure('not_gguf', 'The file does not begin with "GGUF". Choose a model in the GGUF format.');
    }
    this.#bytes += bytes.length;
  }
  finish() {
    return { name: 'Qwen2.5 0.5B Instruct', architecture: 'qwen2', file_type: 'Q4_K_M', parameter_count: 494032768, block_count: 24, vocab_size: 151936, trained_context_tokens: 32768, context_tokens: this.context_tokens, size_bytes: this.#bytes, has_chat_template: true, backend: 'cpu', build: 'relaxed', threads: 1 };
  }
  start(request) {
    for (const name of Object.keys(request)) {
      if (!['messages', 'max_tokens', 'temperature', 'top_k', 'top_p', 'min_p', 'repetition_penalty', 'seed', 'stop', 'context_overflow'].includes(name)) throw failure('invalid_argument', `Unknown field "${name}".`);
    }
    if (!request.messages?.length || request.temperature < 0) throw failure('invalid_argument', 'Bad request.');
    const last = request.messages.at(-1).content;
    if (last.includes('TOO LONG')) throw failure('context_full', 'The conversation needs 5,120 tokens and the context holds 4,096. Begin a new chat or shorten the text.');
    if (last.includes('TRAP')) WebAssembly.instantiate(new Uint8Array([0])).catch(() => {}), (() => { throw new WebAssembly.RuntimeError('unreachable'); })();
    this.#queue = CANNED.split(/(?<=\s)/).slice(0, request.max_tokens ?? 1000);
    this.#stopped = false;
    this.#total = 60;
    this.#done = 0;
    this.cut = this.#queue.length < CANNED.split(/(?<=\s)/).length;
    this.written = 0;
    this.open = true;
  }
  async next() {
    if (!this.open) return undefined;
    if (this.#done < this.#total) {
      await sleep(80);
      this.#done += 20;
      return { text: '', finish_reason: null, prefill: { done_tokens: this.#done, total_tokens: this.#total } };
    }
    await sleep(25);
    const ended = this.#stopped || this.#queue.length === 0;
    if (!ended) {
      this.written += 1;
      return { text: this.#queue.shift(), finish_reason: null };
    }
    this.open = false;
    return { text: '', finish_reason: this.#stopped ? 'abort' : this.cut ? 'length' : 'stop', usage: { prompt_tokens: 60, completion_tokens: this.written, total_tokens: 60 + this.written, cached_tokens: 0 } };
  }
  stop() {
    this.#stopped = true;
  }
  tokenize(text) {
    return Uint32Array.from(new TextEncoder().encode(text));
  }
  detokenize(ids) {
    if (ids.some((id) => id > 255)) throw failure('invalid_argument', 'No such token.');
    return new TextDecoder().decode(Uint8Array.from(ids));
  }
  memory_bytes() {
    return 1 << 20;
  }
  free() {}
}
