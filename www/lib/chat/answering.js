/**
 * This module tells the site's service worker whether any page is writing an answer. The page holds
 * a Web Lock for that time, which the browser releases when the page is closed.
 */

const NAME = 'siskin answering';

/**
 * Holds the lock until an answer is done.
 *
 * @param {Promise<unknown>} answer
 */
export function markAnswering(answer) {
  const end = () => {};
  // Locks exist in secure contexts only, as service workers do.
  globalThis.navigator?.locks
    ?.request(NAME, { mode: 'shared' }, () => answer.then(end, end))
    .catch(end);
}

/** @returns {Promise<boolean>} */
export async function isAnswering() {
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === NAME);
}
