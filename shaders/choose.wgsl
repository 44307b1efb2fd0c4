// Chooses a token: the likeliest, or by `now.draw` among what top-k, top-p and min-p leave. Each filter is a threshold on the logits, found
// bit by bit, so nothing is sorted; logits that equal a threshold all stay. One workgroup; each lane has a quarter of a slice's candidates.
#import shared/step
#import shared/slices

@group(1) @binding(1) var<storage, read> maxima: array<vec2<u32>>;         // [slices]: order and token
@group(1) @binding(2) var<storage, read> kept: array<vec2<u32>>;           // [slices, slice]: order and token
@group(1) @binding(3) var<storage, read> counts: array<u32>;               // [slices]
@group(1) @binding(4) var<storage, read_write> token_ids: array<u32>;
@group(1) @binding(5) var<storage, read_write> marks: array<u32>;          // [vocab]

const LANES = 256u;

var<workgroup> sums: array<f32, LANES>;
var<workgroup> total: f32;
var<workgroup> chooser: vec2<f32>;        // the lane that chooses, and what of the draw is left for it

// The sum over all lanes.
fn sum_of(value: f32, lane: u32) -> f32 {
  sums[lane] = value;
  for (var stride = LANES / 2u; stride > 0u; stride /= 2u) {
    workgroupBarrier();
    if (lane < stride) {
      sums[lane] += sums[lane + stride];
    }
  }
  if (lane == 0u) {
    total = sums[0];
  }
  return workgroupUniformLoad(&total);
}

// How many of this lane's candidates reach the threshold, and what they weigh.
fn count_from(threshold: u32, first: u32, end: u32) -> f32 {
  var count = 0u;
  for (var i = first; i < end; i++) {
    count += select(0u, 1u, kept[i].x >= threshold);
  }
  return f32(count);
}

fn weight(key: u32, largest: f32) -> f32 {
  return exp((ordered(key) - largest) / now.temperature);
}

fn mass_from(threshold: u32, first: u32, end: u32, largest: f32) -> f32 {
  var mass = 0.0;
  for (var i = first; i < end; i++) {
    if (kept[i].x >= threshold) {
      mass += weight(kept[i].x, largest);
    }
  }
  return mass;
}

fn take(token: u32) {
  token_ids[now.chosen_at] = token;
  if (now.penalized != 0u && token != NONE) {
    marks[token] = max(marks[token], 1u) + 1u;
  }
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var best = vec2<u32>(0u, 0u);
  var broken = false;
  for (var i = 0u; i < op.slices; i++) {
    let other = maxima[i];
    broken = broken || other.y == NONE;
    if (other.x > best.x) {
      best = other;
    }
  }
  let largest = ordered(best.x);
  broken = broken || best.x <= LOWEST;
  if (broken || now.temperature == 0.0) {
    if (lane == 0u) {
      take(select(best.y, NONE, broken));
    }
    return;
  }

  let slice = lane * op.slices / LANES;
  let shares = LANES / op.slices;
  let part = lane % shares;
  let count = counts[slice];
  let first = slice * op.slice + count * part / shares;
  let end = slice * op.slice + count * (part + 1u) / shares;

  var threshold = 0u;
  if (now.top_k > 0u && now.top_k < op.vocab) {
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
      if (sum_of(count_from(threshold | bit, first, end), lane) >= f32(now.top_k)) {
        threshold |= bit;
      }
    }
  }
  if (now.top_p < 1.0) {
    let goal = now.top_p * sum_of(mass_from(threshold, first, end, largest), lane);
    var nucleus = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
      if (sum_of(mass_from(max(threshold, nucleus | bit), first, end, largest), lane) >= goal) {
        nucleus |= bit;
      }
    }
    // The likeliest stays, whatever rounding does.
    threshold = max(threshold, min(nucleus, best.x));
  }
  if (now.min_p > 0.0) {
    threshold = max(threshold, min(order(largest + now.temperature * log(now.min_p)), best.x));
  }

  let mine = mass_from(threshold, first, end, largest);
  let left = now.draw * sum_of(mine, lane);
  workgroupBarrier();
  sums[lane] = mine;
  workgroupBarrier();
  if (lane == 0u) {
    var before = 0.0;
    var found = false;
    for (var i = 0u; i < LANES && !found; i++) {
      if (sums[i] > 0.0) {
        chooser = vec2<f32>(f32(i), left - before);
        before += sums[i];
        found = left < before;
      }
    }
  }
  workgroupBarrier();
  if (lane != u32(chooser.x)) {
    return;
  }
  var token = best.y;
  var rest = chooser.y;
  for (var i = first; i < end && rest >= 0.0; i++) {
    if (kept[i].x >= threshold) {
      token = kept[i].y;
      rest -= weight(kept[i].x, largest);
    }
  }
  take(token);
}
