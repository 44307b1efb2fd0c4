// These tests read files whose browser fails for a moment.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OpfsStore } from '../../www/lib/storage/opfs.js';

/** Returns a root with one folder of one file, which fails `times` times with this error. */
function rootThatFails(times, name) {
  let tries = 0;
  const file = {
    kind: 'file',
    getFile: async () => {
      if (tries++ < times) throw new DOMException('The operation was aborted. ', name);
      return new File([new Uint8Array(7)], '0');
    },
  };
  const folder = {
    entries: async function* () {
      yield ['0', file];
    },
    getFileHandle: async () => file,
  };
  return { root: { getDirectoryHandle: async () => folder }, tries: () => tries };
}

describe('a file that cannot be read for a moment', () => {
  for (const name of ['NotReadableError', 'AbortError'])
    test(`${name}: is read again`, async () => {
      const { root } = rootThatFails(3, name);
      const store = new OpfsStore(root);
      assert.deepEqual(await store.files('a'), new Map([['0', 7]]));
      assert.equal((await store.read('a', ['0'])).length, 7);
    });

  test('that stays so: the error is told', async () => {
    const { root, tries } = rootThatFails(Infinity, 'AbortError');
    await assert.rejects(new OpfsStore(root).files('a'), { name: 'AbortError' });
    assert.equal(tries(), 21);
  });

  test('any other error is told at once', async () => {
    const { root, tries } = rootThatFails(Infinity, 'SecurityError');
    await assert.rejects(new OpfsStore(root).files('a'), { name: 'SecurityError' });
    assert.equal(tries(), 1);
  });
});
