/** This module makes the classes, and puts them where the browser's own would be. */
import { CreateMonitor } from './events.js';
import { QuotaExceededError } from './exceptions.js';
import { makeLanguageModel } from './language_model.js';
import { ModelHost } from './model_host.js';

/** @import { BuiltinAi } from './interfaces.js' */
/** @import { HostOptions } from './model_host.js' */

/**
 * @typedef {HostOptions & {force?: boolean, target?: object}} InstallOptions
 */

/**
 * Makes the interfaces over one model, without touching what the page has.
 *
 * @param {HostOptions} options
 * @returns {Readonly<Pick<BuiltinAi, 'CreateMonitor' | 'LanguageModel' | 'QuotaExceededError'>>}
 */
export function createBuiltinAi(options) {
  const host = new ModelHost(options);
  return Object.freeze({
    CreateMonitor,
    LanguageModel: makeLanguageModel(host),
    QuotaExceededError,
  });
}

/**
 * Defines the interfaces that the browser lacks, or all of them by `force`, as it would have them.
 *
 * @param {InstallOptions} options `target` is where they are defined, by default `globalThis`
 * @returns {() => void} removes them, and puts back what was there before; objects that were made
 *   go on
 */
export function installBuiltinAi({ force = false, target = globalThis, ...options }) {
  const undo = Object.entries(createBuiltinAi(options))
    .filter(([name]) => force || !(name in target))
    .map(([name, value]) => define(target, name, value));
  return () => undo.forEach((remove) => remove());
}

/**
 * @param {object} target
 * @param {string} name
 * @param {unknown} value
 * @returns {() => void}
 */
function define(target, name, value) {
  const before = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, { value, writable: true, configurable: true });
  return () => {
    if (Object.getOwnPropertyDescriptor(target, name)?.value !== value) return;
    if (before) Object.defineProperty(target, name, before);
    else delete (/** @type {any} */ (target)[name]);
  };
}
