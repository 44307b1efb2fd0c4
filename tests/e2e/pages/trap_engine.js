// This engine ends every answer in a real wasm trap, as a crash does.
const UNREACHABLE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 116, 0, 0, 10, 5, 1, 3, 0,
  0, 11,
];

let trap;
export default async function init() {
  const { instance } = await WebAssembly.instantiate(new Uint8Array(UNREACHABLE));
  trap = instance.exports.t;
  return { memory: new WebAssembly.Memory({ initial: 1 }) };
}

export class Engine {
  push() {}
  finish() {
    return { name: 'trap' };
  }
  start() {}
  async next() {
    trap();
  }
  tokenize() {
    return new Uint32Array(0);
  }
}
