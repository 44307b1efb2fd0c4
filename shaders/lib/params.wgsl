// What differs from step to step. Everything else is in the kernel's own uniform, which is written
// once.
struct StepParams {
  tokens: u32,            // in this step
  position: u32,          // of the first token
  token_at: u32,          // where in `token_ids` the first stands
  row: u32,               // the row of x whose logits are wanted
  span: u32,              // positions that one split of attention takes
  splits: u32,            // of attention
  sampled_at: u32,        // where in `token_ids` the sampled token goes
  top_k: u32,
  temperature: f32,
  top_p: f32,
  min_p: f32,
  repetition_penalty: f32,
  frequency_penalty: f32,
  presence_penalty: f32,
  draw: f32,              // uniform in 0 .. 1; decides the token
  penalized: u32,         // whether any token has a mark or a bias that counts
  masked: u32,            // whether only some tokens may be sampled
  top_logprobs: u32,
  state_from: u32,        // what the step goes on from, where it is not at position 0
  state_to: u32,          // what it leaves
}
@group(0) @binding(0) var<uniform> params: StepParams;
