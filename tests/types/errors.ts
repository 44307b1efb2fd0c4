// What a program writes about errors and requests is checked by its compiler.
import {
  Siskin,
  SiskinError,
  type AnyRequest,
  type Choice,
  type ChunkChoice,
  type Completions,
  type LoadOptions,
  type PortLike,
  type RequestOptions,
  type SiskinErrorCode,
} from '../../www/lib/index.js';

export function advice(error: unknown): string {
  if (!(error instanceof SiskinError)) return 'unknown';
  // @ts-expect-error: a code that is misspelled
  if (error.code === 'storage_ful') return 'never';
  // @ts-expect-error: a code that no error has
  const wrong: SiskinErrorCode = 'oops';
  return error.code === 'storage_full' ? 'free some space' : wrong;
}

export async function use(siskin: Siskin, port: MessagePort, request: AnyRequest) {
  const other = await Siskin.connect(port, { signal: AbortSignal.timeout(5) });
  await siskin.serve(new BroadcastChannel('siskin'));
  await siskin.serve(port satisfies PortLike);
  const whole = await other.chat.completions.create({ messages: [], max_tokens: null });
  const [{ message, finish_reason }]: Choice[] = whole.choices;
  const stream = await other.chat.completions.create({ messages: [], stream: true });
  for await (const { choices } of stream) choices satisfies ChunkChoice[];
  const either = await other.chat.completions.create(request);
  if ('choices' in either) either.usage.total_tokens satisfies number;
  // @ts-expect-error: a field that there is not
  other.chat.completions.create({ messages: [], temprature: 1 });
  // @ts-expect-error: an option that there is not
  ({ shard: true }) satisfies LoadOptions;
  return [message.refusal satisfies null, finish_reason];
}

declare const create: Completions['create'];
export const answer = (options: RequestOptions) => create({ messages: [] }, options);

export async function disposed() {
  await using siskin = await Siskin.load('model.gguf', { shared: true });
  return siskin.info.name;
}
