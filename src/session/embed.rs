//! Computes the embedding of a text: a vector whose direction stands for what the text says.

use super::{
    Session,
    engine::AnyModel,
    evaluate::{Wanted, evaluate},
};
use crate::{
    Code, Error, Result,
    generate::{Decoder, stop::StopHandle},
    model::pooling::Pooling,
    text::tokenizer::Special,
};

impl Session<AnyModel> {
    /// Returns the tokens of a text that is to be embedded: those of the text, in which nothing is
    /// a control token, after the BOS and before the EOS of models that were trained with them.
    pub fn embedding_tokens(&self, text: &str) -> Vec<u32> {
        let mut tokens = self.with_bos(self.tokenize(text, Special::Plain));
        tokens.extend(self.tokenizer.separator());
        tokens
    }

    /// Returns the embedding of `tokens`, `[embedding]`, whose length is 1: the mean of their hidden
    /// states after the last norm, or what the file says ([`Pooling`]), which goes through the dense
    /// layers of an encoder that has some. The conversations in the slots stay as they are.
    ///
    /// The mean, because a model that was trained to write, and not to embed, puts into its last
    /// state what comes next, and into all of them what the text is about. After the norm, for
    /// before it the state of the first token is so long that it would be all of the mean.
    ///
    /// # Errors
    ///
    /// - `busy` while an answer is being written.
    /// - `invalid_argument` when there are no tokens, or one is outside the vocabulary.
    /// - `context_full` when the tokens do not fit the context.
    /// - `aborted` after [`Session::stop`].
    /// - `not_finite` when a state is NaN or infinite.
    pub async fn embed(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        self.check_idle()?;
        if tokens.is_empty() {
            return Err(Error::new(
                Code::InvalidArgument,
                "There are no tokens to embed; give at least one.",
            ));
        }
        self.use_default_adapters()?;
        let stop = self.generator.stop_handle();
        stop.reset();
        let decoder = self.generator.decoder_mut();
        decoder.check_tokens(tokens)?;
        let state = decoder.export_oldest_slot().await?;
        decoder.rewind(0);
        let embedding = embed(decoder, tokens, &stop).await;
        decoder.import_slot(&state)?;
        embedding
    }
}

fn add(sums: &mut [f64], state: &[f32]) {
    for (sum, x) in sums.iter_mut().zip(state) {
        *sum += f64::from(*x);
    }
}

async fn embed(decoder: &mut AnyModel, tokens: &[u32], stop: &StopHandle) -> Result<Vec<f32>> {
    let mut sums = vec![0f64; decoder.embedding_len()];
    let pooling = decoder.pooling();
    let mut on_states = |states: &[f32]| {
        let mut rows = states.chunks_exact(sums.len());
        match pooling {
            Pooling::Mean => rows.for_each(|state| add(&mut sums, state)),
            // Of an encoder all states come together.
            Pooling::First => rows.take(1).for_each(|state| add(&mut sums, state)),
            // Of others they come step by step, and the last one stands.
            Pooling::Last => {
                sums.fill(0.0);
                rows.next_back()
                    .into_iter()
                    .for_each(|state| add(&mut sums, state));
            }
        }
    };
    evaluate(decoder, tokens, stop, Wanted::Hidden(&mut on_states)).await?;
    Ok(unit(&decoder.dense(unit(&sums))))
}

/// Returns a vector at length 1.
fn unit<T: Copy + Into<f64>>(vector: &[T]) -> Vec<f32> {
    let squares = vector.iter().map(|&x| x.into().powi(2));
    let length = squares.sum::<f64>().sqrt();
    // A model whose last norm is zero everywhere has no direction to give.
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter().map(|&x| (x.into() * scale) as f32).collect()
}
