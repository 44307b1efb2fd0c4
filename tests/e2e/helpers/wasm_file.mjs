// This module changes wasm files, for tests that need an engine with a defect.

const SECTION = { table: 4, export: 7 };
const KIND_TABLE = 1;
const FUNCREF = 0x70;

/** Reads a wasm file from `at` on. */
class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte() {
    return this.bytes[this.at++];
  }

  /** Reads an unsigned LEB128 number. */
  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  skip(count) {
    this.at += count;
  }

  skipLimits() {
    const has_max = this.byte() & 1;
    this.number();
    if (has_max) this.number();
  }
}

/** Returns a number as unsigned LEB128. */
function leb128(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

/** Returns the sections of a wasm file: `[{id, start, end}]`, where `start` is behind the length. */
function sections(wasm) {
  const reader = new Reader(wasm, 8);
  const found = [];
  while (reader.at < wasm.length) {
    const id = reader.byte();
    const length = reader.number();
    found.push({ id, start: reader.at, end: reader.at + length });
    reader.skip(length);
  }
  return found;
}

/**
 * Returns the wasm file with its table of functions exported as `name`.
 *
 * @param {Uint8Array} wasm whose tables are its own
 * @param {string} name
 */
export function withExportedTable(wasm, name) {
  const list = sections(wasm);
  const tables = new Reader(wasm, list.find(({ id }) => id === SECTION.table).start);
  const types = Array.from({ length: tables.number() }, () => {
    const type = tables.byte();
    tables.skipLimits();
    return type;
  });
  const { start, end } = list.find(({ id }) => id === SECTION.export);
  const exports = new Reader(wasm, start);
  const count = exports.number();
  const body = Buffer.concat([
    Buffer.from(leb128(count + 1)),
    Buffer.from([name.length]),
    Buffer.from(name),
    Buffer.from([KIND_TABLE, ...leb128(types.indexOf(FUNCREF))]),
    wasm.subarray(exports.at, end),
  ]);
  // The section's length stands before `start`, behind its id.
  let length_at = start - 1;
  while (wasm[length_at - 1] >= 128) length_at -= 1;
  return Buffer.concat([
    wasm.subarray(0, length_at),
    Buffer.from(leb128(body.length)),
    body,
    wasm.subarray(end),
  ]);
}
