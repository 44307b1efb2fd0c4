// This worker writes a stored file as another tab would, again and again until it is ended.
import { openStore } from '/src/storage/store.js';

const store = await openStore('disk');
postMessage('writing');
for (;;) {
  await store.write('a', 'record.json', new Uint8Array(1000));
  await new Promise((resolve) => setTimeout(resolve, 5));
}
