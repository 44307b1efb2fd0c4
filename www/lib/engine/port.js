/**
 * This module makes one kind of connection of the many that page and engine may speak over: a
 * worker, a `MessagePort`, a `BroadcastChannel`, and an extension's `runtime.Port`.
 */
import { SiskinError } from '../errors.js';

/**
 * A `MessagePortLike` is what `Siskin.connect` and `siskin.serve` take: a `MessagePort`, a
 * `BroadcastChannel`, a `Worker` or anything else with these members.
 *
 * @typedef {object} MessagePortLike
 * @property {(message: any, transfer: Transferable[]) => void} postMessage
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} [onmessageerror]
 * @property {() => void} [start]
 * @property {() => void} [close]
 * @property {(type: 'close', listener: () => void) => void} [addEventListener]
 */

/**
 * A `RuntimePortLike` is an extension's `runtime.Port`, which carries JSON alone.
 *
 * @typedef {object} RuntimePortLike
 * @property {(message: any) => void} postMessage
 * @property {{addListener: (listener: (message: any) => void) => void}} onMessage
 * @property {{addListener: (listener: () => void) => void}} onDisconnect
 * @property {() => void} disconnect
 */

/** @typedef {MessagePortLike | RuntimePortLike} PortLike */

/**
 * A `Connection` is one end of a port.
 *
 * @typedef {object} Connection
 * @property {(message: object, transfer?: Transferable[]) => void} post
 * @property {() => void} close
 */

/**
 * Returns whether a port carries JSON alone: no typed arrays, and nothing is transferred.
 *
 * @param {PortLike} port
 * @returns {port is RuntimePortLike}
 */
export function carriesJson(port) {
  return 'onMessage' in port;
}

/**
 * Listens to a port.
 *
 * @param {PortLike} port
 * @param {(message: any) => void} onMessage
 * @param {(why: string) => void} onClose the other end is gone, where the port tells
 * @returns {Connection}
 * @throws {SiskinError} `invalid_argument` for what is no port
 */
export function openPort(port, onMessage, onClose) {
  if (typeof port?.postMessage !== 'function')
    throw new SiskinError(
      'invalid_argument',
      'Give a MessagePort, a BroadcastChannel or a runtime.Port.',
    );
  if (carriesJson(port)) {
    port.onMessage.addListener(onMessage);
    port.onDisconnect.addListener(() => onClose('the other end disconnected'));
    return { post: (message) => port.postMessage(jsonOf(message)), close: () => port.disconnect() };
  }
  port.onmessage = ({ data }) => onMessage(data);
  port.onmessageerror = () => onClose('a message could not be read');
  port.addEventListener?.('close', () => onClose('the other end was closed'));
  port.start?.();
  return {
    // The one argument of a BroadcastChannel is the message.
    post: (message, transfer = []) => port.postMessage(message, transfer),
    close: () => port.close?.(),
  };
}

/**
 * Returns a message as JSON can hold it: typed arrays become arrays.
 *
 * @param {object} message
 */
function jsonOf(message) {
  return JSON.parse(
    JSON.stringify(message, (_, value) => (ArrayBuffer.isView(value) ? listOf(value) : value)),
  );
}

/** @param {ArrayBufferView} view */
function listOf(view) {
  return Array.from(/** @type {Uint32Array} */ (view));
}
