/** This module asks for storage that the browser does not clear by itself. */

/**
 * Asks the browser not to clear this site's storage when the disk runs short. Only pages can ask;
 * the answer changes nothing here.
 *
 * @returns {Promise<void>}
 */
export async function requestPersistence() {
  try {
    if (!(await navigator.storage.persisted())) await navigator.storage.persist();
  } catch {
    // Browsers without this API may clear the storage, and the model is then fetched again.
  }
}
