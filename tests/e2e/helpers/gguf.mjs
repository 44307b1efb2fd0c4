// This module writes small GGUF files that are well-formed and yet cannot be used.

/** @param {Record<string, string>} metadata */
export function tinyGguf(metadata) {
  const parts = [];
  const u32 = (value) => parts.push(Buffer.from(Uint32Array.of(value).buffer));
  const u64 = (value) => parts.push(Buffer.from(BigUint64Array.of(BigInt(value)).buffer));
  const string = (text) => {
    const bytes = Buffer.from(text);
    u64(bytes.length);
    parts.push(bytes);
  };
  parts.push(Buffer.from('GGUF'));
  u32(3);
  u64(1);
  u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    string(key);
    u32(8);
    string(value);
  }
  string('token_embd.weight');
  u32(2);
  u64(32);
  u64(1);
  u32(0);
  u64(0);
  const header = Buffer.concat(parts);
  return Buffer.concat([
    header,
    Buffer.alloc((32 - (header.length % 32)) % 32),
    Buffer.alloc(32 * 4),
  ]);
}

/**
 * Cuts a model's layers off. The tensors of the others get names that are no part of a model, for
 * the engine refuses layers that the header does not count.
 *
 * @param {Buffer | Uint8Array} file a GGUF model of the llama architecture, which is changed
 * @param {number} layers the number of layers that stay
 */
export function setLayerCount(file, layers) {
  // The header is much shorter than this.
  const header = Buffer.from(file.buffer, file.byteOffset, Math.min(file.byteLength, 1 << 22));
  // The key is followed by its type (u32) and by its value.
  const key = 'llama.block_count';
  header.writeUInt32LE(layers, header.indexOf(key) + key.length + 4);
  for (let at = header.indexOf('blk.'); at >= 0; at = header.indexOf('blk.', at + 1)) {
    const layer = /^blk\.(\d+)\./.exec(header.toString('latin1', at, at + 10))?.[1];
    if (Number(layer) >= layers) header.write('cut', at, 'latin1');
  }
  return file;
}
