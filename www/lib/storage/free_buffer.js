/** This module gives memory back at once that the garbage collector would give back some time. */

/**
 * Frees a buffer, which nobody may use any more. Browsers without `ArrayBuffer.transfer` leave it
 * to the garbage collector, and Chromium one that it has itself read or written.
 *
 * @param {ArrayBuffer & {transfer?: (size: number) => ArrayBuffer}} buffer
 */
export function freeBuffer(buffer) {
  buffer.transfer?.(0);
}
