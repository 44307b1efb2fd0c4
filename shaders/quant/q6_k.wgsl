// Blocks of 32: quants 0 .. 63, a signed byte of scale for each 16, an f16 scale of scales for 256;
// value = d * scale * (quant - 32).
#import lib/words as W
#import lib/nibbles as W
#import lib/crumbs as W
#import lib/quants as W
#import lib/signed_scales as W

const OFFSET_W = 32.0;

fn bytes_W(block: u32) -> Bytes {
  let low = nibbles_W(block);
  let high = crumbs_W(op.planes_W.high_at + 2u * block);
  return Bytes(
    low.first | (high.first << vec4<u32>(4u)),
    low.second | (high.second << vec4<u32>(4u)),
  );
}
