// Computes logits = scale * logits, and bounds them. A thread takes a logit.
#import lib/params
#ifdef SOFTCAP
#import lib/bounded
#endif

struct Op {
  vocab: u32,
  scale: f32,
  softcap: f32,
}
@group(1) @binding(0) var<uniform> op: Op;
@group(1) @binding(1) var<storage, read_write> logits: array<f32>;  // [rows, vocab]

@compute @workgroup_size($LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= op.vocab) {
    return;
  }
  let at = id.y * op.vocab + id.x;
#ifdef SOFTCAP
  logits[at] = bounded(op.scale * logits[at], op.softcap);
#else
  logits[at] *= op.scale;
#endif
}
