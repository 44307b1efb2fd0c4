/** This module maps the parts of a model to the files on the server. */
import { PART_BYTES, partBytes } from './record.js';

/** @import { ModelRecord } from './record.js' */

/**
 * Returns the index of the file that holds a part.
 *
 * @param {ModelRecord} record
 * @param {number} part
 * @returns {number}
 */
export function fileOf({ files }, part) {
  let end = 0;
  const index = files.findIndex(
    ({ size_bytes }) => (end += size_bytes ?? Infinity) > part * PART_BYTES,
  );
  return Math.max(0, index);
}

/**
 * Returns the numbers of a file's parts, or only the first of them where the file's size is not
 * known.
 *
 * @param {ModelRecord} record
 * @param {number} index
 */
export function partsOf({ files }, index) {
  const before =
    files.slice(0, index).reduce((sum, { size_bytes }) => sum + (size_bytes ?? 0), 0) / PART_BYTES;
  const count = Math.ceil((files[index].size_bytes ?? 1) / PART_BYTES);
  return Array.from({ length: count }, (_, i) => before + i);
}

/**
 * Returns the file that holds a part, and the part's first and last byte in it.
 *
 * @param {ModelRecord} record
 * @param {number} part
 */
export function locate(record, part) {
  const index = fileOf(record, part);
  const first = (part - partsOf(record, index)[0]) * PART_BYTES;
  return { url: record.files[index].url, first, last: first + partBytes(record, part) - 1 };
}
