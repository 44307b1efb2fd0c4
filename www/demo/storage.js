/** This module keeps small settings in the browser's storage, where that is allowed. */

/** @typedef {'local' | 'session'} Area `local` is for good, `session` for this tab */

/**
 * @param {Area} area
 * @param {string} key
 * @returns {string | null}
 */
export function readItem(area, key) {
  try {
    return storage(area).getItem(key);
  } catch {
    return null;
  }
}

/**
 * Keeps a value. Storage may be full or forbidden: the value then lasts until the page is closed.
 *
 * @param {Area} area
 * @param {string} key
 * @param {string | null} value null removes it
 */
export function writeItem(area, key, value) {
  try {
    if (value === null) storage(area).removeItem(key);
    else storage(area).setItem(key, value);
  } catch {
    // The value is not kept.
  }
}

/** @param {Area} area */
function storage(area) {
  return area === 'local' ? localStorage : sessionStorage;
}
