/**
 * This module passes on the version of a site's file. The service worker sends the version as a
 * header with each file, and a thread adds it as a parameter to its imports, of which the browser
 * does not say who sent them.
 */

/** The service worker adds this header to every file of the shell. */
export const VERSION_HEADER = 'Siskin-Version';
export const VERSION_PARAMETER = 'siskin-version';

/**
 * @param {URL} url
 * @param {Response} sibling a file of the version that is wanted
 * @returns {string} the address, with the version if there is one
 */
export function ofSameVersion(url, sibling) {
  const version = sibling.headers.get(VERSION_HEADER);
  if (version === null) return url.href;
  const versioned = new URL(url);
  versioned.searchParams.set(VERSION_PARAMETER, version);
  return versioned.href;
}
