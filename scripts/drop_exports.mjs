// node scripts/drop_exports.mjs FILE.wasm PREFIX takes the exports whose names begin with PREFIX out
// of a wasm file. A crate may export functions for C (llguidance exports llg_*), which the linker
// keeps, with all that they call, until nobody exports them.
import { readFileSync, writeFileSync } from 'node:fs';

const EXPORT_SECTION = 7;
const [path, prefix] = process.argv.slice(2);
const bytes = readFileSync(path);
let at = 8;

/** Reads an unsigned number in LEB128. */
function number() {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value;
  }
}

/** Returns a number in LEB128. */
function encoded(value) {
  const out = [];
  for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  return [...out, value];
}

const out = [bytes.subarray(0, 8)];
while (at < bytes.length) {
  const begin = at;
  const id = bytes[at++];
  const size = number();
  const end = at + size;
  if (id === EXPORT_SECTION) {
    const kept = [];
    for (let left = number(); left > 0; left -= 1) {
      const first = at;
      const length = number();
      const name = bytes.toString('utf8', at, at + length);
      at += length + 1;
      number();
      if (!name.startsWith(prefix)) kept.push(bytes.subarray(first, at));
    }
    const body = Buffer.concat([Buffer.from(encoded(kept.length)), ...kept]);
    out.push(Buffer.from([id, ...encoded(body.length)]), body);
  } else {
    out.push(bytes.subarray(begin, end));
  }
  at = end;
}
writeFileSync(path, Buffer.concat(out));
