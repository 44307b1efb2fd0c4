// These tests read bodies of responses, whose pieces lie in buffers that are used again.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { readBody } from '../../www/lib/model/request.js';

const { signal } = new AbortController();
const SIZE_BYTES = 700_001;

/** Returns a response whose body comes in pieces of up to `piece_bytes`. */
function response(bytes, piece_bytes) {
  let at = 0;
  const body = new ReadableStream({
    type: 'bytes',
    pull(controller) {
      const piece = bytes.slice(at, at + piece_bytes);
      at += piece.length;
      if (piece.length > 0) return controller.enqueue(piece);
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
  return new Response(body);
}

async function readAll(bytes, piece_bytes) {
  const pieces = [];
  for await (const piece of readBody(response(bytes, piece_bytes), signal))
    pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

test('bodies that are read at once and one after the other have their own bytes', async () => {
  for (let round = 0; round < 3; round++) {
    const sent = [100_000, 1 << 20, 256 << 10].map((size) => [
      new Uint8Array(randomBytes(SIZE_BYTES)),
      size,
    ]);
    const received = await Promise.all(sent.map(([bytes, size]) => readAll(bytes, size)));
    received.forEach((bytes, i) => assert.ok(bytes.equals(Buffer.from(sent[i][0])), `body ${i}`));
  }
});

test('a piece is whole until the next one is asked for, although its reading was stopped', async () => {
  const stop = new AbortController();
  const bytes = new Uint8Array(randomBytes(SIZE_BYTES));
  const pieces = readBody(response(bytes, SIZE_BYTES), stop.signal);
  const { value } = await pieces.next();
  const before = Buffer.from(value);
  stop.abort();
  const other = await readAll(new Uint8Array(randomBytes(SIZE_BYTES)), 1000);
  assert.equal(other.length, SIZE_BYTES);
  assert.ok(before.equals(value), 'nothing else was read into it');
  await assert.rejects(pieces.next(), { code: 'aborted' });
});
