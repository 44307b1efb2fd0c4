/**
 * The reference of `siskin/react`: hooks that load a model and ask it.
 *
 * @module siskin/react
 */
export * from '../../www/lib/react.js';
export type { CompletionOptions, CompletionState, SiskinState } from '../../www/lib/react.js';
