/** This module names what the parts of the extension say to each other. */

/** @import { LoadProgress } from '../lib/protocol.js' */

/** The name of the ports to the engine. */
export const ENGINE_PORT = 'siskin engine';
/** The name of the ports to what answers in its place. */
export const OTHER_PORT = 'siskin other model';

/**
 * An `EngineStatus` goes over a port of the engine before the engine's own hello.
 *
 * @typedef {{type: 'status', state: 'loading', progress?: LoadProgress}
 *   | {type: 'status', state: 'ready'}
 *   | {type: 'status', state: 'failed', code: string, message: string}} EngineStatus
 */

/**
 * A `WorkerRequest` goes to the background worker: `engine` makes the engine's document, `settings`
 * reads the settings for it, `answers` all of them, for what answers in its place, `page` those for
 * a page, `setup` opens the first run's page or the options, and `panel` the side panel.
 *
 * @typedef {{type: 'engine' | 'settings' | 'answers' | 'page' | 'setup' | 'panel'}} WorkerRequest
 */

/**
 * Sends a request to the background worker, which is started if it sleeps.
 *
 * @param {WorkerRequest} request
 * @returns {Promise<any>}
 */
export async function askWorker(request) {
  const answer = await chrome.runtime.sendMessage(request);
  if (answer?.error) throw new Error(answer.error);
  return answer?.value;
}

/**
 * Returns whether a message or a port comes from this extension: a page or a content script.
 *
 * @param {any} sender
 */
export function isOurs(sender) {
  return sender?.id === chrome.runtime.id;
}

/**
 * Returns whether a sender is a page of this extension, and no content script.
 *
 * @param {any} sender
 */
export function isOwnPage(sender) {
  return isOurs(sender) && String(sender.url).startsWith(chrome.runtime.getURL(''));
}
