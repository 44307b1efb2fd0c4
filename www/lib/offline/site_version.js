/**
 * How the version of a site's file travels: the service worker names it with the file, and a
 * thread, of whose imports the browser does not say whose they are, asks by it.
 */

/** With every file of the shell. */
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
