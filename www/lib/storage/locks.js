/**
 * This module lets one tab or worker of an origin download a model at a time. A browser may freeze
 * a tab, which then holds its lock and does nothing: the holder of a lock answers when it is asked,
 * and one that stays silent loses its lock.
 */
import { throwIfAborted } from '../errors.js';

/** A holder that has not answered for this long is frozen: even a hidden tab gets its messages. */
const SILENCE_MS = 30_000;
const ASK_MS = 5000;

/**
 * Waits for the lock, then runs. Where the holder does not answer, its lock is taken from it.
 *
 * @param {string} folder of the model
 * @param {AbortSignal} signal ends the waiting
 * @param {(signal: AbortSignal) => Promise<void>} run is told by its signal to end: `signal` fired,
 *   or the lock was taken from this tab while it was frozen. Then it runs again, once the lock is
 *   free
 * @throws {import('../errors.js').SiskinError} `aborted`, and what `run` throws
 */
export async function withLock(folder, signal, run) {
  for (let steal = false; ;) {
    throwIfAborted(signal);
    const waiting = new AbortController();
    const holding = new AbortController();
    const silence = steal ? undefined : watchHolder(folder, () => waiting.abort());
    const abort = () => {
      waiting.abort();
      holding.abort();
    };
    signal.addEventListener('abort', abort);
    /** @type {Promise<void> | undefined} */
    let running;
    let ended = false;
    try {
      await navigator.locks.request(
        nameOf(folder),
        steal ? { steal } : { signal: waiting.signal },
        () => {
          silence?.stop();
          running = answering(folder, () => run(holding.signal)).finally(() => (ended = true));
          return running;
        },
      );
      return;
    } catch (error) {
      throwIfAborted(signal);
      if (ended || (!running && !silence?.is_silent)) throw error;
      // Another tab has taken the lock while this one was frozen. What it fetches is read from the
      // store afterwards.
      holding.abort();
      await running?.catch(() => {});
      steal = !running;
    } finally {
      silence?.stop();
      signal.removeEventListener('abort', abort);
    }
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
  return navigator.locks.request(nameOf(folder), { ifAvailable: true }, async (lock) => {
    if (lock) await answering(folder, run);
    return lock !== null;
  });
}

/** @param {string} folder */
function nameOf(folder) {
  return `siskin ${folder}`;
}

/**
 * Answers those who wait for the lock, as long as `run` runs.
 *
 * @param {string} folder
 * @param {() => Promise<void>} run
 */
async function answering(folder, run) {
  const channel = new BroadcastChannel(nameOf(folder));
  channel.onmessage = ({ data }) => data === 'ask' && channel.postMessage('held');
  try {
    await run();
  } finally {
    channel.close();
  }
}

/**
 * Asks again and again whether the holder of a lock is alive.
 *
 * @param {string} folder
 * @param {() => void} onSilence
 */
function watchHolder(folder, onSilence) {
  const channel = new BroadcastChannel(nameOf(folder));
  let asked = 0;
  channel.onmessage = ({ data }) => data === 'held' && (asked = 0);
  const timer = setInterval(() => {
    // Questions are counted, because a clock goes on while this tab itself is frozen.
    if (asked * ASK_MS >= SILENCE_MS) {
      watch.is_silent = true;
      watch.stop();
      onSilence();
    } else {
      asked += 1;
      channel.postMessage('ask');
    }
  }, ASK_MS);
  const watch = {
    is_silent: false,
    stop() {
      clearInterval(timer);
      channel.close();
    },
  };
  return watch;
}
