/** This module lets a busy worker receive its messages. */

const { port1, port2 } = new MessageChannel();
/** @type {(() => void)[]} */
const waiting = [];
port1.onmessage = () => waiting.shift()?.();

/**
 * Waits until the messages that have arrived are received. The worker posts a message to itself,
 * because a timer would cost 4 ms each time.
 *
 * @returns {Promise<void>}
 */
export function yieldToMessages() {
  return new Promise((resolve) => {
    waiting.push(resolve);
    port2.postMessage(0);
  });
}
