/**
 * This module stores what a load found of a graphics card, for gpu_verdicts.js. It is imported
 * where there is a card.
 */
import { KEY, maxAgeMs, nameOf, recallAll } from './gpu_verdicts.js';

/** @import { ModelInfo } from '../protocol.js' */
/** @import { Case, Verdict } from './gpu_verdicts.js' */

/** This number of verdicts is kept; the oldest are dropped first. */
const MAX_VERDICTS = 20;

/** @param {Verdict[]} all */
function store(all) {
  try {
    if (all.length > 0) localStorage.setItem(KEY, JSON.stringify(all.slice(-MAX_VERDICTS)));
    else localStorage.removeItem(KEY);
  } catch {
    // The card is tested again at the next visit.
  }
}

/**
 * Remembers what a load found. What was recalled and found again keeps its age.
 *
 * @param {Case} subject
 * @param {ModelInfo} info of the model
 * @param {'auto' | 'gpu' | 'cpu'} backend that was asked for
 */
export function rememberGpu(subject, info, backend) {
  const name = nameOf(subject);
  const { adapter, gpu_features, gpu_refusal, gpu_refusal_code } = info;
  if (name === undefined || adapter === undefined) return;
  const works = gpu_refusal === undefined;
  const found = works ? { gpu_features } : { gpu_refusal, gpu_refusal_code };
  const verdict = /** @type {Verdict} */ ({
    subject: name,
    time_ms: Date.now(),
    adapter,
    ...found,
  });
  // A load that failed for another reason, such as lack of memory, may succeed next time.
  if (maxAgeMs(verdict) === 0) return;
  const isReplaced = (/** @type {Verdict} */ old) =>
    old.subject === name &&
    old.adapter === adapter &&
    (works === (old.gpu_refusal === undefined) ||
      // A card that was asked for by name ran no race, which says nothing of a refusal.
      (works && backend === 'auto'));
  const all = recallAll();
  const same = all.find(
    (old) =>
      isReplaced(old) &&
      old.gpu_refusal === verdict.gpu_refusal &&
      old.gpu_features?.join() === verdict.gpu_features?.join(),
  );
  store([...all.filter((old) => !isReplaced(old)), { ...verdict, ...same }]);
}
