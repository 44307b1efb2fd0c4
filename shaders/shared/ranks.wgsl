// The likeliest tokens, in order.
const RANKS = 20u;                        // the most that are wanted

// Whether a candidate, order and token, comes before another one: the larger logit does, of equals the smaller token.
fn ranks_before(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.x > b.x || (a.x == b.x && a.y < b.y);
}
