/**
 * This module is `siskin/react`: hooks that load a model and ask it. React is imported by its name,
 * and stays the application's own.
 *
 * ```jsx
 * function Chat() {
 *   const { siskin, status, progress } = useSiskin('/models/smollm2.gguf');
 *   const { completion, complete, isLoading, stop } = useCompletion({ siskin });
 *   if (status !== 'ready') return <progress value={progress?.loaded_bytes} />;
 *   return <button onClick={() => complete('Tell a joke.')}>{completion || 'Ask'}</button>;
 * }
 * ```
 *
 * @module siskin/react
 */
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { Siskin, SiskinError } from './index.js';

/**
 * @import { ChatMessage, LoadOptions, LoadProgress, ModelSource } from './index.js'
 * @import { StreamingRequest } from './index.js'
 */

/**
 * A `SiskinState` is what `useSiskin` returns.
 *
 * @typedef {object} SiskinState
 * @property {Siskin | undefined} siskin the model, once it is loaded
 * @property {'idle' | 'loading' | 'ready' | 'error'} status `idle` where no source was given
 * @property {LoadProgress | undefined} progress of the loading
 * @property {SiskinError | undefined} error of the loading
 */

/**
 * `CompletionOptions` are those of `useCompletion`: a model, and fields of the requests such as
 * `temperature`.
 *
 * @typedef {Partial<Omit<StreamingRequest, 'messages' | 'stream' | 'signal' | 'model'>> & {
 *   siskin?: Siskin,
 *   source?: ModelSource | null,
 *   loadOptions?: LoadOptions,
 *   onFinish?: (completion: string, messages: ChatMessage[]) => void,
 *   onError?: (error: SiskinError) => void,
 * }} CompletionOptions
 */

/**
 * A `CompletionState` is what `useCompletion` returns, in the shape of the AI SDK's hook.
 *
 * @typedef {object} CompletionState
 * @property {string} completion the answer as far as it is written
 * @property {(prompt: string | ChatMessage[]) => Promise<string | undefined>} complete asks: a
 *   string is one message of the user's, an array a conversation. An answer that is being written
 *   is stopped. Resolves with the answer, or with undefined where it was stopped or failed
 * @property {() => void} stop
 * @property {boolean} isLoading whether an answer is waited for or being written
 * @property {SiskinError | undefined} error of the last answer, or of the loading
 * @property {ChatMessage[]} messages the last conversation with its answer: a chat goes on with
 *   `complete([...messages, {role: 'user', content}])`
 * @property {SiskinState['status']} status of the model
 * @property {LoadProgress | undefined} progress of the loading
 */

/** @type {SiskinState} */
const IDLE = { siskin: undefined, status: 'idle', progress: undefined, error: undefined };

/**
 * Loads a model while the component is mounted, and again when the source or an option changes.
 * Components that load the same model share one engine, as do the two mounts of StrictMode.
 *
 * @param {ModelSource | null | undefined} source nothing is loaded without one
 * @param {LoadOptions} [options] `onProgress` and `signal` may change without a new load
 * @returns {SiskinState}
 */
export function useSiskin(source, options) {
  return useModel(source, options).state;
}

/**
 * @param {ModelSource | null | undefined} source
 * @param {LoadOptions} [options]
 */
function useModel(source, options = {}) {
  const [state, setState] = useState(IDLE);
  const latest = useRef(options);
  /** `loading` is the promise of the model that is being loaded. */
  const loading = useRef(/** @type {Promise<Siskin> | undefined} */ (undefined));
  useEffect(() => {
    latest.current = options;
  });
  // A new object with the same values is the same source and the same options.
  const from = isUrl(source) ? String(source) : source;
  const given = JSON.stringify({ ...options, signal: undefined });
  useEffect(() => {
    if (from === null || from === undefined) {
      setState(IDLE);
      return undefined;
    }
    let mounted = true;
    const stop = new AbortController();
    const { signal, onProgress: _, ...rest } = latest.current;
    const abort = () => stop.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    setState({ ...IDLE, status: 'loading' });
    const onProgress = (/** @type {LoadProgress} */ progress) => {
      latest.current.onProgress?.(progress);
      if (mounted) setState((state) => ({ ...state, progress }));
    };
    const load = Siskin.load(from, { ...rest, signal: stop.signal, onProgress });
    loading.current = load;
    load.then(
      (siskin) => mounted && setState((state) => ({ ...state, siskin, status: 'ready' })),
      (error) => mounted && setState({ ...IDLE, status: 'error', error }),
    );
    return () => {
      mounted = false;
      signal?.removeEventListener('abort', abort);
      // A component that is mounted again at once finds the engine running.
      setTimeout(() => {
        stop.abort();
        load.then((siskin) => siskin.unload()).catch(() => {});
      });
    };
  }, [from, given]);
  return { state, loading };
}

/**
 * Asks a model, and holds its answer as it is written.
 *
 * @param {CompletionOptions} [options] `siskin`, as `useSiskin` gives it, or the `source` to load;
 *   and fields of a request
 * @returns {CompletionState}
 */
export function useCompletion(options = {}) {
  const { state, loading } = useModel(options.siskin ? null : options.source, options.loadOptions);
  const [completion, setCompletion] = useState('');
  const [messages, setMessages] = useState(/** @type {ChatMessage[]} */ ([]));
  const [isLoading, setLoading] = useState(false);
  const [error, setError] = useState(/** @type {SiskinError | undefined} */ (undefined));
  const latest = useRef(options);
  const running = useRef(/** @type {AbortController | undefined} */ (undefined));
  useEffect(() => {
    latest.current = options;
  });
  const stop = useCallback(() => running.current?.abort(), []);
  useEffect(() => stop, [stop]);

  const complete = useCallback(
    async (/** @type {string | ChatMessage[]} */ prompt) => {
      stop();
      const own = new AbortController();
      running.current = own;
      const { signal } = own;
      const {
        siskin,
        source: _,
        loadOptions: _options,
        onFinish,
        onError,
        ...fields
      } = latest.current;
      const asked =
        typeof prompt === 'string'
          ? [{ role: /** @type {const} */ ('user'), content: prompt }]
          : prompt;
      setLoading(true);
      setError(undefined);
      setCompletion('');
      setMessages(asked);
      let content = '';
      try {
        const model = siskin ?? (await loading.current);
        if (!model)
          throw new SiskinError('not_loaded', 'useCompletion has no model yet: wait for siskin.');
        const request = { ...fields, messages: asked, stream: /** @type {const} */ (true), signal };
        for await (const { choices } of await model.chat.completions.create(request)) {
          content += choices[0]?.delta.content ?? '';
          if (!signal.aborted) setCompletion(content);
        }
        signal.throwIfAborted();
        const whole = [...asked, { role: /** @type {const} */ ('assistant'), content }];
        setMessages(whole);
        onFinish?.(content, whole);
        return content;
      } catch (cause) {
        if (signal.aborted) return undefined;
        const failure = /** @type {SiskinError} */ (cause);
        setError(failure);
        onError?.(failure);
        return undefined;
      } finally {
        // Another answer may have begun meanwhile.
        if (running.current === own) {
          running.current = undefined;
          setLoading(false);
        }
      }
    },
    [loading, stop],
  );
  return useMemo(
    () => ({
      completion,
      complete,
      stop,
      isLoading,
      error: state.error ?? error,
      messages,
      status: options.siskin ? 'ready' : state.status,
      progress: state.progress,
    }),
    [completion, complete, stop, isLoading, error, messages, options.siskin, state],
  );
}

/**
 * @param {unknown} source
 * @returns {boolean}
 */
function isUrl(source) {
  return Object.prototype.toString.call(source) === '[object URL]';
}
