/** This module names the code that corrects texts, which `Proofreader` imports when it is used. */

/** @import { Siskin } from '../siskin.js' */

/**
 * A `Correction` replaces a part of the input, whose place is counted in UTF-16 units.
 *
 * @typedef {object} Correction
 * @property {number} startIndex
 * @property {number} endIndex
 * @property {string} correction
 * @property {string[]} [types]
 */

/**
 * @typedef {object} Writing
 * @property {(
 *   siskin: Siskin,
 *   text: string,
 *   options: {languages?: string[], signal?: AbortSignal},
 * ) => Promise<{correctedInput: string, corrections: Correction[]}>} proofread
 */

/** @typedef {() => Promise<Writing>} ImportWriting */

/**
 * Nothing corrects texts yet, so that `Proofreader` is `unavailable`.
 *
 * @type {ImportWriting | undefined}
 */
export const importWriting = undefined;
