// This app asks a model in the tab through the AI SDK. Its functions are called by
// tests/e2e/ai_sdk.test.mjs.
import { useChat } from '@ai-sdk/react';
import {
  DirectChatTransport,
  Output,
  ToolLoopAgent,
  cosineSimilarity,
  embedMany,
  generateText,
  isStepCount,
  jsonSchema,
  streamText,
  tool,
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

const RECEIPT = jsonSchema({
  type: 'object',
  properties: {
    merchant: { type: 'string', maxLength: 20 },
    kind: { enum: ['food', 'fuel'] },
    prices: { type: 'array', items: { type: 'number', minimum: 0 }, maxItems: 3 },
  },
  required: ['merchant', 'kind', 'prices'],
  additionalProperties: false,
});

/** Asks for an object, whole and streamed. */
export async function object({ model }) {
  const request = {
    model,
    prompt: 'A receipt of a shop, as JSON.',
    temperature: 1.5,
    seed: 4,
    output: Output.object({ schema: RECEIPT }),
  };
  const { output } = await generateText(request);
  const streaming = streamText(request);
  let parts = 0;
  for await (const _ of streaming.partialOutputStream) parts += 1;
  return { output, streamed: await streaming.output, parts };
}

/** Asks with tools, whole and streamed; a call is run and the model asked on. */
export async function tools({ caller, prompt = 'How is the weather in Oslo?', tools = WEATHER }) {
  const ran = [];
  const request = {
    model: caller,
    prompt,
    temperature: 0.7,
    seed: 4,
    maxOutputTokens: 200,
    tools: Object.fromEntries(
      tools.map(({ name, description, parameters }) => [
        name,
        tool({
          description,
          inputSchema: jsonSchema(parameters),
          execute: (input) => ran.push({ name, input }) && 'It is done.',
        }),
      ]),
    ),
    toolChoice: 'required',
    stopWhen: isStepCount(1),
  };
  const whole = await generateText(request);
  const streaming = streamText(request);
  const types = [];
  for await (const { type } of streaming.fullStream) if (types.at(-1) !== type) types.push(type);
  const plain = (calls) => calls.map(({ toolName, input }) => ({ name: toolName, input }));
  return {
    whole: plain(whole.toolCalls),
    finishReason: whole.finishReason,
    results: whole.toolResults.map(({ output }) => output),
    streamed: plain(await streaming.toolCalls),
    types,
    ran,
  };
}

const WEATHER = [
  {
    name: 'get_weather',
    description: 'Returns the weather of a city.',
    parameters: {
      type: 'object',
      properties: { city: { enum: ['Oslo', 'Rome'] }, days: { type: 'integer', maximum: 7 } },
      required: ['city', 'days'],
      additionalProperties: false,
    },
  },
];

/** Asks a model whose template begins with thoughts, which are bounded. */
export async function reasoning({ caller }) {
  const siskin = {
    reasoning_budget: 6,
    chat_template_kwargs: { thinks: true },
    // The model would end the answer with its thoughts.
    logit_bias: { 2: -100 },
  };
  const request = { model: caller, ...question, providerOptions: { siskin } };
  const { reasoningText, text } = await generateText(request);
  const { fullStream } = streamText(request);
  const types = [];
  for await (const { type } of fullStream) if (types.at(-1) !== type) types.push(type);
  return { reasoningText, text, types };
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
