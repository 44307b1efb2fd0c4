//! Helps to compare a model with other implementations.

use serde_json::Value;
use siskin::{
    backend::Backend,
    model::{Model, STEP_TOKENS},
};

pub fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|x| x.as_u64().unwrap() as u32)
        .collect()
}

pub fn argmax(logits: &[f32]) -> u32 {
    (0..logits.len())
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .unwrap() as u32
}

/// Returns the logits after each of the tokens, `[tokens, vocab]`.
pub async fn teacher_forced<B: Backend>(model: &mut Model<B>, tokens: &[u32]) -> Vec<f32> {
    let (mut all, mut logits) = (Vec::new(), Vec::new());
    for chunk in tokens.chunks(STEP_TOKENS) {
        model.forward_all(chunk, &mut logits).await.unwrap();
        all.extend_from_slice(&logits);
    }
    all
}
