// The levels of a block of 32 columns as numbers.
#import shared/eight
#import shared/unpack

fn levels_W(block: u32) -> Eight {
  let l = bytes_W(block);
  return Eight(
    unpack_bytes(l.first.x), unpack_bytes(l.first.y), unpack_bytes(l.first.z), unpack_bytes(l.first.w),
    unpack_bytes(l.second.x), unpack_bytes(l.second.y), unpack_bytes(l.second.z), unpack_bytes(l.second.w),
  );
}
