//! The dimensions of a model.

use super::DeltaDims;

/// Holds the dimensions of a model's activations.
#[derive(Clone, Debug)]
pub struct Dims {
    /// Holds the length of the embedding, which is that of the residual stream.
    pub embedding: usize,
    /// Counts the query heads.
    pub heads: usize,
    /// Counts the key-value heads, which query heads share (GQA).
    pub kv_heads: usize,
    /// Holds the length of a head, the longest where layers differ.
    pub head_dim: usize,
    /// Lists the length of a head in each layer of the cache that attends, where layers differ in
    /// it or share keys and values. Empty where it is `head_dim` in every layer.
    pub head_dims: Vec<usize>,
    /// Holds the length of the feed-forward network's hidden activations, the longest where layers
    /// differ.
    pub feed_forward: usize,
    /// Counts the tokens in the vocabulary.
    pub vocab: usize,
    /// Counts the layers.
    pub layers: usize,
    /// Counts the layers among them that have a short convolution in place of attention, or a gated
    /// DeltaNet.
    pub conv_layers: usize,
    /// Holds the dimensions of these layers' DeltaNet, if that is what they have.
    pub delta: Option<DeltaDims>,
    /// Holds the length of what each layer takes beside the residual stream; 0 for nothing.
    pub layer_input: usize,
}

impl Dims {
    /// Returns the number of layers that attend and have keys and values of their own.
    pub fn attention_layers(&self) -> usize {
        match self.head_dims.len() {
            0 => self.layers - self.conv_layers,
            layers => layers,
        }
    }

    /// Returns the length of a head in a layer of the cache.
    pub fn head_dim_of(&self, layer: usize) -> usize {
        self.head_dims.get(layer).copied().unwrap_or(self.head_dim)
    }

    /// Returns the length of all that layers take beside the residual stream.
    pub fn layer_inputs(&self) -> usize {
        self.layers * self.layer_input
    }

    /// Returns the numbers that a cache keeps of so many tokens, where layers keep all positions: a
    /// layer with a state keeps one.
    pub fn cached_numbers(&self, tokens: usize) -> usize {
        let of = |layer| match self.delta {
            Some(_) if layer >= self.attention_layers() => tokens.min(1),
            _ => tokens,
        };
        let layers = 0..self.attention_layers() + self.conv_layers;
        layers.map(|it| of(it) * self.layer_numbers(it)).sum()
    }

    /// Returns the numbers that a layer of a cache keeps of one position, or of one state, whose
    /// numbers are of 32 bits and count twice. Layers that attend come first.
    pub fn layer_numbers(&self, layer: usize) -> usize {
        match self.delta {
            _ if layer < self.attention_layers() => 2 * self.kv_heads * self.head_dim_of(layer),
            Some(delta) => 2 * delta.state(),
            None => self.embedding,
        }
    }
}
