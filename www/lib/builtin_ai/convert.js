/**
 * This module reads what a page passes as Web IDL does: what is missing, of another type, or no
 * value of an enumeration is a TypeError.
 */

/**
 * Returns the members of a dictionary.
 *
 * @param {unknown} value
 * @returns {Record<string, unknown>}
 * @throws {TypeError}
 */
export function dictionary(value) {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' && typeof value !== 'function')
    throw new TypeError(`The options are of the type ${typeof value}; give an object.`);
  return /** @type {Record<string, unknown>} */ (value);
}

/**
 * @param {unknown} value
 * @returns {string}
 * @throws {TypeError} for a symbol
 */
export function domString(value) {
  return `${/** @type {any} */ (value)}`;
}

/**
 * Returns a member that is a string, or undefined.
 *
 * @param {Record<string, unknown>} options
 * @param {string} name
 */
export function optionalString(options, name) {
  const value = options[name];
  return value === undefined ? undefined : domString(value);
}

/**
 * Returns a member that is one of the values of an enumeration.
 *
 * @template {string} T
 * @param {Record<string, unknown>} options
 * @param {string} name
 * @param {readonly T[]} values
 * @param {T} [initial] where the member is missing; without it the member must be there
 * @returns {T}
 * @throws {TypeError}
 */
export function enumeration(options, name, values, initial) {
  const value = options[name];
  if (value === undefined && initial !== undefined) return initial;
  const found = value === undefined ? undefined : values.find((it) => it === domString(value));
  if (found !== undefined) return found;
  if (value === undefined) throw new TypeError(`${name} is missing.`);
  throw new TypeError(`${name} is "${domString(value)}"; it must be one of ${values.join(', ')}.`);
}

/**
 * Returns a member that is a sequence, or undefined.
 *
 * @template T
 * @param {Record<string, unknown>} options
 * @param {string} name
 * @param {(item: unknown) => T} convert
 * @returns {T[] | undefined}
 * @throws {TypeError}
 */
export function sequence(options, name, convert) {
  const value = options[name];
  if (value === undefined) return undefined;
  if (!isSequence(value)) throw new TypeError(`${name} must be an array.`);
  return Array.from(value, convert);
}

/**
 * Returns whether a value is an object that can be iterated.
 *
 * @param {unknown} value
 * @returns {value is Iterable<unknown>}
 */
export function isSequence(value) {
  return (
    value !== null &&
    typeof value === 'object' &&
    typeof (/** @type {any} */ (value)[Symbol.iterator]) === 'function'
  );
}

/**
 * Returns the member `signal`.
 *
 * @param {Record<string, unknown>} options
 * @returns {AbortSignal | undefined}
 * @throws {TypeError}
 */
export function signalOf({ signal }) {
  if (signal === undefined) return undefined;
  const { aborted, addEventListener } = /** @type {AbortSignal} */ (signal ?? {});
  // A signal of a frame is of another class.
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function')
    return /** @type {AbortSignal} */ (signal);
  throw new TypeError('signal must be an AbortSignal.');
}

/**
 * Returns the first argument of a method that needs one, as a string.
 *
 * @param {IArguments | unknown[]} given
 * @returns {string}
 * @throws {TypeError}
 */
export function requiredText(given) {
  if (given.length === 0) throw new TypeError('1 argument is required, and there is none.');
  return domString(given[0]);
}
