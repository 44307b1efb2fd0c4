/** This module holds what the interfaces' `create` and `availability` have in common. */
import { dictionary, signalOf } from './convert.js';
import { createMonitor, ProgressEvents } from './events.js';
import { exception, loadException, reasonOf } from './exceptions.js';
import { checkActive, orAborted } from './signals.js';

/** @import { Availability, ModelHost } from './model_host.js' */

/**
 * A `Kind` is one of the interfaces, for `create`. `O` are its options after they were read.
 *
 * @template O
 * @template T
 * @typedef {object} Kind
 * @property {string} name of the interface
 * @property {boolean} [transient] whether a download needs a click or a key press of just now; by
 *   default one at any time is enough
 * @property {(options: Record<string, unknown>) => O} read reads and checks options, and throws
 *   what `create` rejects with
 * @property {(options: O) => Availability} fits returns `unavailable` where the options ask for
 *   what there is not, else `available`
 * @property {(options: O) => boolean} [withoutModel] whether what the options ask for needs no
 *   model
 * @property {(options: O, signal: AbortSignal | undefined) => Promise<T> | T} make makes the
 *   object, once the model is loaded; the signal destroys it
 */

/** In the drafts' order: the first of these that is among several is the least of them. */
const ORDER = /** @type {const} */ (['unavailable', 'downloading', 'downloadable', 'available']);

/**
 * Returns the least of availabilities.
 *
 * @param {Availability[]} given
 * @returns {Availability}
 */
export function minimum(given) {
  return ORDER.find((it) => given.includes(it)) ?? 'available';
}

/**
 * Computes what `availability(options)` says.
 *
 * @template O, T
 * @param {ModelHost} host
 * @param {Kind<O, T>} kind
 * @param {unknown} given
 * @returns {Promise<Availability>}
 */
export async function availability(host, kind, given) {
  checkActive();
  return availabilityOf(host, kind, kind.read(dictionary(given)));
}

/**
 * @template O, T
 * @param {ModelHost} host
 * @param {Kind<O, T>} kind
 * @param {O} options
 * @returns {Promise<Availability>}
 */
async function availabilityOf(host, kind, options) {
  const fits = kind.fits(options);
  if (kind.withoutModel?.(options)) return fits;
  return minimum([fits, await host.availability()]);
}

/**
 * Creates an object, in the order of steps that the drafts have: options, signal, monitor, then
 * without haste the availability, the download and the object.
 *
 * @template O, T
 * @param {ModelHost} host
 * @param {Kind<O, T>} kind
 * @param {unknown} given
 * @returns {Promise<T>}
 */
export async function create(host, kind, given) {
  checkActive();
  const members = dictionary(given);
  const signal = signalOf(members);
  const { monitor } = members;
  if (monitor !== undefined && typeof monitor !== 'function')
    throw new TypeError('monitor must be a function.');
  const options = kind.read(members);
  if (signal?.aborted) throw reasonOf(signal);
  const activation = globalThis.navigator?.userActivation;
  const is_activated =
    !activation || (kind.transient ? activation.isActive : activation.hasBeenActive);
  /** @type {ProgressEvents | undefined} */
  let progress;
  if (monitor) {
    const target = createMonitor();
    monitor(target);
    progress = new ProgressEvents(target);
  }
  const make = async () => {
    const release = host.hold();
    try {
      await load(host, kind, { options, progress, is_activated, signal });
      if (signal?.aborted) throw reasonOf(signal);
      return await kind.make(options, signal);
    } finally {
      release();
    }
  };
  return orAborted(make(), signal);
}

/**
 * Waits until the model of an object is there.
 *
 * @template O, T
 * @param {ModelHost} host
 * @param {Kind<O, T>} kind
 * @param {{
 *   options: O,
 *   progress: ProgressEvents | undefined,
 *   is_activated: boolean,
 *   signal: AbortSignal | undefined,
 * }} creation
 */
async function load(host, kind, { options, progress, is_activated, signal }) {
  const fire = (/** @type {number} */ fraction) => signal?.aborted || progress?.fire(fraction);
  const found = await availabilityOf(host, kind, options);
  if (found === 'unavailable')
    throw exception('NotSupportedError', `${kind.name} does not have what these options ask for.`);
  if (found === 'downloadable' && !is_activated)
    throw exception(
      'NotAllowedError',
      'The model is not on this device: it may be downloaded after a click or a key press.',
    );
  if (signal?.aborted) throw reasonOf(signal);
  fire(0);
  if (found === 'available') fire(1);
  if (kind.withoutModel?.(options)) return fire(1);
  try {
    let arrived = -1;
    await host.acquire({
      signal,
      onProgress: ({ loaded_bytes, total_bytes }) => {
        if (arrived < 0) arrived = loaded_bytes;
        const missing = (total_bytes ?? 0) - arrived;
        if (missing > 0) fire(Math.min((loaded_bytes - arrived) / missing, 1));
      },
    });
  } catch (error) {
    throw signal?.aborted ? reasonOf(signal) : loadException(error);
  }
  fire(1);
  // What is known of the model only now may be too little.
  if ((await availabilityOf(host, kind, options)) === 'unavailable')
    throw exception('NotSupportedError', 'The model has no chat template.');
}
