// Samples a token: the likeliest one, or by `params.draw` among those that top-k, top-p and min-p
// leave, whose logits the temperature then scales. Each filter is a threshold on the logits, found
// bit by bit, so that nothing is sorted; logits that equal a threshold all stay. There is one
// workgroup; each lane has a part of a slice's candidates.
#import lib/params
#import lib/slices
#import lib/sum

@group(1) @binding(1) var<storage, read> maxima: array<vec2<u32>>;       // [slices]: order, token
@group(1) @binding(2) var<storage, read> kept: array<vec2<u32>>;        // [slices, slice], alike
@group(1) @binding(3) var<storage, read> counts: array<u32>;                // [slices]
@group(1) @binding(4) var<storage, read_write> token_ids: array<u32>;
@group(1) @binding(5) var<storage, read_write> marks: array<u32>;           // [vocab]

var<workgroup> masses: array<f32, $LANES>;
// The lane that has the sampled token, and what of the draw is left for it.
var<workgroup> picked: vec2<f32>;

// Returns how many of this lane's candidates reach the threshold.
fn count_from(threshold: u32, first: u32, end: u32) -> f32 {
  var count = 0u;
  for (var i = first; i < end; i++) {
    count += select(0u, 1u, kept[i].x >= threshold);
  }
  return f32(count);
}

// Returns what a candidate weighs, of the likeliest one.
fn weight(key: u32, largest: f32, temperature: f32) -> f32 {
  return exp((ordered(key) - largest) / temperature);
}

// Returns what this lane's candidates weigh that reach the threshold.
fn mass_from(
  threshold: u32,
  first: u32,
  end: u32,
  largest: f32,
  temperature: f32,
) -> f32 {
  var mass = 0.0;
  for (var i = first; i < end; i++) {
    if (kept[i].x >= threshold) {
      mass += weight(kept[i].x, largest, temperature);
    }
  }
  return mass;
}

// Writes the token down, and counts it.
fn take(token: u32) {
  token_ids[params.sampled_at] = token;
  if (params.penalized != 0u && token != NONE) {
    marks[token] = max(marks[token], 1u) + 1u;
  }
}

@compute @workgroup_size($LANES)
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
  if (broken || params.temperature == 0.0) {
    if (lane == 0u) {
      take(select(best.y, NONE, broken));
    }
    return;
  }

  let slice = lane * op.slices / $LANES;
  let shares = $LANES / op.slices;
  let part = lane % shares;
  let count = counts[slice];
  let first = slice * op.slice + count * part / shares;
  let end = slice * op.slice + count * (part + 1u) / shares;

  var threshold = 0u;
  if (params.top_k > 0u && params.top_k < op.vocab) {
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
      if (workgroup_sum(count_from(threshold | bit, first, end), lane) >= f32(params.top_k)) {
        threshold |= bit;
      }
    }
  }
  if (params.top_p < 1.0) {
    let goal = params.top_p * workgroup_sum(mass_from(threshold, first, end, largest, 1.0), lane);
    var nucleus = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
      let mass = mass_from(max(threshold, nucleus | bit), first, end, largest, 1.0);
      if (workgroup_sum(mass, lane) >= goal) {
        nucleus |= bit;
      }
    }
    // The likeliest token stays, whatever rounding does.
    threshold = max(threshold, min(nucleus, best.x));
  }
  if (params.min_p > 0.0) {
    let least = order(largest + log(params.min_p));
    threshold = max(threshold, min(least, best.x));
  }

  let mine = mass_from(threshold, first, end, largest, params.temperature);
  let left = params.draw * workgroup_sum(mine, lane);
  masses[lane] = mine;
  workgroupBarrier();
  if (lane == 0u) {
    var before = 0.0;
    var found = false;
    for (var i = 0u; i < $LANES && !found; i++) {
      if (masses[i] > 0.0) {
        picked = vec2<f32>(f32(i), left - before);
        before += masses[i];
        found = left < before;
      }
    }
  }
  workgroupBarrier();
  if (lane != u32(picked.x)) {
    return;
  }
  var token = best.y;
  var rest = picked.y;
  for (var i = first; i < end && rest >= 0.0; i++) {
    if (kept[i].x >= threshold) {
      token = kept[i].y;
      rest -= weight(kept[i].x, largest, params.temperature);
    }
  }
  take(token);
}
