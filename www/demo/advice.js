/** This module has a heading for each kind of error; the error's own message says what to do. */

/** @type {Record<string, string>} */
const TITLES = {
  http_status: 'The server did not give the model',
  network: 'The download broke off',
  file_changed: 'The file on the server changed',
  integrity: 'The model did not arrive as it should',
  manifest: 'The manifest is not in order',
  storage_full: 'There is no room for the model',
  storage_failed: 'The browser could not keep the model',
  in_use: 'The model is being fetched',
  html_not_model: 'That is a web page, not a model',
  not_gguf: 'That is not a GGUF file',
  gguf_version: 'This GGUF version is not supported',
  gguf_truncated: 'The model file is incomplete',
  gguf_malformed: 'The model file is damaged',
  gguf_tensor_overlap: 'The model file is damaged',
  gguf_tensor_misaligned: 'The model file is damaged',
  gguf_split: 'The files of the model do not fit together',
  tensor_type: 'This quantization is not supported',
  architecture: 'This kind of model is not supported',
  metadata: 'The model file lacks something',
  tensor_missing: 'The model file lacks something',
  tensor_shape: 'The model file does not fit together',
  tensor_not_finite: 'The model file is damaged',
  tokenizer: 'The vocabulary is not supported',
  template: 'The chat template refused this conversation',
  context_full: 'This chat is too long for the model',
  invalid_argument: 'A setting is out of range',
  out_of_memory: 'Memory ran out',
  not_finite: 'The model computed nonsense',
  gpu_unavailable: 'There is no graphics card to compute on',
  gpu_refused: 'The graphics card computes wrongly',
  gpu_slower: 'The graphics card is slower than the processor',
  gpu_unsupported: 'The graphics card cannot run this model',
  gpu_out_of_memory: "The graphics card's memory ran out",
  gpu_lost: 'The graphics card was lost',
  worker_failed: 'The engine crashed',
  wasm_failed: 'The engine did not start',
  no_simd: 'This browser is too old',
  unsupported: 'This is no browser',
  prefix_mismatch: 'What was saved belongs to another model',
  version_mismatch: 'The site has changed since this page was opened',
  offline_unsupported: 'The page cannot work offline here',
  offline_failed: 'The page cannot work offline yet',
};

const PASSING = [
  'http_status',
  'network',
  'file_changed',
  'integrity',
  'storage_full',
  'storage_failed',
  'worker_failed',
  'wasm_failed',
  'out_of_memory',
  'gpu_out_of_memory',
  'gpu_lost',
  'unknown',
];

/**
 * Returns whether the same attempt may succeed later: a broken file, for example, stays broken.
 *
 * @param {string} code
 * @returns {boolean}
 */
export function canRetry(code) {
  return PASSING.includes(code);
}

/**
 * @param {unknown} error
 * @returns {{code: string, title: string, message: string}}
 */
export function explain(error) {
  const { code, message } = /** @type {{code?: string, message?: string}} */ (error ?? {});
  return {
    code: code ?? 'unknown',
    title: TITLES[code ?? ''] ?? 'Something went wrong',
    message: sentence(message || 'Reload the page and try again.'),
  };
}

/**
 * @param {string} text
 * @returns {string} with a capital and a full stop
 */
function sentence(text) {
  const begun = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
