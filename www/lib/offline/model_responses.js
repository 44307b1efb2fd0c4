/**
 * What is on this device of models, for whoever fetches their address: the service worker's
 * answers, whole or in ranges, every byte verified.
 */
import { ModelFile } from '../model/model_file.js';
import { partialResponse, rangeAsked } from './byte_ranges.js';
import { readRecord } from '../model/record.js';
import { urlSource } from '../model/source.js';
import { openStore } from '../storage/store.js';

/** @import { ModelRecord } from '../model/record.js' */

/**
 * The modes in which a browser too would answer from what it has. Siskin's own requests ask past
 * it, for they are for what is missing.
 */
const MAY_BE_KEPT = ['default', 'force-cache', 'only-if-cached'];

/**
 * @param {Request} request
 * @param {(work: Promise<unknown>) => void} waitUntil
 * @returns {Promise<Response | undefined>} undefined where no whole model has that address
 */
export async function storedResponse(request, waitUntil) {
  if (request.destination !== '' || !MAY_BE_KEPT.includes(request.cache)) return undefined;
  places ??= findPlaces();
  places.catch(() => (places = undefined));
  const place = (await places).get(request.url);
  if (!place) return undefined;
  const { record, first, size_bytes } = place;
  const file = await ModelFile.open(urlSource(record.url));
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
 * Where the bytes of an address lie in a model.
 *
 * @typedef {{record: ModelRecord, first: number, size_bytes: number}} Place
 */

/**
 * Of every file of every model, until one changes: most requests are for none of them.
 *
 * @type {Promise<Map<string, Place>> | undefined}
 */
let places;
new BroadcastChannel('siskin').onmessage = () => (places = undefined);

/** @returns {Promise<Map<string, Place>>} */
async function findPlaces() {
  const store = await openStore('disk');
  /** @type {Map<string, Place>} */
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
