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

/**
 * Sets the context that a model was trained with.
 *
 * @param {Buffer} file a GGUF model of the llama architecture, which is changed
 * @param {number} tokens
 */
export function setContext(file, tokens) {
  const key = 'llama.context_length';
  // The key is followed by its type (u32) and by its value.
  file.writeUInt32LE(tokens, file.indexOf(key) + key.length + 4);
  return file;
}

/**
 * Returns the header of a llama model whose weights take many gigabytes, and the length of its
 * file. The header is well-formed, and no weights follow.
 *
 * @returns {{header: Buffer, size_bytes: number}}
 */
export function hugeGguf() {
  const [WIDTH, FEED_FORWARD, LAYERS, VOCAB] = [4096, 11008, 64, 512];
  const [UINT32, FLOAT32, STRING, ARRAY, F32, F16] = [4, 6, 8, 9, 0, 1];
  const parts = [];
  const u32 = (value) => parts.push(Buffer.from(Uint32Array.of(value).buffer));
  const u64 = (value) => parts.push(Buffer.from(BigUint64Array.of(BigInt(value)).buffer));
  const string = (text) => {
    u64(text.length);
    parts.push(Buffer.from(text, 'latin1'));
  };
  const strings = (values) => {
    for (const value of [ARRAY, STRING]) u32(value);
    u64(values.length);
    values.forEach(string);
  };
  const tokens = Array.from({ length: VOCAB }, (_, id) => `t${id}`);
  const metadata = {
    'general.architecture': 'llama',
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.merges': ['t 1'],
    'llama.embedding_length': WIDTH,
    'llama.block_count': LAYERS,
    'llama.feed_forward_length': FEED_FORWARD,
    'llama.context_length': 2048,
    'llama.attention.head_count': 32,
    'llama.attention.head_count_kv': 32,
  };
  const square = [WIDTH, WIDTH];
  const layer = {
    attn_norm: [WIDTH],
    attn_q: square,
    attn_k: square,
    attn_v: square,
    attn_output: square,
    ffn_norm: [WIDTH],
    ffn_gate: [WIDTH, FEED_FORWARD],
    ffn_up: [WIDTH, FEED_FORWARD],
    ffn_down: [FEED_FORWARD, WIDTH],
  };
  const tensors = [
    ['token_embd', [WIDTH, VOCAB]],
    ['output_norm', [WIDTH]],
  ];
  for (let i = 0; i < LAYERS; i++)
    for (const [name, dims] of Object.entries(layer)) tensors.push([`blk.${i}.${name}`, dims]);

  parts.push(Buffer.from('GGUF'));
  u32(3);
  u64(tensors.length);
  u64(Object.keys(metadata).length + 1);
  for (const [key, value] of Object.entries(metadata)) {
    string(key);
    if (Array.isArray(value)) {
      strings(value);
    } else if (typeof value === 'string') {
      u32(STRING);
      string(value);
    } else {
      u32(UINT32);
      u32(value);
    }
  }
  string('llama.attention.layer_norm_rms_epsilon');
  u32(FLOAT32);
  parts.push(Buffer.from(Float32Array.of(1e-5).buffer));
  let offset = 0;
  for (const [name, dims] of tensors) {
    string(`${name}.weight`);
    u32(dims.length);
    dims.forEach(u64);
    u32(dims.length === 1 ? F32 : F16);
    u64(offset);
    offset += dims.reduce((n, dim) => n * dim, dims.length === 1 ? 4 : 2);
  }
  const length = Buffer.concat(parts).length;
  parts.push(Buffer.alloc((32 - (length % 32)) % 32));
  const header = Buffer.concat(parts);
  return { header, size_bytes: header.length + offset };
}
