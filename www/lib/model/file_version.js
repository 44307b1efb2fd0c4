/** This module tells versions of a file on a server apart. */
import { publicAddress } from './address.js';
import { SiskinError } from '../errors.js';

/**
 * @param {Response} response
 * @returns {{first: number, size_bytes: number} | undefined} the part's first byte and
 *   the file's size; undefined where the server does not tell
 */
export function contentRange(response) {
  const match = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '');
  if (!match) return undefined;
  const [first, size_bytes] = [Number(match[1]), Number(match[2])];
  return Number.isSafeInteger(size_bytes) && first < size_bytes ? { first, size_bytes } : undefined;
}

/**
 * Returns the ETag or Last-Modified of a response, which changes when the file does.
 *
 * @param {Response} response
 * @returns {string | null} null where the server sends no such header, or hides it (CORS)
 */
export function validator(response) {
  const etag = response.headers.get('ETag')?.replace(/^W\//, '');
  return etag ?? response.headers.get('Last-Modified');
}

/**
 * Returns the error of a file that is replaced again and again while it is fetched.
 *
 * @param {string} url
 */
export function changedError(url) {
  return new SiskinError(
    'file_changed',
    `The file at ${publicAddress(url)} keeps changing while it is fetched. Try again later.`,
  );
}

/**
 * Returns the error of a file that was replaced once while it was being loaded.
 *
 * @param {string} url
 */
export function replacedError(url) {
  return new SiskinError(
    'file_changed',
    `The file at ${publicAddress(url)} was replaced while it was being loaded. Try again.`,
  );
}
