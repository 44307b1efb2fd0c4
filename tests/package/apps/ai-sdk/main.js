// This app asks a model in the tab through the AI SDK. Its functions are called by
// tests/e2e/ai_sdk.test.mjs.
import { useChat } from '@ai-sdk/react';
import {
  DirectChatTransport,
  ToolLoopAgent,
  cosineSimilarity,
  embedMany,
  generateText,
  streamText,
} from 'ai';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';

const question = { prompt: 'What is the capital of France?', temperature: 0, maxOutputTokens: 24 };

export async function generate({ model }) {
  const { text, finishReason, usage, response } = await generateText({ model, ...question });
  return { text, finishReason, usage, modelId: response.modelId };
}

export async function stream({ model }) {
  const { textStream, text, finishReason, usage } = streamText({ model, ...question });
  const pieces = [];
  for await (const piece of textStream) pieces.push(piece);
  return { pieces, text: await text, finishReason: await finishReason, usage: await usage };
}

export async function abort({ model }) {
  const stop = new AbortController();
  const { fullStream } = streamText({
    model,
    ...question,
    prompt: 'Write a very long story.',
    maxOutputTokens: 400,
    abortSignal: stop.signal,
  });
  const types = new Set();
  let pieces = 0;
  for await (const { type } of fullStream) {
    types.add(type);
    if (type === 'text-delta' && ++pieces === 3) stop.abort();
  }
  return { types: [...types], pieces };
}

export async function embed({ embeddingModel }) {
  const values = ['A cat sleeps on the sofa.', 'A kitten naps on the couch.', 'Taxes rose in May.'];
  const { embeddings, usage } = await embedMany({ model: embeddingModel, values });
  const [a, b, c] = embeddings;
  return { alike: cosineSimilarity(a, b), other: cosineSimilarity(a, c), tokens: usage.tokens };
}

/** Asks twice through useChat, without a server. */
export function chat({ model }) {
  const agent = new ToolLoopAgent({ model, temperature: 0, maxOutputTokens: 24 });
  const transport = new DirectChatTransport({ agent });
  const root = createRoot(document.body.appendChild(document.createElement('div')));
  return new Promise((resolve, reject) => {
    let asked = false;
    const Chat = () => {
      const { messages, sendMessage, status } = useChat({ transport, onError: reject });
      if (!asked) {
        asked = true;
        setTimeout(() => sendMessage({ text: question.prompt }));
      }
      if (status === 'ready' && messages.length === 2) resolve(messages);
      return createElement('p', null, status);
    };
    root.render(createElement(Chat));
  });
}
