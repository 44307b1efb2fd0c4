// These tests hold for what `Siskin.load` takes: values of the browser's classes, also of another
// realm's, as of a frame.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeSource } from '../../www/lib/model/source.js';
import { describeStream } from '../../www/lib/model/stream.js';

/** Returns a value that is of a class by its name alone. */
const foreign = (name, members) => ({ ...members, [Symbol.toStringTag]: name });

test('values of another realm are taken', async () => {
  const url = foreign('URL', { toString: () => 'https://example.org/a.gguf' });
  assert.equal(describeSource(url).source.url, 'https://example.org/a.gguf');
  const request = foreign('Request', {
    url: 'https://example.org/a.gguf',
    method: 'GET',
    headers: new Headers({ a: 'b' }),
  });
  assert.deepEqual(describeSource(request).source.init.headers, [['a', 'b']]);
  for (const name of ['Blob', 'File'])
    assert.equal(describeSource(foreign(name, {})).source.kind, 'blob');
  const bytes = foreign('Uint8Array', { slice: () => new Uint8Array([1, 2]) });
  const chunks = [{ done: false, value: bytes }, { done: true }];
  const stream = foreign('ReadableStream', {
    locked: false,
    getReader: () => ({ read: async () => chunks.shift(), cancel: async () => {} }),
  });
  assert.equal(describeSource(stream), undefined);
  const { source, close } = describeStream(stream);
  const taken = [];
  source.port.onmessage = ({ data }) => taken.push(data);
  source.port.postMessage('pull');
  source.port.postMessage('pull');
  for (let turns = 0; taken.length < 2 && turns < 100; turns++) await sleep(5);
  close();
  assert.deepEqual(taken, [{ done: false, bytes: new Uint8Array([1, 2]) }, { done: true }]);
});

test('other values are refused', () => {
  for (const value of [5, null, undefined, {}, [], foreign('Map', {})])
    assert.throws(() => describeSource(value), { code: 'invalid_argument' });
});
