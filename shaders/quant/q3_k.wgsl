// Blocks of 32: quants 0 .. 7, a signed byte of scale for each 16, an f16 scale of scales for 256;
// value = d * scale * (quant - 4).
#import lib/words as W
#import lib/crumbs as W
#import lib/quants as W
#import lib/signed_scales as W

const OFFSET_W = 4.0;

// Bit m of byte i of the word of high bits belongs to column 4 m + i.
fn bytes_W(block: u32) -> Bytes {
  let low = crumbs_W(2u * block);
  let bits = vec4<u32>(word_W(op.planes_W.high_at + block));
  let ones = vec4<u32>(0x01010101u);
  return Bytes(
    low.first | (((bits >> vec4<u32>(0u, 1u, 2u, 3u)) & ones) << vec4<u32>(2u)),
    low.second | (((bits >> vec4<u32>(4u, 5u, 6u, 7u)) & ones) << vec4<u32>(2u)),
  );
}
