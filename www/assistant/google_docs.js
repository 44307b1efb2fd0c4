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

/**
 * Returns the windows whose keys a person presses while the card of a window is open. The frame
 * that takes the keys of Google Docs is one of them.
 *
 * @param {Window} window
 * @returns {Window[]}
 */
export function keyWindowsOf(window) {
  if (docsWindowOf(window) !== window) return [window];
  const frames = Array.from(window.document.querySelectorAll('iframe'));
  return [window, ...frames.flatMap((it) => it.contentDocument?.defaultView ?? [])];
}
