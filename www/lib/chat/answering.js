/**
 * Whether any page of the site has a model at work: a lock says so to its service worker, and is
 * gone when the page is.
 */

const NAME = 'siskin answering';

/**
 * Marks the time until an answer is done.
 *
 * @param {Promise<unknown>} answer
 */
export function markAnswering(answer) {
  const end = () => {};
  // Locks exist in secure contexts only, as service workers do.
  navigator.locks?.request(NAME, { mode: 'shared' }, () => answer.then(end, end)).catch(end);
}

/** @returns {Promise<boolean>} */
export async function isAnswering() {
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === NAME);
}
