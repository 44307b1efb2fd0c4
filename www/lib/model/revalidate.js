/** This module asks a server whether it still has the file that is stored. */
import { contentRange, validator } from './file_version.js';
import { contentLength } from './http.js';
import { fetchManifest, isManifest } from './manifest.js';
import { NO_STORE, request } from './request.js';

/** @import { UrlSource } from '../protocol.js' */
/** @import { ModelRecord } from './record.js' */

/**
 * Returns whether the server has another file than the stored one: another ETag, Last-Modified or
 * length, or another manifest. One byte is asked for, because signed addresses allow no HEAD.
 *
 * @param {UrlSource} source
 * @param {ModelRecord} record
 * @param {AbortSignal} signal
 * @returns {Promise<boolean>} false where the server cannot be asked, and for a pinned hash
 */
export async function isReplaced({ url, init, sha256 }, record, signal) {
  if (sha256 !== undefined) return false;
  try {
    if (isManifest(record.url))
      return (await fetchManifest({ url, init }, signal)).sha256 !== record.sha256;
    const response = await request(url, { ...NO_STORE, ...init }, { range: [0, 0], signal });
    response.body?.cancel().catch(() => {});
    const now = validator(response);
    if (now !== null && record.validator !== null) return now !== record.validator;
    const size_bytes =
      response.status === 206 ? contentRange(response)?.size_bytes : contentLength(response);
    return size_bytes != null && size_bytes !== record.size_bytes;
  } catch {
    return false;
  }
}
