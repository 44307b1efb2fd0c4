/** This module connects two ports. */
import { openPort } from './port.js';

/** @import { Connection, PortLike } from './port.js' */

/**
 * Passes the messages of two ports to each other, until one of them is closed.
 *
 * @param {PortLike} a
 * @param {PortLike} b
 * @throws {SiskinError} `invalid_argument` for what is no port
 */
export function bridge(a, b) {
  /** @type {Connection[]} */
  const ends = [];
  const close = () => {
    for (const end of ends) end.close();
  };
  const passTo = (/** @type {number} */ index) => (/** @type {object} */ message) => {
    try {
      ends[index].post(message);
    } catch {
      // A runtime.Port that is disconnected takes no message.
      close();
    }
  };
  ends.push(openPort(a, passTo(1), close));
  ends.push(openPort(b, passTo(0), close));
}
