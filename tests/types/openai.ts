// OpenAI's types fit this library's in both directions: a program may hand what its OpenAI client
// takes to Siskin, and what Siskin gives to what reads OpenAI's answers.
import type { OpenAI as OpenAI5 } from 'openai5';
import type { OpenAI as OpenAI6 } from 'openai6';
import type { OpenAI as OpenAI7 } from 'openai7';
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionStream,
  EmbeddingResponse,
  Models,
  Siskin,
  TextCompletion,
} from '../../www/lib/index.js';

declare const siskin: Siskin;
const { create } = siskin.chat.completions;
declare const completion: ChatCompletion;
declare const chunk: ChatCompletionChunk;

export const completions: [
  OpenAI5.Chat.ChatCompletion,
  OpenAI6.Chat.ChatCompletion,
  OpenAI7.Chat.ChatCompletion,
] = [completion, completion, completion];

export const chunks: [
  OpenAI5.Chat.ChatCompletionChunk,
  OpenAI6.Chat.ChatCompletionChunk,
  OpenAI7.Chat.ChatCompletionChunk,
] = [chunk, chunk, chunk];

export function whole(
  body:
    | OpenAI5.Chat.ChatCompletionCreateParamsNonStreaming
    | OpenAI6.Chat.ChatCompletionCreateParamsNonStreaming
    | OpenAI7.Chat.ChatCompletionCreateParamsNonStreaming,
): Promise<ChatCompletion> {
  return create(body);
}

export function streamed(
  body:
    | OpenAI5.Chat.ChatCompletionCreateParamsStreaming
    | OpenAI6.Chat.ChatCompletionCreateParamsStreaming
    | OpenAI7.Chat.ChatCompletionCreateParamsStreaming,
): Promise<ChatCompletionStream> {
  return create(body);
}

export function either(
  body:
    | OpenAI5.Chat.ChatCompletionCreateParams
    | OpenAI6.Chat.ChatCompletionCreateParams
    | OpenAI7.Chat.ChatCompletionCreateParams,
): Promise<ChatCompletion | ChatCompletionStream> {
  return create(body);
}

export function messages(
  messages:
    | OpenAI5.Chat.ChatCompletionMessageParam[]
    | OpenAI6.Chat.ChatCompletionMessageParam[]
    | OpenAI7.Chat.ChatCompletionMessageParam[],
  stream: boolean,
) {
  return create({ messages, stream, temperature: null, stop: null, max_tokens: null });
}

// Fields that OpenAI's API lacks stand beside its own.
export async function drafts(): Promise<number | undefined> {
  const messages = [{ role: 'user' as const, content: 'Hello' }];
  const { timings } = await create({ messages, temperature: 0, draft_max: 8 });
  return timings.draft_n_accepted;
}

export async function texts(
  body:
    | OpenAI5.CompletionCreateParamsNonStreaming
    | OpenAI6.CompletionCreateParamsNonStreaming
    | OpenAI7.CompletionCreateParamsNonStreaming,
): Promise<[TextCompletion, OpenAI5.Completion, OpenAI6.Completion, OpenAI7.Completion]> {
  const text = await siskin.completions.create(body);
  return [text, text, text, text];
}

export async function vectors(
  input:
    | OpenAI5.EmbeddingCreateParams['input']
    | OpenAI6.EmbeddingCreateParams['input']
    | OpenAI7.EmbeddingCreateParams['input'],
): Promise<
  [
    EmbeddingResponse,
    OpenAI5.CreateEmbeddingResponse,
    OpenAI6.CreateEmbeddingResponse,
    OpenAI7.CreateEmbeddingResponse,
  ]
> {
  const response = await siskin.embeddings.create({ input, model: 'any', dimensions: 64 });
  return [response, response, response, response];
}

export async function listed(models: Models): Promise<[OpenAI5.Model, OpenAI6.Model, OpenAI7.Model]> {
  const [model] = (await models.list()).data;
  return [model, model, model];
}

// The clients take the handler for fetch.
export const clients = (
  openai5: typeof OpenAI5,
  openai6: typeof OpenAI6,
  openai7: typeof OpenAI7,
) => {
  const options = {
    fetch: siskin.fetch,
    baseURL: 'https://siskin.local/v1',
    apiKey: '-',
    dangerouslyAllowBrowser: true,
  };
  return [new openai5(options), new openai6(options), new openai7(options)];
};
