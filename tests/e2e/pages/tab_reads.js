// This worker reads a stored file as another tab would, for as long as it is told.
onmessage = async ({ data: { folder, name, ms } }) => {
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('siskin');
  const handle = await (await root.getDirectoryHandle(folder)).getFileHandle(name);
  const file = await handle.createSyncAccessHandle({ mode: 'read-only' });
  postMessage('reading');
  setTimeout(() => file.close(), ms);
};
