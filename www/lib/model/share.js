/** This module offers a stored model to other sites. */
import { publicAddress } from './address.js';
import { share } from '../storage/cross_origin.js';

/** @import { UrlSource } from '../protocol.js' */
/** @import { PartStore } from './part_store.js' */

/**
 * Offers a model whose hash was checked to other sites, where the browser has a store for that. All
 * sites may have what any of them could fetch; a model of this site's own host, or behind a header
 * or a signed address, only other pages of this site.
 *
 * @param {UrlSource} source
 * @param {PartStore} part_store
 */
export async function shareModel({ url, init, sha256 }, part_store) {
  const is_public =
    new URL(url).origin !== globalThis.location?.origin &&
    publicAddress(url) === url &&
    new Headers(init.headers).keys().next().done === true &&
    init.credentials !== 'include';
  if (sha256 !== undefined) await share(sha256, is_public, chunksOf(part_store));
}

/** @param {PartStore} part_store */
async function* chunksOf(part_store) {
  const { record } = part_store;
  for (let chunk = 0; record && chunk < record.chunks.length; chunk++) {
    const bytes = await part_store.readChunk(record, chunk);
    if (!(bytes instanceof Uint8Array)) throw new Error('The model was removed meanwhile.');
    yield bytes;
  }
}
