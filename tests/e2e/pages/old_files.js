// This worker's sync access handles return promises, as in Chrome 102 to 107.
import { openStore } from '/src/storage/store.js';

const { prototype } = FileSystemSyncAccessHandle;
for (const name of ['getSize', 'truncate', 'close']) {
  const now = prototype[name];
  prototype[name] = async function (...values) {
    return now.apply(this, values);
  };
}

onmessage = async () => {
  const store = await openStore('disk');
  await store.write('a', '0', new Uint8Array(100_000).fill(1));
  await store.write('a', '0', new Uint8Array(90_000).fill(7));
  const bytes = await store.read('a', ['0']);
  postMessage([bytes.length, bytes.every((byte) => byte === 7)]);
};
postMessage('ready');
