// This module is a server that misbehaves on command, and counts what it sends.
import { open, stat } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';

const SLICE_BYTES = 64 << 10;

/** A `BadFile` serves one file. All fields may be changed at any time. */
export class BadFile {
  /** `sent_bytes` counts the bytes that were sent. */
  sent_bytes = 0;
  /** @type {{range: string | undefined, url: string, method: string}[]} */
  requests = [];
  ranges = true;
  /** @type {string | undefined} */
  etag = '"one"';
  /**
   * These responses are sent before any other, in turn.
   *
   * @type {{status: number, headers?: Record<string, string>}[]}
   */
  refusals = [];
  /**
   * `onSlice` is called with `sent_bytes` after every slice; true cuts the connection.
   *
   * @type {(sent_bytes: number) => boolean | void}
   */
  onSlice = () => false;
  /**
   * `flips` maps a byte whose lowest bit is flipped to how often that happens.
   *
   * @type {Map<number, number>}
   */
  flips = new Map();
  /** @type {'none' | 'whole' | 'ranges'} what goes out compressed */
  gzip = 'none';
  /** Requests are redirected to this URL. @type {string | undefined} */
  redirect;
  /** @type {number} pause between two slices */
  delay_ms = 0;
  headers = {};

  /** @param {string} path */
  constructor(path) {
    this.path = path;
    this.handler = (request, response) =>
      this.#answer(request, response).catch(() => response.destroy());
  }

  async #answer(request, response) {
    this.requests.push({ range: request.headers.range, url: request.url, method: request.method });
    for (const [name, value] of Object.entries(this.headers)) response.setHeader(name, value);
    const refusal = this.refusals.shift();
    if (refusal) return response.writeHead(refusal.status, refusal.headers).end('no');
    if (this.redirect) return response.writeHead(302, { Location: this.redirect }).end();
    const { size } = await stat(this.path);
    const match = this.ranges ? /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') : null;
    const [first, last] = match
      ? [Number(match[1]), Math.min(Number(match[2]), size - 1)]
      : [0, size - 1];
    if (first >= size) return response.writeHead(416, { 'Content-Range': `bytes */${size}` }).end();
    if (this.etag) response.setHeader('ETag', this.etag);
    if (match) response.setHeader('Content-Range', `bytes ${first}-${last}/${size}`);
    const file = await open(this.path);
    try {
      if (this.gzip === 'whole' || (match && this.gzip === 'ranges')) {
        const bytes = Buffer.alloc(last - first + 1);
        await file.read(bytes, 0, bytes.length, first);
        response.setHeader('Content-Encoding', 'gzip');
        return response.writeHead(match ? 206 : 200).end(gzipSync(bytes, { level: 1 }));
      }
      response.writeHead(match ? 206 : 200, { 'Content-Length': last - first + 1 });
      if (request.method === 'HEAD') return response.end();
      for (let at = first; at <= last;) {
        const slice = Buffer.alloc(Math.min(SLICE_BYTES, last + 1 - at));
        await file.read(slice, 0, slice.length, at);
        this.#flip(slice, at);
        if (this.delay_ms) await new Promise((done) => setTimeout(done, this.delay_ms));
        if (response.destroyed) return;
        await new Promise((done, failed) =>
          response.write(slice, (error) => (error ? failed(error) : done())),
        );
        this.sent_bytes += slice.length;
        if (this.onSlice(this.sent_bytes) === true) return response.destroy();
        at += slice.length;
      }
      response.end();
    } finally {
      await file.close();
    }
  }

  #flip(slice, at) {
    for (const [offset, times] of this.flips) {
      if (times === 0 || offset < at || offset >= at + slice.length) continue;
      slice[offset - at] ^= 1;
      this.flips.set(offset, times - 1);
    }
  }
}
