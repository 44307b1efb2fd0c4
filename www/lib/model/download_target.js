/** This module holds the interface between a download and the store of its bytes. */

/** @import { ModelRecord } from './record.js' */

/**
 * A download writes its bytes to this interface, which `PartStore` implements.
 *
 * @typedef {object} DownloadTarget
 * @property {ModelRecord | undefined} record
 * @property {Set<number>} parts the numbers of the parts that need not be fetched
 * @property {(record: ModelRecord, expected_bytes: number | null) => Promise<void>} begin takes
 *   what the server told of the model
 * @property {(part: number, bytes: Uint8Array<ArrayBuffer>) => Promise<void>} save keeps a part,
 *   whose bytes may be overwritten afterwards
 * @property {(size_bytes: number) => Promise<void>} end takes the length of a file whose length
 *   was not known
 * @property {(part: number, signal: AbortSignal) => Promise<void>} waitForSpace waits until the
 *   target can take the part
 * @property {(bytes: number) => void} arrived counts bytes; below 0 for bytes that were
 *   dropped
 */

export {};
