/** This module answers requests with a Range header. */

/**
 * @param {Headers} headers the request's
 * @param {number} size_bytes of the whole
 * @returns {{first: number, end: number} | undefined} `end` 0 where there is no such part;
 *   undefined where the whole is to be given: no range is asked for, or anything but one range of
 *   bytes
 */
export function rangeAsked(headers, size_bytes) {
  const [, first_text, last_text] = /^bytes=(\d*)-(\d*)$/.exec(headers.get('Range') ?? '') ?? [];
  if (!first_text && !last_text) return undefined;
  const first = first_text ? Number(first_text) : Math.max(0, size_bytes - Number(last_text));
  const end = first_text && last_text ? Math.min(Number(last_text) + 1, size_bytes) : size_bytes;
  return first < end ? { first, end } : { first: 0, end: 0 };
}

/**
 * @param {Headers} headers of the answer with the whole
 * @param {number} size_bytes of the whole
 * @param {{first: number, end: number}} range
 * @param {BodyInit | null} body the part; of no use where there is none
 * @returns {Response}
 */
export function partialResponse(headers, size_bytes, { first, end }, body) {
  const part = new Headers(headers);
  part.set('Content-Length', String(end - first));
  if (end > 0) {
    part.set('Content-Range', `bytes ${first}-${end - 1}/${size_bytes}`);
    return new Response(body, { status: 206, headers: part });
  }
  part.set('Content-Range', `bytes */${size_bytes}`);
  return new Response(null, { status: 416, headers: part });
}
