/** This module lets a busy page or worker receive its messages. */

/** @type {MessageChannel | undefined} */
let channel;
/** @type {(() => void)[]} */
const waiting = [];

/**
 * Waits until the messages that have arrived are received. A message is posted to oneself, because
 * a timer would cost 4 ms each time, and a second in a hidden tab.
 *
 * @returns {Promise<void>}
 */
export function yieldToMessages() {
  if (!channel) {
    channel = new MessageChannel();
    channel.port1.onmessage = () => waiting.shift()?.();
  }
  const { port2 } = channel;
  return new Promise((resolve) => {
    waiting.push(resolve);
    port2.postMessage(0);
  });
}
