/**
 * This module knows Google Docs, which draws its text on a canvas and takes keys in a frame that
 * nobody sees.
 */

/**
 * Returns the window of Google Docs that a window is, or is a frame of.
 *
 * @param {Window} window
 * @returns {Window | undefined} none elsewhere
 */
export function docsWindowOf(window) {
  for (let it = window; ; it = it.parent) {
    try {
      const { hostname, pathname } = it.location;
      if (hostname === 'docs.google.com' && pathname.startsWith('/document/')) return it;
    } catch {
      // The page around it is another site's.
      return undefined;
    }
    if (it === it.parent) return undefined;
  }
}
