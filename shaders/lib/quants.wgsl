// The quants of a block of 32 columns as numbers.
#import lib/eight
#import lib/unpack

fn quants_W(block: u32) -> Eight {
  let q = bytes_W(block);
  return Eight(
    unpack_bytes(q.first.x), unpack_bytes(q.first.y),
    unpack_bytes(q.first.z), unpack_bytes(q.first.w),
    unpack_bytes(q.second.x), unpack_bytes(q.second.y),
    unpack_bytes(q.second.z), unpack_bytes(q.second.w),
  );
}
