/**
 * This module lets all tabs of an origin use one engine. A Web Lock elects the tab that owns it,
 * and elects another when that tab is gone. The others speak to its worker over a
 * `BroadcastChannel` that only the two know (docs/design/protocol.md says why).
 */
import { BUILD } from '../build.js';
import { SiskinError, abortedError } from '../errors.js';
import { PROTOCOL } from '../protocol.js';
import { EngineClient } from './engine_client.js';
import { PageEngine, engineKey, openEngine, unloadedError, waitForModel } from './engines.js';
import { LastingClient } from './lasting_client.js';

/** @import { DescribedSource } from '../model/source.js' */
/** @import { ModelHandle, PlacedOptions, WaitOptions } from './engines.js' */

/**
 * A `Link` is a connection to the owner's worker.
 *
 * @typedef {object} Link
 * @property {EngineClient} engine
 * @property {number} pings how many pings in a row had no answer
 * @property {() => void} release lets go of the lock by which the worker knows that the tab lives
 */

/** The owner is looked after this often, while a call is open. */
const WATCH_MS = 1000;
/** An owner that said nothing for this long is asked whether it lives. */
const SILENT_MS = 2000;
/**
 * An owner that did not answer this many times is taken to be frozen. Attempts are counted, not
 * time alone: a tab that was frozen itself has heard nothing either.
 */
const MAX_PINGS = 5;

/**
 * Takes a hold on the engine that the tabs of this origin share.
 *
 * @param {DescribedSource} described
 * @param {PlacedOptions} options
 * @param {WaitOptions} wait
 * @returns {ModelHandle}
 * @throws {SiskinError} `invalid_argument`
 */
export function openShared(described, options, wait) {
  if ([described, ...(options.adapters ?? [])].some(({ source }) => source?.kind !== 'url'))
    throw new SiskinError(
      'invalid_argument',
      'shared goes with addresses: other tabs cannot read a file or a stream.',
    );
  // Locks exist in secure contexts only; elsewhere each tab has an engine of its own.
  if (!navigator.locks) return openEngine(described, options, wait);
  const tab = new SharingTab(described, options);
  return { client: tab.client, loading: waitForModel(tab.client, wait), end: () => tab.leave() };
}

/** A `SharingTab` is one tab's part in a shared engine. */
class SharingTab {
  #described;
  #options;
  #name;
  client = new LastingClient();
  /** Owner and tabs find each other here. @type {BroadcastChannel | undefined} */
  #hall;
  /** @type {Link | undefined} */
  #link;
  /** `#candidacy` ends the waiting for the lock. @type {AbortController | undefined} */
  #candidacy;
  /**
   * `#owned` is set while this tab owns the engine.
   *
   * @type {PageEngine | undefined}
   */
  #owned;
  /** Ends the ownership. @type {(at_once?: boolean) => void} */
  #resign = () => {};
  /** Resolves when the engine of this tab is gone. @type {Promise<void>} */
  #freed = Promise.resolve();
  #left = false;
  #watching;
  #stealing = false;
  #suspend = () => this.#depart(true);
  #resume = (/** @type {PageTransitionEvent} */ { persisted }) => {
    if (persisted) this.#arrive();
  };

  /**
   * @param {DescribedSource} described
   * @param {PlacedOptions} options
   */
  constructor(described, options) {
    this.#described = described;
    this.#options = options;
    // Tabs of another version have an engine of their own until they are reloaded. Which of them
    // starts the worker, and how, is the same to the others.
    const key = engineKey(described, { ...options, place: {} });
    this.#name = `siskin ${PROTOCOL} ${BUILD} ${key}`;
    void this.client.forgotten.then(() => this.leave());
    // A page in the back-forward cache owns nothing: it does not run.
    globalThis.addEventListener?.('pagehide', this.#suspend);
    globalThis.addEventListener?.('pageshow', this.#resume);
    this.#watching = setInterval(() => this.#watch(), WATCH_MS);
    this.#arrive();
  }

  /**
   * Leaves the other tabs. If this one owns the engine, it is ended, and another tab loads it.
   *
   * @returns {Promise<void>} resolves when the memory of this tab is free
   */
  async leave() {
    this.#end(abortedError(), unloadedError());
    await this.#freed;
  }

  /**
   * @param {SiskinError} open
   * @param {SiskinError} later
   */
  #end(open, later) {
    if (this.#left) return;
    this.#left = true;
    clearInterval(this.#watching);
    globalThis.removeEventListener?.('pagehide', this.#suspend);
    globalThis.removeEventListener?.('pageshow', this.#resume);
    this.client.close(open, later);
    this.#depart(false);
  }

  #arrive() {
    if (this.#hall || this.#left) return;
    this.#hall = new BroadcastChannel(this.#name);
    this.#hall.onmessage = ({ data }) => this.#hear(data);
    this.#stand({});
    this.#seek();
  }

  /** @param {{type: 'seek', link: string} | {type: 'owner' | 'ping' | 'pong'}} message */
  #hear(message) {
    if (this.#owned) {
      if (message.type === 'seek') this.#owned.serveChannel(message.link);
      if (message.type === 'ping') this.#hall?.postMessage({ type: 'pong' });
    } else {
      if (message.type === 'owner') this.#seek();
      const engine = this.#link?.engine;
      if (message.type === 'pong' && engine?.is_greeted === false)
        engine.heard_ms = performance.now();
    }
  }

  /** @param {boolean} at_once whether the page is going away */
  #depart(at_once) {
    this.#hall?.close();
    this.#hall = undefined;
    this.#unlink();
    this.#candidacy?.abort();
    this.#resign(at_once);
  }

  /**
   * Waits to own the engine, and owns it until it resigns.
   *
   * @param {{steal?: boolean}} how
   */
  #stand({ steal }) {
    this.#candidacy?.abort();
    const candidacy = new AbortController();
    this.#candidacy = candidacy;
    const options = steal ? { steal } : { signal: candidacy.signal };
    navigator.locks
      .request(this.#name, options, () => (candidacy.signal.aborted ? undefined : this.#own()))
      .catch(() => {
        // Another tab took the lock from this one, which did not answer.
        if (this.#candidacy !== candidacy || candidacy.signal.aborted) return;
        this.#stealing = false;
        this.#resign();
        if (this.#left || !this.#hall) return;
        this.#stand({});
        this.#seek();
      });
  }

  /** Owns the engine, and resolves at the end of the ownership. */
  async #own() {
    if (this.#left) return;
    this.#stealing = false;
    this.#unlink();
    /** @type {() => void} */
    let setFreed = () => {};
    this.#freed = new Promise((resolve) => (setFreed = resolve));
    try {
      const engine = new PageEngine(this.#described, this.#options);
      const handle = engine.hold({});
      const resigned = new Promise((/** @type {(at_once: boolean) => void} */ resolve) => {
        this.#resign = (at_once = false) => {
          // What comes next may be a link to another owner.
          this.#resign = () => {};
          this.#owned = undefined;
          this.client.detach();
          resolve(at_once);
        };
      });
      handle.loading.then(
        () => handle.client.gone.then((error) => this.#fail(handle.client, error)),
        (error) => this.#fail(handle.client, error),
      );
      this.#owned = engine;
      this.client.attach(handle.client);
      this.#hall?.postMessage({ type: 'owner' });
      await handle.end(await resigned);
    } catch (error) {
      this.#end(/** @type {SiskinError} */ (error), /** @type {SiskinError} */ (error));
    } finally {
      setFreed();
    }
  }

  /**
   * Gives up: the engine of this tab failed, and another tab may try.
   *
   * @param {EngineClient} client
   * @param {SiskinError} error
   */
  #fail(client, error) {
    if (this.#owned && this.client.uses(client)) this.#end(error, error);
  }

  /** Makes itself known to the owner, who serves the other end of a new channel. */
  #seek() {
    this.#unlink();
    const link = `${this.#name} ${crypto.getRandomValues(new Uint32Array(4)).join('')}`;
    const engine = new EngineClient(new BroadcastChannel(link));
    let release = () => {};
    const released = new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      release = resolve;
    });
    this.#link = { engine, pings: 0, release };
    this.client.attach(engine);
    void navigator.locks.request(link, () => {
      // A channel of a hall that was left meanwhile is closed.
      if (this.#link?.engine === engine) this.#hall?.postMessage({ type: 'seek', link });
      return released;
    });
  }

  #unlink() {
    const link = this.#link;
    if (!link) return;
    this.#link = undefined;
    this.client.detach();
    link.engine.close(abortedError(), unloadedError());
    link.release();
  }

  /** Notices an owner that does not answer while a call is open. */
  #watch() {
    const link = this.#link;
    if (!link || !this.client.is_busy) return;
    if (performance.now() - link.engine.heard_ms < SILENT_MS) {
      link.pings = 0;
    } else if (link.pings < MAX_PINGS) {
      link.pings += 1;
      // The worker of an owner may not run yet: its page answers then.
      if (link.engine.is_greeted) link.engine.ping();
      else this.#hall?.postMessage({ type: 'ping' });
    } else if (!this.#stealing) {
      void this.#steal();
    }
  }

  /** Takes the engine's place from an owner that is frozen. */
  async #steal() {
    // One tab does so at a time.
    const options = { ifAvailable: true };
    await navigator.locks.request(`${this.#name} steal`, options, async (lock) => {
      if (!lock) return;
      this.#stealing = true;
      this.#stand({ steal: true });
      while (this.#stealing && !this.#left) await new Promise((resolve) => setTimeout(resolve, 50));
    });
  }
}
