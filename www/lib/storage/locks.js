/** This module lets one tab or worker of an origin download a model at a time. */
import { throwIfAborted } from '../errors.js';

/**
 * Waits for the lock, then runs.
 *
 * @param {string} folder of the model
 * @param {AbortSignal} signal ends the waiting
 * @param {() => Promise<void>} run
 * @throws {import('../errors.js').SiskinError} `aborted`, and what `run` throws
 */
export async function withLock(folder, signal, run) {
  try {
    await navigator.locks.request(`siskin ${folder}`, { signal }, run);
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  }
}

/**
 * Runs only if nobody holds the lock.
 *
 * @param {string} folder
 * @param {() => Promise<void>} run
 * @returns {Promise<boolean>} whether it ran
 */
export async function ifUnlocked(folder, run) {
  return navigator.locks.request(`siskin ${folder}`, { ifAvailable: true }, async (lock) => {
    if (lock) await run();
    return lock !== null;
  });
}
