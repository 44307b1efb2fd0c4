/**
 * This module remembers which model was loaded last, so that the next visit goes on with it where
 * it is still on the device.
 */
import { models } from '../lib/siskin.js';
import { readItem, writeItem } from './storage.js';

/** @import { Choice } from './model_session.js' */

const KEY = 'siskin.model';
/**
 * This mark is there while a model is loaded unasked. Where it is found at the start, the page ended
 * meanwhile (a phone that ran out of memory, perhaps), and trying the same again would end it again.
 */
const ATTEMPT_KEY = 'siskin.model.attempt';

/** @param {Choice} choice */
export function rememberModel({ name, source, sha256, listed }) {
  // A file cannot be opened again without the visitor.
  if (typeof source !== 'string') return forgetModel();
  writeItem('local', KEY, JSON.stringify({ name, source, sha256, listed }));
}

export function forgetModel() {
  writeItem('local', KEY, null);
}

/**
 * Returns the model to go on with: the last one, if all of it is on this device.
 *
 * @returns {Promise<(Choice & {source: string}) | undefined>}
 */
export async function modelToResume() {
  if (readItem('local', ATTEMPT_KEY)) return undefined;
  try {
    const last = JSON.parse(readItem('local', KEY) ?? 'null');
    return typeof last?.source === 'string' &&
      (await models.has(last.source, { sha256: last.sha256 }))
      ? last
      : undefined;
  } catch {
    return undefined;
  }
}

/** @param {boolean} under_way whether a model is being loaded unasked */
export function markAttempt(under_way) {
  writeItem('local', ATTEMPT_KEY, under_way ? 'loading' : null);
}
