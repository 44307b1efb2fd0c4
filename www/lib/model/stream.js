/** This module lets a worker read a stream of its page through a message port. */
import { SiskinError, messageOf } from '../errors.js';
import { checkStatus, contentLength } from './http.js';
import { isA } from './source.js';

/** @import { DescribedSource } from './source.js' */

/**
 * Turns a response or a stream into a source that can be posted to a worker. Runs on the page.
 *
 * @param {Response | ReadableStream<Uint8Array>} source
 * @returns {DescribedSource}
 * @throws {SiskinError} `invalid_argument`, `http_status`
 */
export function describeStream(source) {
  if (!isA(source, 'Response')) return portSource(source, null);
  checkStatus(source);
  if (!source.body)
    throw new SiskinError(
      'invalid_argument',
      'The response has no body. Pass a response whose body holds a GGUF file.',
    );
  return portSource(source.body, contentLength(source));
}

/**
 * Returns a source whose chunks the worker reads through a port, because not every browser can
 * transfer streams.
 *
 * @param {ReadableStream<Uint8Array>} stream
 * @param {number | null} total_bytes
 * @returns {DescribedSource}
 */
function portSource(stream, total_bytes) {
  if (stream.locked)
    throw new SiskinError(
      'invalid_argument',
      'The stream is already being read. Pass one that nobody has read from.',
    );
  const { port1, port2 } = new MessageChannel();
  const reader = stream.getReader();
  const close = () => {
    port1.close();
    reader.cancel().catch(() => {});
  };
  port1.onmessage = async ({ data }) => {
    if (data === 'cancel') return close();
    try {
      const { done, value } = await reader.read();
      if (done) {
        port1.postMessage({ done: true });
      } else if (Object.prototype.toString.call(value) === '[object Uint8Array]') {
        // The stream may be of a frame, whose arrays are of another class.
        // The bytes are copied, because the chunk belongs to the caller.
        const bytes = value.slice();
        port1.postMessage({ done: false, bytes }, [bytes.buffer]);
      } else {
        port1.postMessage({
          code: 'invalid_argument',
          message: 'The stream gave something other than a Uint8Array. Pass a stream of bytes.',
        });
        close();
      }
    } catch (error) {
      port1.postMessage({
        code: 'network',
        message: `The stream broke off: ${messageOf(error)}. Try again.`,
      });
    }
  };
  return { source: { kind: 'port', port: port2, total_bytes }, transfer: [port2], close };
}

/**
 * @param {MessagePort} port
 * @returns {ReadableStream<Uint8Array>}
 */
export function portStream(port) {
  return new ReadableStream({
    pull(controller) {
      return new Promise((resolve) => {
        port.onmessage = ({ data }) => {
          if (data.code) controller.error(new SiskinError(data.code, data.message));
          else if (data.done) controller.close();
          else controller.enqueue(data.bytes);
          resolve();
        };
        port.postMessage('pull');
      });
    },
    cancel() {
      port.postMessage('cancel');
    },
  });
}
