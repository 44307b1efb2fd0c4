// What a component writes with the hooks is checked by its compiler.
import { useCompletion, useSiskin } from '../../www/lib/react.js';

export function useBoth(url: string | null) {
  const { siskin, status, progress, error } = useSiskin(url, { contextTokens: 512, shared: true });
  const { completion, complete, stop, isLoading, messages } = useCompletion({
    siskin,
    temperature: 0,
    onFinish: (text, messages) => [text.length, messages.length],
  });
  const go = () => complete([...messages, { role: 'user', content: 'And then?' }]);
  const other = useCompletion({ source: url, loadOptions: { backend: 'cpu' } });
  // @ts-expect-error: a field that no request has
  useCompletion({ temprature: 0 });
  const known: boolean = status === 'ready' || error?.code === 'network';
  return { known, progress: progress?.loaded_bytes, go, stop, isLoading, completion, other };
}
