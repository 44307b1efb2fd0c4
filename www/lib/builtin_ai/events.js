/** This module holds the event handlers of the drafts' interfaces, and the monitor of `create`. */

/** @typedef {((this: EventTarget, event: Event) => unknown) | null} Handler */

/**
 * An `EventHandlers` holds what `on...` attributes are set to.
 */
export class EventHandlers {
  #target;
  /** @type {Map<string, {handler: Handler, listener: (event: Event) => void}>} */
  #handlers = new Map();

  /** @param {EventTarget} target */
  constructor(target) {
    this.#target = target;
  }

  /**
   * @param {string} type of the event
   * @returns {Handler}
   */
  get(type) {
    return this.#handlers.get(type)?.handler ?? null;
  }

  /**
   * Sets the handler of an event. What is no object is null, as in Web IDL.
   *
   * @param {string} type
   * @param {unknown} value
   */
  set(type, value) {
    const known = this.#handlers.get(type);
    const handler = /** @type {Handler} */ (
      typeof value === 'function' || (typeof value === 'object' && value !== null) ? value : null
    );
    if (known && handler) known.handler = handler;
    else if (known) {
      this.#target.removeEventListener(type, known.listener);
      this.#handlers.delete(type);
    } else if (handler) {
      const entry = { handler, listener: (/** @type {Event} */ event) => this.#call(type, event) };
      this.#handlers.set(type, entry);
      this.#target.addEventListener(type, entry.listener);
    }
  }

  /**
   * @param {string} type
   * @param {Event} event
   */
  #call(type, event) {
    const handler = this.get(type);
    if (typeof handler === 'function') handler.call(this.#target, event);
  }
}

/** Only this module makes monitors. */
const OWN = Symbol('own');

/** A `CreateMonitor` tells a caller of `create` how much of the model has arrived. */
export class CreateMonitor extends EventTarget {
  #handlers = new EventHandlers(this);

  /** @param {unknown} [own] */
  constructor(own) {
    if (own !== OWN) throw new TypeError('Illegal constructor');
    super();
  }

  /** What is called for each `downloadprogress`. */
  get ondownloadprogress() {
    return this.#handlers.get('downloadprogress');
  }

  set ondownloadprogress(value) {
    this.#handlers.set('downloadprogress', value);
  }
}

/** Returns a monitor. */
export function createMonitor() {
  return new CreateMonitor(OWN);
}

/** How fine the progress is: finer would tell the model's size. */
const STEPS = 0x10000;
/** Two events are at least so far apart, but for the first and the last. */
const INTERVAL_MS = 50;

/**
 * A `ProgressEvents` fires `downloadprogress` at a monitor: 0 first, 1 last, and rising.
 */
export class ProgressEvents {
  #monitor;
  #last = -1;
  #last_ms = 0;

  /** @param {CreateMonitor} monitor */
  constructor(monitor) {
    this.#monitor = monitor;
  }

  /**
   * @param {number} fraction of the download, from 0 to 1
   */
  fire(fraction) {
    const loaded = Math.floor(fraction * STEPS) / STEPS;
    const now_ms = performance.now();
    if (loaded <= this.#last) return;
    if (loaded > 0 && loaded < 1 && now_ms - this.#last_ms <= INTERVAL_MS) return;
    this.#last = loaded;
    this.#last_ms = now_ms;
    this.#monitor.dispatchEvent(
      new ProgressEvent('downloadprogress', { loaded, total: 1, lengthComputable: true }),
    );
  }
}

/**
 * Gives a class what Web IDL gives an interface: its name (the package's code is minified), a tag,
 * and members that can be enumerated.
 *
 * @template {Function} T
 * @param {string} name
 * @param {T} interface_class
 * @returns {T}
 */
export function asInterface(name, interface_class) {
  for (const [holder, hidden] of [
    [interface_class, ['prototype', 'length', 'name']],
    [interface_class.prototype, ['constructor']],
  ])
    for (const [member, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(holder)))
      if (!hidden.includes(member))
        Object.defineProperty(holder, member, { ...descriptor, enumerable: true });
  Object.defineProperty(interface_class, 'name', { value: name, configurable: true });
  Object.defineProperty(interface_class, 'length', { value: 0, configurable: true });
  Object.defineProperty(interface_class.prototype, Symbol.toStringTag, {
    value: name,
    configurable: true,
  });
  return interface_class;
}
asInterface('CreateMonitor', CreateMonitor);
