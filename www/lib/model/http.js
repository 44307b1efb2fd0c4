/** This module reads whether a response is good, and how long its file is. */
import { publicAddress } from './address.js';
import { SiskinError } from '../errors.js';

/** An `HttpError` is a response whose status is not success. */
export class HttpError extends SiskinError {
  /**
   * @param {Response} response
   * @param {string} [url] that was asked for
   */
  constructor(response, url = response.url) {
    const { status, statusText } = response;
    const advice =
      status === 404
        ? `There is no such file${url ? ` at ${publicAddress(url)}` : ''}: check the address.`
        : status === 401 || status === 403
          ? 'It may need a login or an accepted licence: download the file by hand.'
          : status === 429
            ? 'Try again later.'
            : status >= 500
              ? 'The trouble is on the server: try again later.'
              : 'Check the address.';
    super(
      'http_status',
      `The server answered ${status}${statusText ? ` ${statusText}` : ''}. ${advice}`,
    );
    this.status = status;
    this.retry_after_ms = retryAfterMs(response);
  }
}

/**
 * @param {Response} response
 * @returns {number} 0 where the server does not say
 */
function retryAfterMs(response) {
  const text = response.headers.get('Retry-After');
  if (!text) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return ms > 0 ? ms : 0;
}

/**
 * @param {Response} response
 * @param {string} [url] that was asked for
 * @throws {HttpError}
 */
export function checkStatus(response, url) {
  if (!response.ok) throw new HttpError(response, url);
}

/**
 * @param {Response} response
 * @returns {number | null} null where the server does not tell
 */
export function contentLength(response) {
  // The length of a compressed response is not that of the file.
  if (isEncoded(response)) return null;
  const length = Number(response.headers.get('Content-Length'));
  return Number.isSafeInteger(length) && length > 0 ? length : null;
}

/**
 * @param {Response} response
 * @returns {boolean} whether it came compressed
 */
export function isEncoded(response) {
  const encoding = response.headers.get('Content-Encoding');
  return encoding !== null && encoding !== '' && encoding !== 'identity';
}
