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
 * Changes the number of layers that a model declares. The engine ignores the tensors of the others.
 *
 * @param {Buffer | Uint8Array} file a GGUF model of the llama architecture, which is changed
 * @param {number} layers
 */
export function setLayerCount(file, layers) {
  // The metadata entry is the key, its type (u32) and its value.
  const key = 'llama.block_count';
  const at = Buffer.from(file.buffer, file.byteOffset, 1 << 16).indexOf(key);
  new DataView(file.buffer, file.byteOffset).setUint32(at + key.length + 4, layers, true);
  return file;
}
