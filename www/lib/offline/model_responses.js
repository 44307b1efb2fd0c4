/**
 * This module answers the service worker's requests for models that are stored on this device,
 * whole or in ranges, with every byte verified.
 */
import { publicAddress } from '../model/address.js';
import { ModelFile } from '../model/model_file.js';
import { partialResponse, rangeAsked } from './byte_ranges.js';
import { readRecord } from '../model/record.js';
import { urlSource } from '../model/source.js';
import { openStore } from '../storage/store.js';

/** @import { ModelRecord } from '../model/record.js' */

/**
 * In these cache modes a browser too would answer from its cache. Siskin's own requests use
 * `no-store`, because they fetch what is missing.
 */
const CACHEABLE_MODES = ['default', 'force-cache', 'only-if-cached'];

/**
 * @param {Request} request
 * @param {(work: Promise<unknown>) => void} waitUntil
 * @returns {Promise<Response | undefined>} undefined where no whole model has that address
 */
export async function storedResponse(request, waitUntil) {
  if (!mayBeStored(request)) return undefined;
  const stored_file = (await reading)?.get(publicAddress(request.url));
  if (!stored_file) return undefined;
  const { record, first, size_bytes } = stored_file;
  const file = await ModelFile.open(urlSource(record.url, { cacheKey: record.key }));
  if (!file.from_cache) {
    file.close();
    return undefined;
  }
  const headers = new Headers({
    'Accept-Ranges': 'bytes',
    'Content-Length': String(size_bytes),
    'Content-Type': 'application/octet-stream',
  });
  if (record.validator?.includes('"')) headers.set('ETag', record.validator);
  const wanted = request.headers.get('If-Range') ?? record.validator;
  const range = wanted === record.validator ? rangeAsked(request.headers, size_bytes) : undefined;
  const { first: from, end } = range ?? { first: 0, end: size_bytes };
  if (range && end === 0) {
    file.close();
    return partialResponse(headers, size_bytes, range, null);
  }
  /** @type {(value?: unknown) => void} */
  let ended = () => {};
  waitUntil(new Promise((resolve) => (ended = resolve)));
  const body = streamOf(file.bytes(first + from, first + end), () => {
    file.close();
    ended();
  });
  return range
    ? partialResponse(headers, size_bytes, range, body)
    : new Response(body, { headers });
}

/**
 * A `StoredFile` is the byte range of a model that a URL of its server holds.
 *
 * @typedef {{record: ModelRecord, first: number, size_bytes: number}} StoredFile
 */

/**
 * The map holds every file of every model by its address without secrets, once that was read:
 * most requests are for none of them.
 *
 * @type {Map<string, StoredFile> | undefined}
 */
let stored_files;
/** @type {Promise<Map<string, StoredFile> | undefined> | undefined} */
let reading;

function readStoredFiles() {
  reading = findStoredFiles().then(
    (found) => (stored_files = found),
    () => stored_files,
  );
}

// A message without a part says that a model was begun, or was replaced.
new BroadcastChannel('siskin').onmessage = ({ data }) => {
  if (reading && data.part === undefined) readStoredFiles();
};

/**
 * Returns whether a request may be for a stored model. It is true until the models are read,
 * because a service worker must decide at once what it answers.
 *
 * @param {Request} request
 */
export function mayBeStored({ url, destination, cache }) {
  if (!reading) readStoredFiles();
  if (destination !== '' || !CACHEABLE_MODES.includes(cache)) return false;
  return stored_files?.has(publicAddress(url)) ?? true;
}

/** @returns {Promise<Map<string, StoredFile>>} */
async function findStoredFiles() {
  const store = await openStore('disk');
  /** @type {Map<string, StoredFile>} */
  const found = new Map();
  for (const folder of await store.folders()) {
    const record = await readRecord(store, folder);
    let first = 0;
    for (const { url, size_bytes } of record?.files ?? []) {
      if (!record || size_bytes === null) break;
      found.set(url, { record, first, size_bytes });
      first += size_bytes;
    }
  }
  return found;
}

/**
 * @param {AsyncGenerator<Uint8Array<ArrayBuffer>>} bytes
 * @param {() => void} close called once they are not wanted any more
 * @returns {ReadableStream<Uint8Array<ArrayBuffer>>}
 */
function streamOf(bytes, close) {
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await bytes.next();
          if (!done) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          controller.error(error);
        }
        close();
      },
      cancel: close,
    },
    // Nothing is read before it is asked for.
    { highWaterMark: 0 },
  );
}
