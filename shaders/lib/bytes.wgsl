// The quants of a block of 32 columns as signed bytes, four columns a word.
struct Bytes {
  first: vec4<u32>,
  second: vec4<u32>,
}
