// As matmul.wgsl, for devices that are played by a processor: each lane has four rows of its own, for SIDE tokens. The tile's activations lie in
// workgroup memory at constant addresses, so that all lanes are served by one load; that is why the tokens are written out.
#import shared/step
#import quant/$A as a
#import shared/product

const LANES = 32u;
const ROWS = 4u;                          // of a lane
const SIDE = 16u;                         // tokens

var<workgroup> inputs: array<vec4<f32>, 128>; // [SIDE, columns / 4]

// The weights of a block, dequantized.
fn row_of(block: u32, s: vec4<f32>) -> Eight {
  let l = levels_a(block);
  return Eight(
    s.x * l.a + s.y, s.x * l.b + s.y, s.x * l.c + s.y, s.x * l.d + s.y,
    s.z * l.e + s.w, s.z * l.f + s.w, s.z * l.g + s.w, s.z * l.h + s.w,
  );
}

fn dots(w: Eight, x: Eight) -> f32 {
  return dot(w.a, x.a) + dot(w.b, x.b) + dot(w.c, x.c) + dot(w.d, x.d) + dot(w.e, x.e) + dot(w.f, x.f) + dot(w.g, x.g) + dot(w.h, x.h);
}

fn keep_four(token: u32, row: u32, sums: vec4<f32>) {
  keep(token, row, sums.x);
  keep(token, row + 1u, sums.y);
  keep(token, row + 2u, sums.z);
  keep(token, row + 3u, sums.w);
}

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = (group.x * LANES + lane) * ROWS;
  let token = group.y * SIDE;
  let blocks = op.planes_a.blocks;
  let rows = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(op.rows - 1u));
  // Two lanes fetch the columns of a token.
  let from_token = min(token + lane / 2u, now.tokens - 1u) * blocks;
  let fetched = 4u * (lane % 2u);
  let fetched_to = 8u * (lane / 2u) + fetched;
  var s0 = vec4<f32>();
  var s1 = vec4<f32>();
  var s2 = vec4<f32>();
  var s3 = vec4<f32>();
  var s4 = vec4<f32>();
  var s5 = vec4<f32>();
  var s6 = vec4<f32>();
  var s7 = vec4<f32>();
  var s8 = vec4<f32>();
  var s9 = vec4<f32>();
  var s10 = vec4<f32>();
  var s11 = vec4<f32>();
  var s12 = vec4<f32>();
  var s13 = vec4<f32>();
  var s14 = vec4<f32>();
  var s15 = vec4<f32>();
  for (var block = 0u; block < blocks; block++) {
    let first = (from_token + block) * 8u + fetched;
    workgroupBarrier();
    inputs[fetched_to] = x[first];
    inputs[fetched_to + 1u] = x[first + 1u];
    inputs[fetched_to + 2u] = x[first + 2u];
    inputs[fetched_to + 3u] = x[first + 3u];
    workgroupBarrier();
    let at = numbers_a(rows, block);
#ifdef TEXTURES
    let s = four_scales_a(at.x & ~3u);
#else
    let s = FourScales(scales_a(at.x), scales_a(at.y), scales_a(at.z), scales_a(at.w));
#endif
    let w0 = row_of(at.x, s.a);
    let w1 = row_of(at.y, s.b);
    let w2 = row_of(at.z, s.c);
    let w3 = row_of(at.w, s.d);
    let x0 = Eight(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5], inputs[6], inputs[7]);
    s0 += vec4<f32>(dots(w0, x0), dots(w1, x0), dots(w2, x0), dots(w3, x0));
    let x1 = Eight(inputs[8], inputs[9], inputs[10], inputs[11], inputs[12], inputs[13], inputs[14], inputs[15]);
    s1 += vec4<f32>(dots(w0, x1), dots(w1, x1), dots(w2, x1), dots(w3, x1));
    let x2 = Eight(inputs[16], inputs[17], inputs[18], inputs[19], inputs[20], inputs[21], inputs[22], inputs[23]);
    s2 += vec4<f32>(dots(w0, x2), dots(w1, x2), dots(w2, x2), dots(w3, x2));
    let x3 = Eight(inputs[24], inputs[25], inputs[26], inputs[27], inputs[28], inputs[29], inputs[30], inputs[31]);
    s3 += vec4<f32>(dots(w0, x3), dots(w1, x3), dots(w2, x3), dots(w3, x3));
    let x4 = Eight(inputs[32], inputs[33], inputs[34], inputs[35], inputs[36], inputs[37], inputs[38], inputs[39]);
    s4 += vec4<f32>(dots(w0, x4), dots(w1, x4), dots(w2, x4), dots(w3, x4));
    let x5 = Eight(inputs[40], inputs[41], inputs[42], inputs[43], inputs[44], inputs[45], inputs[46], inputs[47]);
    s5 += vec4<f32>(dots(w0, x5), dots(w1, x5), dots(w2, x5), dots(w3, x5));
    let x6 = Eight(inputs[48], inputs[49], inputs[50], inputs[51], inputs[52], inputs[53], inputs[54], inputs[55]);
    s6 += vec4<f32>(dots(w0, x6), dots(w1, x6), dots(w2, x6), dots(w3, x6));
    let x7 = Eight(inputs[56], inputs[57], inputs[58], inputs[59], inputs[60], inputs[61], inputs[62], inputs[63]);
    s7 += vec4<f32>(dots(w0, x7), dots(w1, x7), dots(w2, x7), dots(w3, x7));
    let x8 = Eight(inputs[64], inputs[65], inputs[66], inputs[67], inputs[68], inputs[69], inputs[70], inputs[71]);
    s8 += vec4<f32>(dots(w0, x8), dots(w1, x8), dots(w2, x8), dots(w3, x8));
    let x9 = Eight(inputs[72], inputs[73], inputs[74], inputs[75], inputs[76], inputs[77], inputs[78], inputs[79]);
    s9 += vec4<f32>(dots(w0, x9), dots(w1, x9), dots(w2, x9), dots(w3, x9));
    let x10 = Eight(inputs[80], inputs[81], inputs[82], inputs[83], inputs[84], inputs[85], inputs[86], inputs[87]);
    s10 += vec4<f32>(dots(w0, x10), dots(w1, x10), dots(w2, x10), dots(w3, x10));
    let x11 = Eight(inputs[88], inputs[89], inputs[90], inputs[91], inputs[92], inputs[93], inputs[94], inputs[95]);
    s11 += vec4<f32>(dots(w0, x11), dots(w1, x11), dots(w2, x11), dots(w3, x11));
    let x12 = Eight(inputs[96], inputs[97], inputs[98], inputs[99], inputs[100], inputs[101], inputs[102], inputs[103]);
    s12 += vec4<f32>(dots(w0, x12), dots(w1, x12), dots(w2, x12), dots(w3, x12));
    let x13 = Eight(inputs[104], inputs[105], inputs[106], inputs[107], inputs[108], inputs[109], inputs[110], inputs[111]);
    s13 += vec4<f32>(dots(w0, x13), dots(w1, x13), dots(w2, x13), dots(w3, x13));
    let x14 = Eight(inputs[112], inputs[113], inputs[114], inputs[115], inputs[116], inputs[117], inputs[118], inputs[119]);
    s14 += vec4<f32>(dots(w0, x14), dots(w1, x14), dots(w2, x14), dots(w3, x14));
    let x15 = Eight(inputs[120], inputs[121], inputs[122], inputs[123], inputs[124], inputs[125], inputs[126], inputs[127]);
    s15 += vec4<f32>(dots(w0, x15), dots(w1, x15), dots(w2, x15), dots(w3, x15));
  }
  keep_four(token + 0u, row, s0);
  keep_four(token + 1u, row, s1);
  keep_four(token + 2u, row, s2);
  keep_four(token + 3u, row, s3);
  keep_four(token + 4u, row, s4);
  keep_four(token + 5u, row, s5);
  keep_four(token + 6u, row, s6);
  keep_four(token + 7u, row, s7);
  keep_four(token + 8u, row, s8);
  keep_four(token + 9u, row, s9);
  keep_four(token + 10u, row, s10);
  keep_four(token + 11u, row, s11);
  keep_four(token + 12u, row, s12);
  keep_four(token + 13u, row, s13);
  keep_four(token + 14u, row, s14);
  keep_four(token + 15u, row, s15);
}
