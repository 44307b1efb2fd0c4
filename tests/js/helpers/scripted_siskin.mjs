// This module stands in for a loaded Siskin: it answers each request with what it is told, a word
// an event, and counts tokens as a template of ChatML would on a tokenizer of letters.
import { setImmediate } from 'node:timers/promises';

/** What the template adds to a message, and to a request. */
export const PER_MESSAGE = 3;
export const PER_REQUEST = 2;

const coded = (code, message = code) => Object.assign(new Error(message), { code });

export class ScriptedSiskin {
  /** Holds the requests, in the order in which they began. */
  requests = [];
  /** How many answers are being written, and the most that were at once. */
  running = 0;
  most_running = 0;
  unloaded = false;
  ready = Promise.resolve();
  info = { context_tokens: 200, has_chat_template: true, name: 'scripted' };
  /** What is answered: a text, or a function of the request. 'endless' never ends. */
  answer = 'Fine, thanks.';
  /** The code of an error that each request fails with. */
  failure;

  chat = {
    completions: {
      create: async ({ signal, ...request }) => {
        await setImmediate();
        if (signal?.aborted) throw coded('aborted');
        this.requests.push(request);
        if (this.failure) throw coded(this.failure);
        const prompt_tokens = promptTokens(request.messages);
        if (prompt_tokens >= this.info.context_tokens) throw coded('context_full');
        const text = typeof this.answer === 'function' ? this.answer(request) : this.answer;
        const left = this.info.context_tokens - prompt_tokens;
        return this.#chunks(text, {
          signal,
          prompt_tokens,
          limit: Math.min(request.max_tokens ?? left, left),
        });
      },
    },
  };

  async *#chunks(text, { signal, prompt_tokens, limit }) {
    this.running += 1;
    this.most_running = Math.max(this.most_running, this.running);
    try {
      const words = text === 'endless' ? endless() : (text.match(/\S+\s*|\s+/g) ?? []);
      let completion_tokens = 0;
      for (const content of words) {
        if (completion_tokens === limit) break;
        await setImmediate();
        if (signal?.aborted) throw coded('aborted');
        completion_tokens += 1;
        yield { choices: [{ delta: { content }, finish_reason: null }] };
      }
      yield {
        choices: [{ delta: { content: '' }, finish_reason: 'stop' }],
        usage: { prompt_tokens, completion_tokens },
      };
    } finally {
      this.running -= 1;
    }
  }

  async countTokens(messages) {
    return promptTokens(messages);
  }

  async tokenize(text) {
    return Uint32Array.from(text, (letter) => letter.codePointAt(0));
  }

  async unload() {
    this.unloaded = true;
  }
}

function* endless() {
  for (;;) yield 'x ';
}

/** Returns the tokens of messages. */
export function promptTokens(messages) {
  return messages.reduce((sum, { content }) => sum + content.length + PER_MESSAGE, PER_REQUEST);
}

/** Node has no events of progress. */
globalThis.ProgressEvent ??= class extends Event {
  constructor(type, { loaded = 0, total = 0, lengthComputable = false } = {}) {
    super(type);
    Object.assign(this, { loaded, total, lengthComputable });
  }
};

/** Returns what a promise rejects with. */
export function rejection(promise) {
  return promise.then(
    (value) => {
      throw new Error(`it resolved, to ${String(value)}`);
    },
    (error) => error,
  );
}

/** Reads a stream to its end. */
export async function textOf(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}
