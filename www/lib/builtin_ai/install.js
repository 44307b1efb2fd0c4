/** This module makes the classes, and puts them where the browser's own would be. */
import { CreateMonitor } from './events.js';
import { QuotaExceededError } from './exceptions.js';
import { makeLanguageDetector } from './language_detector.js';
import { makeLanguageModel } from './language_model.js';
import { ModelHost } from './model_host.js';
import { makeProofreader } from './proofreader.js';
import { makeTranslator } from './translator.js';
import { makeWritingInterface } from './writing_interface.js';
import { REWRITER, SUMMARIZER, WRITER } from './writing_kinds.js';

/** @import { BuiltinAi } from './interfaces.js' */
/** @import { HostOptions } from './model_host.js' */

/**
 * `InstallOptions` are a model, and where the interfaces are put.
 *
 * @typedef {HostOptions & {force?: boolean | string[], target?: object}} InstallOptions
 */

/**
 * Makes the interfaces over one model, without touching what the page has.
 *
 * @param {HostOptions} options
 * @returns {Readonly<BuiltinAi>}
 */
export function createBuiltinAi(options) {
  const host = new ModelHost(options);
  return Object.freeze({
    CreateMonitor: /** @type {any} */ (CreateMonitor),
    LanguageDetector: makeLanguageDetector(host),
    LanguageModel: makeLanguageModel(host),
    Proofreader: makeProofreader(host),
    QuotaExceededError,
    Rewriter: makeWritingInterface(host, REWRITER),
    Summarizer: makeWritingInterface(host, SUMMARIZER),
    Translator: makeTranslator(host),
    Writer: makeWritingInterface(host, WRITER),
  });
}

/**
 * Defines the interfaces that the browser lacks.
 *
 * @param {InstallOptions} options `force` defines all of them, or those that it names, where the
 *   browser has its own too; `target` is where they are defined, by default `globalThis`
 * @returns {() => void} removes them, and puts back what was there before; objects that were made
 *   go on
 */
export function installBuiltinAi({ force = false, target = globalThis, ...options }) {
  const undo = Object.entries(createBuiltinAi(options))
    .filter(([name]) => !(name in target) || (Array.isArray(force) ? force.includes(name) : force))
    .map(([name, value]) => define(target, name, value));
  return () => undo.forEach((remove) => remove());
}

/**
 * Defines a property as the browser would.
 *
 * @param {object} target
 * @param {string} name
 * @param {unknown} value
 * @returns {() => void} undoes it, unless somebody else has defined it anew
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
