//! What differs from step to step: the one uniform that all kernels share.

use crate::backend::gpu::shader::uniform;

uniform! {
    /// Bind group 0 of every kernel, written before each submit: `shaders/lib/params.wgsl`.
    pub struct StepParams {
        /// Tokens of this step.
        pub tokens: u32,
        /// The position of the first of them.
        pub position: u32,
        /// Where in `token_ids` the first of them stands.
        pub token_at: u32,
        /// The row of x whose logits are wanted.
        pub row: u32,
        /// Positions that one split of attention takes.
        pub span: u32,
        /// Splits of attention.
        pub splits: u32,
        /// Where in `token_ids` the sampled token goes.
        pub sampled_at: u32,
        /// As in [`crate::backend::sampling::SamplingParams`], like the six below.
        pub top_k: u32,
        /// 0: the likeliest token is taken.
        pub temperature: f32,
        /// The share of probability that the likeliest tokens must reach.
        pub top_p: f32,
        /// The share of the likeliest token's probability that a token must have.
        pub min_p: f32,
        /// Divides a positive logit of a token that was seen, and multiplies a negative one.
        pub repetition_penalty: f32,
        /// Taken off for each time that a token stands in the answer.
        pub frequency_penalty: f32,
        /// Taken off once if a token stands in the answer.
        pub presence_penalty: f32,
        /// The number, uniform in 0 .. 1, that decides the token.
        pub draw: f32,
        /// Whether any token has a mark or a bias that counts.
        pub penalized: u32,
        /// Whether only some tokens may be sampled.
        pub masked: u32,
        /// Log-probabilities that are wanted.
        pub top_logprobs: u32,
        /// The state that the step goes on from, where it is not at position 0.
        pub state_from: u32,
        /// The state that it leaves.
        pub state_to: u32,
    }
}
