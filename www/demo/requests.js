/**
 * This module counts the requests of the page and of its worker since the model was loaded. The
 * browser itself does the counting, by its Performance API.
 */

/** @typedef {{name: string, end_ms: number}} Request `end_ms` is since 1970 */

export class RequestCounter {
  #since_ms = Infinity;
  #channel_name = `siskin-requests-${Math.random().toString(36).slice(2)}`;
  #onCount;
  count = 0;

  /** @param {(count: number) => void} onCount called when the count changes */
  constructor(onCount) {
    this.#onCount = onCount;
    const channel = openChannel(this.#channel_name);
    if (channel) channel.onmessage = ({ data }) => this.#add(data);
    watchRequests((requests) => this.#add(requests));
  }

  /** Starts the library's worker, with the same counter in it. */
  startWorker = () =>
    new Worker(new URL('./worker.js', import.meta.url), {
      type: 'module',
      name: this.#channel_name,
    });

  /** Counts from now on. */
  restart() {
    this.#since_ms = performance.timeOrigin + performance.now();
    this.count = 0;
    this.#onCount(0);
  }

  /** @param {Request[]} requests */
  #add(requests) {
    const later = requests.filter(({ end_ms }) => end_ms > this.#since_ms);
    if (later.length === 0) return;
    this.count += later.length;
    this.#onCount(this.count);
  }
}

/**
 * Opens the channel on which the worker tells of its requests.
 *
 * @param {string} name
 * @returns {BroadcastChannel | undefined} undefined where the browser forbids it, as it does storage
 */
export function openChannel(name) {
  try {
    return new BroadcastChannel(name);
  } catch {
    return undefined;
  }
}

/**
 * Tells of each request of this page or worker, when it has ended.
 *
 * @param {(requests: Request[]) => void} onRequests
 */
export function watchRequests(onRequests) {
  new PerformanceObserver((list) => {
    const requests = list
      .getEntries()
      .filter(({ name }) => /^https?:/.test(name))
      .map(({ name, startTime, duration }) => ({
        name,
        end_ms: performance.timeOrigin + startTime + duration,
      }));
    if (requests.length > 0) onRequests(requests);
  }).observe({ type: 'resource' });
}
