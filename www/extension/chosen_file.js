/**
 * This module keeps a copy of the GGUF file that was chosen in the options, because an extension
 * may not open a file of the user's disk again by itself.
 */

const FOLDER = 'chosen-model';
const FILE = 'model.gguf';
/** A copy has this name until it is whole, so that one that was interrupted is never loaded. */
const PARTIAL = 'partial.gguf';

/**
 * Copies a file. It replaces the one before.
 *
 * @param {File} file
 * @param {{onProgress?: (copied_bytes: number) => void, signal?: AbortSignal}} [options]
 * @returns {Promise<void>}
 * @throws {DOMException} `QuotaExceededError` where there is too little room, `AbortError`
 */
export async function keepChosenFile(file, { onProgress, signal } = {}) {
  const folder = await openFolder();
  const handle = await folder.getFileHandle(PARTIAL, { create: true });
  let copied_bytes = 0;
  const counted = new TransformStream({
    transform(/** @type {Uint8Array} */ bytes, controller) {
      copied_bytes += bytes.length;
      onProgress?.(copied_bytes);
      controller.enqueue(bytes);
    },
  });
  try {
    await file
      .stream()
      .pipeThrough(counted)
      .pipeTo(await handle.createWritable(), { signal });
    await /** @type {any} */ (handle).move(FILE);
  } catch (error) {
    await folder.removeEntry(PARTIAL).catch(() => {});
    throw error;
  }
}

/**
 * Returns the copy.
 *
 * @returns {Promise<File>}
 * @throws {DOMException} `NotFoundError` where there is none
 */
export async function readChosenFile() {
  return (await (await openFolder()).getFileHandle(FILE)).getFile();
}

/**
 * Returns how many bytes the copy has; 0 where there is none.
 *
 * @returns {Promise<number>}
 */
export async function chosenFileBytes() {
  return readChosenFile().then(
    ({ size }) => size,
    () => 0,
  );
}

/**
 * Removes the copy.
 *
 * @returns {Promise<void>}
 */
export async function removeChosenFile() {
  const root = await navigator.storage.getDirectory();
  await root.removeEntry(FOLDER, { recursive: true }).catch(() => {});
}

async function openFolder() {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(FOLDER, { create: true });
}
