/**
 * This module uses Cross-Origin Storage where the browser offers it (a proposal of the WICG): files
 * that sites share, found by their SHA-256. The browser ensures that a file has that hash.
 */

/**
 * `CrossOriginStorage` is the proposal's CrossOriginStorageManager.
 *
 * @typedef {object} CrossOriginStorage
 * @property {(
 *   hash: {algorithm: 'SHA-256', value: string},
 *   options?: {create?: boolean, origins?: '*' | string[]},
 * ) => Promise<FileSystemFileHandle>} requestFileHandle rejects with NotFoundError where no site
 *   has stored the file for this one, and with NotAllowedError where the visitor refuses. A handle
 *   with `create` can only be written
 */

/** @returns {CrossOriginStorage | undefined} */
function storage() {
  return /** @type {any} */ (globalThis.navigator)?.crossOriginStorage;
}

/**
 * Returns a file that another site, or this one, has stored.
 *
 * @param {string} sha256
 * @returns {Promise<Blob | undefined>}
 */
export async function findShared(sha256) {
  try {
    const handle = await storage()?.requestFileHandle({ algorithm: 'SHA-256', value: sha256 });
    return await handle?.getFile();
  } catch {
    // The file is not there, or the visitor does not allow to look.
    return undefined;
  }
}

/**
 * Stores a file for other sites, unless it is there.
 *
 * @param {string} sha256
 * @param {boolean} is_public whether any site may read it; else those of the same site may
 * @param {AsyncIterable<Uint8Array<ArrayBuffer>>} bytes of the file, in order
 * @returns {Promise<boolean>} whether it was stored
 */
export async function share(sha256, is_public, bytes) {
  const shared = storage();
  if (!shared || (await findShared(sha256))) return false;
  try {
    const handle = await shared.requestFileHandle(
      { algorithm: 'SHA-256', value: sha256 },
      { create: true, ...(is_public ? { origins: '*' } : {}) },
    );
    const file = await handle.createWritable();
    for await (const chunk of bytes) await file.write(chunk);
    await file.close();
    return true;
  } catch {
    // The model is in this site's own store anyway.
    return false;
  }
}
