// The levels of a block of 32 columns as numbers.
#import shared/unpack

fn levels_W(block: u32) -> array<vec4<f32>, 8> {
  let b = bytes_W(block);
  return array<vec4<f32>, 8>(
    unpack_bytes(b[0]), unpack_bytes(b[1]), unpack_bytes(b[2]), unpack_bytes(b[3]),
    unpack_bytes(b[4]), unpack_bytes(b[5]), unpack_bytes(b[6]), unpack_bytes(b[7]),
  );
}
