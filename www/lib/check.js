/** This module asks a worker whether a model would run here, before it is downloaded. */
import { recallGpus } from './engine/gpu_verdicts.js';
import { usableThreads } from './engine/wasm_build.js';
import { WorkerClient } from './engine/worker_client.js';
import { SiskinError, throwIfAborted } from './errors.js';
import { readLoadOptions } from './load_options.js';
import { describeSource } from './model/source.js';

/** @import { LoadOptions } from './load_options.js' */
/** @import { CheckResult } from './protocol.js' */
/** @import { ModelSource } from './siskin.js' */

/**
 * @param {ModelSource} source
 * @param {LoadOptions} [options]
 * @returns {Promise<CheckResult>}
 */
export async function check(source, options = {}) {
  const { signal, engine, store, place, unknown } = readLoadOptions(options);
  if (unknown !== undefined)
    throw new SiskinError('invalid_argument', `Siskin.check has no option \`${unknown}\`.`);
  throwIfAborted(signal);
  const described = describeSource(source, store);
  if (!described)
    throw new SiskinError(
      'invalid_argument',
      'Siskin.check takes a URL, a Request, a File or a Blob: a response or a stream is read once.',
    );
  const { threads, cache_type } = engine;
  const subject = { source: described.source, threads: usableThreads(threads), cache_type };
  const message = {
    type: /** @type {const} */ ('check'),
    source: described.source,
    ...engine,
    known_gpus: recallGpus(subject),
  };
  const worker = new WorkerClient(place);
  try {
    return await worker.check(message, { signal });
  } finally {
    await worker.end(true);
  }
}
