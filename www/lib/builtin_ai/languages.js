/** This module reads BCP 47 language tags, and says whether the model is for a language. */
import { domString, sequence } from './convert.js';

/**
 * Returns a tag in its canonical form.
 *
 * @param {unknown} tag
 * @returns {string}
 * @throws {RangeError} for what is no language tag
 */
export function canonicalTag(tag) {
  return Intl.getCanonicalLocales(domString(tag))[0];
}

/**
 * Returns the tags of a member, canonical and each once, or undefined.
 *
 * @param {Record<string, unknown>} options
 * @param {string} name
 * @returns {string[] | undefined}
 * @throws {RangeError | TypeError}
 */
export function languageTags(options, name) {
  const tags = sequence(options, name, domString);
  return tags && [...new Set(tags.map(canonicalTag))];
}

/**
 * Returns the tag of a member in its canonical form, or undefined.
 *
 * @param {Record<string, unknown>} options
 * @param {string} name
 */
export function languageTag(options, name) {
  return options[name] === undefined ? undefined : canonicalTag(options[name]);
}

/**
 * Returns the known tag that fits best: the tag itself, or what is left of it without its last
 * subtags. Undefined where none fits.
 *
 * @param {string} tag
 * @param {readonly string[]} known
 * @returns {string | undefined}
 */
export function bestFit(tag, known) {
  for (let rest = tag; rest; rest = rest.slice(0, Math.max(rest.lastIndexOf('-'), 0)))
    if (known.includes(rest)) return rest;
  return undefined;
}

/**
 * Returns the English name of a language, or undefined where there is no such language.
 *
 * @param {string} tag
 * @returns {string | undefined}
 */
export function languageName(tag) {
  const names = new Intl.DisplayNames('en', { type: 'language', fallback: 'none' });
  const { script, region } = new Intl.Locale(tag);
  const [language] = tag.split('-');
  // `und` and the tags for private use have names, and are no languages.
  if (/^(und|mul|mis|zxx|q[a-t][a-z])$/.test(language) || !names.of(language)) return undefined;
  return names.of([language, script, region].filter(Boolean).join('-')) ?? names.of(language);
}

/**
 * Returns the language that a text in `tag` is treated as, or undefined where the model is not for
 * it. Where nobody said what the model is for, it is asked in any language that there is.
 *
 * @param {string} tag
 * @param {readonly string[] | undefined} known
 * @returns {string | undefined}
 */
export function supported(tag, known) {
  if (known) return bestFit(tag, known);
  return languageName(tag) && tag;
}
