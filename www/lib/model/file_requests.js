/** This module requests the files of one model: it follows redirects only once for each file. */
import { SiskinError } from '../errors.js';
import { contentLength } from './http.js';
import { request } from './request.js';

/** A `FileRequests` sends the requests of one download. */
export class FileRequests {
  /** Tells whether the server has sent any response with a good status. */
  has_responded = false;
  #init;
  #signal;
  /**
   * `#redirects` maps a URL to where it redirects, so that not every part repeats the redirect.
   *
   * @type {Map<string, string>}
   */
  #redirects = new Map();

  /**
   * @param {RequestInit} init
   * @param {AbortSignal} signal
   */
  constructor(init, signal) {
    this.#init = init;
    this.#signal = signal;
  }

  /**
   * Requests a file, or a part of it.
   *
   * @param {string} url
   * @param {[number, number]} [range] first and last byte
   * @returns {Promise<Response>}
   * @throws {SiskinError} `network`, `http_status`, `aborted`
   */
  async get(url, range) {
    const redirected_url = this.#redirects.get(url);
    try {
      const options = { range, signal: this.#signal };
      const response = await request(redirected_url ?? url, this.#init, options);
      if (response.redirected && this.#maySkipRedirect(url, response.url))
        this.#redirects.set(url, response.url);
      this.has_responded = true;
      return response;
    } catch (error) {
      if (redirected_url === undefined) throw error;
      if (!(error instanceof SiskinError) || error.code === 'aborted') throw error;
      // The target of a redirect is often valid for an hour only, so the original URL is asked
      // again.
      this.#redirects.delete(url);
      return this.get(url, range);
    }
  }

  /**
   * Asks for the length of a file on another host which does not let pages read Content-Range.
   *
   * @param {string} url
   * @returns {Promise<number | null>} null where the server does not tell
   */
  async lengthOf(url) {
    try {
      return contentLength(
        await request(url, { ...this.#init, method: 'HEAD' }, { signal: this.#signal }),
      );
    } catch {
      return null;
    }
  }

  /**
   * Returns whether a redirect may be skipped next time. On a redirect to another origin the
   * browser drops private headers, but would send them in a direct request.
   *
   * @param {string} url
   * @param {string} target
   */
  #maySkipRedirect(url, target) {
    return (
      new URL(url).origin === new URL(target).origin ||
      new Headers(this.#init.headers).keys().next().done === true
    );
  }
}
