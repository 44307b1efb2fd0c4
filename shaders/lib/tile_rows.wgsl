// What tiles of SIDE rows share: their weights, dequantized into `weights`, which is of Four,
// [columns / 4, rows] for each block of 32 columns; products; and results.

// Puts a row's weights of a block where its first four columns belong.
fn fetch_weights(block: u32, at: u32) {
  let q = quants_a(block);
  let s = scales_a(block);
  weights[at] = Four(s.x * q.a + s.y);
  weights[SIDE + at] = Four(s.x * q.b + s.y);
  weights[2u * SIDE + at] = Four(s.x * q.c + s.y);
  weights[3u * SIDE + at] = Four(s.x * q.d + s.y);
  weights[4u * SIDE + at] = Four(s.z * q.e + s.w);
  weights[5u * SIDE + at] = Four(s.z * q.f + s.w);
  weights[6u * SIDE + at] = Four(s.z * q.g + s.w);
  weights[7u * SIDE + at] = Four(s.z * q.h + s.w);
}

// Returns the products of four columns of four rows and those of a token.
fn dots(w0: Four, w1: Four, w2: Four, w3: Four, x: Four) -> vec4<f32> {
  return vec4<f32>(vec4(dot(w0, x), dot(w1, x), dot(w2, x), dot(w3, x)));
}

// Keeps the results of rows row, row + 8, row + 16 and row + 24.
fn keep_four(token: u32, row: u32, sums: vec4<f32>) {
  keep(token, row, sums.x);
  keep(token, row + 8u, sums.y);
  keep(token, row + 16u, sums.z);
  keep(token, row + 24u, sums.w);
}
