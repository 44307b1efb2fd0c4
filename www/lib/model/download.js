/**
 * This module fetches the missing parts of a model: in parallel where the server answers ranges, in
 * whole files where it does not.
 */
import { SiskinError } from '../errors.js';
import { FileRequests } from './file_requests.js';
import { freeBuffer } from '../storage/free_buffer.js';
import { changedError, contentRange, validator } from './file_version.js';
import { HttpError, contentLength, isEncoded } from './http.js';
import { fetchManifest, isManifest } from './manifest.js';
import { fileOf, locate, partsOf } from './part_layout.js';
import { PARTS_PER_CHUNK, PART_BYTES, CHUNK_BYTES, newRecord, partCount } from './record.js';
import { CONNECTION_BROKEN, NO_STORE, readBody } from './request.js';
import { FIRST_REQUEST, LATER_REQUEST, WHOLE_FILE, isOffline, retry } from './retry.js';

/** @import { DownloadTarget } from './download_target.js' */

/**
 * A `Download` fetches the parts that its target lacks, over several connections. Each connection
 * claims a part (or all parts of a file, without ranges), fetches it and saves it.
 */
export class Download {
  #url;
  #init;
  #sha256;
  #target;
  #stop = new AbortController();
  #signal = this.#stop.signal;
  #requests;
  #ranges = true;
  /**
   * `#claims` maps each part that a connection fetches to all parts which that connection has
   * claimed.
   *
   * @type {Map<number, number[]>}
   */
  #claims = new Map();
  /**
   * The response to the first request is kept for the connection that reads it.
   *
   * @type {{part: number, response: Response} | undefined}
   */
  #first_response;

  /**
   * @param {object} source
   * @param {string} source.url of the model or of its manifest
   * @param {RequestInit} source.init
   * @param {string} [source.sha256] the expected hash of the file at `url`
   * @param {DownloadTarget} target
   * @param {AbortSignal} signal
   */
  constructor({ url, init, sha256 }, target, signal) {
    this.#url = url;
    this.#init = { ...NO_STORE, ...init };
    this.#sha256 = sha256;
    this.#target = target;
    this.#requests = new FileRequests(this.#init, this.#signal);
    if (signal.aborted) this.#stop.abort();
    signal.addEventListener('abort', () => this.#stop.abort(), {
      once: true,
      signal: this.#signal,
    });
  }

  /**
   * @param {number} end_part the first part that is not wanted
   * @throws {SiskinError} `network`, `http_status`, `file_changed`, `integrity`, `manifest`,
   *   `storage_full`, `aborted`
   */
  async run(end_part) {
    try {
      await this.#sendFirstRequest(end_part);
      const connections = Array.from({ length: PARTS_PER_CHUNK }, () =>
        this.#runConnection(end_part),
      );
      try {
        await Promise.all(connections);
      } finally {
        this.#stop.abort();
        await Promise.allSettled(connections);
      }
    } finally {
      this.#stop.abort();
      this.#first_response?.response.body?.cancel().catch(() => {});
    }
  }

  get #record() {
    const { record } = this.#target;
    if (!record) throw new Error('the record comes first');
    return record;
  }

  /**
   * Sends the first request alone: its response tells whether the server answers ranges, and how
   * long the file is.
   *
   * @param {number} end_part
   */
  async #sendFirstRequest(end_part) {
    if (!this.#target.record && isManifest(this.#url)) {
      const record = await fetchManifest(
        { url: this.#url, init: this.#init, sha256: this.#sha256 },
        this.#signal,
      );
      await this.#target.begin(record, record.size_bytes);
    }
    const { record } = this.#target;
    const part = record ? this.#nextPart(end_part) : 0;
    if (part === undefined) return;
    const { url, first, last } = record
      ? this.#locate(part)
      : { url: this.#url, first: 0, last: PART_BYTES - 1 };
    // The browser's own schemes know no ranges. Some take them and answer 200 with the part alone.
    this.#ranges = /^https?:/.test(url);
    let response = await this.#askForRange(url, this.#ranges ? [first, last] : undefined);
    const size_bytes =
      response.status === 206 && !isEncoded(response)
        ? (contentRange(response)?.size_bytes ?? (await this.#requests.lengthOf(url)))
        : null;
    if (size_bytes === null) {
      this.#ranges = false;
      // The response is a part of a compressed file, or of a file of unknown length.
      if (response.status === 206) {
        response.body?.cancel().catch(() => {});
        response = await this.#request(url);
      }
    }
    this.#first_response = { part, response };
    if (record) this.#check(response, first);
    else await this.#begin(response, size_bytes);
  }

  /**
   * @param {Response} response
   * @param {number | null} size_bytes
   */
  async #begin(response, size_bytes) {
    const chunks = Array(size_bytes === null ? 0 : Math.ceil(size_bytes / CHUNK_BYTES)).fill(null);
    const record = newRecord(this.#url, {
      size_bytes,
      validator: validator(response),
      chunks,
    });
    await this.#target.begin(record, size_bytes ?? contentLength(response));
  }

  /**
   * @param {string} url
   * @param {[number, number]} [range]
   * @returns {Promise<Response>} the whole file, if requests for a range fail
   */
  async #askForRange(url, range) {
    try {
      return await retry(() => this.#request(url, range), {
        plan: FIRST_REQUEST,
        signal: this.#signal,
      });
    } catch (error) {
      // Some servers fail on ranges, compress them against the browser's request, or do not let
      // pages of other sites ask for them (CORS).
      if (!(error instanceof SiskinError) || error.code !== 'network' || isOffline()) throw error;
      return this.#request(url);
    }
  }

  /**
   * @param {string} url
   * @param {[number, number]} [range]
   * @returns {Promise<Response>}
   */
  async #request(url, range) {
    try {
      return await this.#requests.get(url, range);
    } catch (error) {
      if (!(error instanceof HttpError) || error.status !== 416) throw error;
      if (this.#target.record) throw changedError(url);
      // An empty file has no first byte.
      return this.#request(url);
    }
  }

  /** @param {number} part */
  #locate(part) {
    const { url, ...range } = locate(this.#record, part);
    return { url: this.#addressOf(url), ...range };
  }

  /**
   * Returns where a file of the record is now: its signed address may have changed, and shards lie
   * beside their manifest.
   *
   * @param {string} url
   */
  #addressOf(url) {
    return isManifest(this.#record.url)
      ? new URL(url.slice(url.lastIndexOf('/') + 1), this.#url).href
      : this.#url;
  }

  /** @param {number} end_part */
  async #runConnection(end_part) {
    // All parts of the connection share this buffer: one for each part would leave as much garbage
    // as the model is large.
    const buffer = new Uint8Array(PART_BYTES);
    for (let part = this.#nextPart(end_part); part !== undefined; part = this.#nextPart(end_part)) {
      const claimed = this.#ranges ? [part] : partsOf(this.#record, fileOf(this.#record, part));
      for (const part of claimed) this.#claims.set(part, claimed);
      try {
        const first = this.#takeFirstResponse(claimed);
        if (this.#ranges) await this.#fetchPart(part, buffer, first);
        else await this.#fetchFile(fileOf(this.#record, part), buffer, first);
      } finally {
        // Another connection that fetches the whole file may have claimed the parts since.
        for (const part of claimed)
          if (this.#claims.get(part) === claimed) this.#claims.delete(part);
      }
    }
    freeBuffer(buffer.buffer);
  }

  /**
   * @param {number[]} claimed
   * @returns {Response | undefined} the first answer, if it is of these: an earlier part may have
   *   turned out wrong meanwhile
   */
  #takeFirstResponse(claimed) {
    const first = this.#first_response;
    this.#first_response = undefined;
    if (!first || claimed.includes(first.part)) return first?.response;
    first.response.body?.cancel().catch(() => {});
    return undefined;
  }

  /**
   * @param {number} end_part
   * @returns {number | undefined}
   */
  #nextPart(end_part) {
    const end = Math.min(end_part, partCount(this.#record));
    for (let part = 0; part < end; part++) {
      if (this.#claims.has(part)) {
        // The number of parts of a file without a known length is known only at its end.
        if (this.#record.size_bytes === null) return undefined;
      } else if (!this.#target.parts.has(part)) return part;
    }
    return undefined;
  }

  /**
   * @param {number} part
   * @param {Uint8Array<ArrayBuffer>} buffer of a part's size
   * @param {Response} [response]
   */
  async #fetchPart(part, buffer, response) {
    await this.#target.waitForSpace(part, this.#signal);
    const { url, first, last } = this.#locate(part);
    const bytes = buffer.subarray(0, last - first + 1);
    let filled = 0;
    const fill = async () => {
      while (filled < bytes.length) {
        const before = filled;
        const answer = response ?? (await this.#request(url, [first + filled, last]));
        response = undefined;
        this.#check(answer, first + filled);
        if (answer.status !== 206) {
          answer.body?.cancel().catch(() => {});
          this.#ranges = false;
          return;
        }
        for await (const piece of readBody(answer, this.#signal)) {
          const wanted = piece.subarray(0, bytes.length - filled);
          bytes.set(wanted, filled);
          filled += wanted.length;
          this.#target.arrived(wanted.length);
          if (wanted.length < piece.length) break;
        }
        if (filled === before) throw new SiskinError('network', CONNECTION_BROKEN);
      }
    };
    try {
      await retry(fill, {
        plan: this.#requests.has_responded ? LATER_REQUEST : FIRST_REQUEST,
        signal: this.#signal,
        progress: () => filled,
      });
      if (filled === bytes.length) await this.#target.save(part, bytes);
    } finally {
      this.#target.arrived(-filled);
    }
  }

  /**
   * Fetches a whole file, from a server that does not answer ranges.
   *
   * @param {number} index
   * @param {Uint8Array<ArrayBuffer>} buffer of a part's size
   * @param {Response} [response]
   */
  async #fetchFile(index, buffer, response) {
    const [first_part] = partsOf(this.#record, index);
    const file = this.#record.files[index];
    let filled = 0;
    const fill = async () => {
      const answer = response ?? (await this.#request(this.#addressOf(file.url)));
      response = undefined;
      this.#check(answer, 0);
      const expected_bytes = file.size_bytes ?? contentLength(answer);
      let part = first_part;
      let received = 0;
      this.#target.arrived(-filled);
      filled = 0;
      const flush = async () => {
        if (!this.#target.parts.has(part))
          await this.#target.save(part, buffer.subarray(0, filled));
        this.#target.arrived(-filled);
        filled = 0;
        part += 1;
      };
      for await (let piece of readBody(answer, this.#signal)) {
        received += piece.length;
        while (piece.length > 0) {
          if (filled === 0) await this.#target.waitForSpace(part, this.#signal);
          const wanted = piece.subarray(0, PART_BYTES - filled);
          buffer.set(wanted, filled);
          filled += wanted.length;
          this.#target.arrived(wanted.length);
          piece = piece.subarray(wanted.length);
          if (filled === PART_BYTES) await flush();
        }
      }
      if (expected_bytes !== null && received < expected_bytes) {
        throw new SiskinError(
          'network',
          `The connection ended after ${received} of ${expected_bytes} bytes. Try again.`,
        );
      }
      if (file.size_bytes !== null && received > file.size_bytes) throw changedError(file.url);
      if (filled > 0) await flush();
      if (file.size_bytes === null) await this.#target.end(received);
    };
    try {
      await retry(fill, { plan: WHOLE_FILE, signal: this.#signal });
    } finally {
      this.#target.arrived(-filled);
    }
  }

  /**
   * Throws `file_changed` unless the response belongs to the file that was begun. Shards need no
   * check, because their chunks have hashes.
   *
   * @param {Response} response
   * @param {number} first the byte that was asked for
   */
  #check(response, first) {
    const { url, size_bytes, validator: pinned } = this.#record;
    if (isManifest(url)) return;
    const now = validator(response);
    const range = contentRange(response);
    const length = response.status === 206 ? range?.size_bytes : contentLength(response);
    const differs =
      (pinned !== null && now !== null && pinned !== now) ||
      (size_bytes !== null && length != null && length !== size_bytes);
    if (!differs && (response.status !== 206 || !range || range.first === first)) return;
    response.body?.cancel().catch(() => {});
    throw changedError(url);
  }
}
