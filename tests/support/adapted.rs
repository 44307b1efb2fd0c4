//! Tiny models with LoRA adapters, which `tests/fixtures/models/make_lora.py` makes.

use super::{
    model_file::{ModelFile, Tensor},
    random::Random,
    tiny::Tiny,
};
use siskin::{format::metadata::Metadata, quant::DType};

/// Is a tiny model with an adapter.
pub struct Adapted {
    /// Is the model.
    pub tiny: Tiny,
    /// Holds the adapter's file.
    pub adapter: &'static [u8],
    /// Holds what transformers computes of the model with the adapter in its weights.
    pub golden: &'static str,
    /// Holds the scale that the golden is for.
    pub scale: f32,
}

macro_rules! adapted {
    ($name:literal, $scale:literal) => {
        Adapted {
            tiny: (
                $name,
                include_bytes!(concat!("../fixtures/models/", $name, ".gguf")),
                include_str!(concat!("../fixtures/models/", $name, ".json")),
            ),
            adapter: include_bytes!(concat!("../fixtures/models/", $name, "-lora.gguf")),
            golden: include_str!(concat!("../fixtures/models/", $name, "-lora.json")),
            scale: $scale,
        }
    };
}

/// Lists the tiny models that have adapters. That of Qwen3 changes what is looked up.
pub const ADAPTED: &[Adapted] = &[
    adapted!("mistral-linear-tiny", 0.5),
    adapted!("qwen3-tiny", 1.0),
    adapted!("gemma2-tiny", -1.0),
    adapted!("phi3-tiny", 1.0),
];

/// Makes an adapter of a llama, of alpha 6.
pub fn adapter(tensors: Vec<Tensor>) -> ModelFile {
    ModelFile {
        metadata: Metadata::new(),
        tensors,
    }
    .with("general.architecture", "llama")
    .with("general.type", "adapter")
    .with("adapter.type", "lora")
    .with("adapter.lora.alpha", 6.0_f32)
}

/// Makes both halves of the change of the tensor `name`, of random numbers.
pub fn halves(name: &str, a: (DType, &[u64]), b: (DType, &[u64])) -> Vec<Tensor> {
    let mut random = Random::new(name.len() as u64);
    [("lora_a", a), ("lora_b", b)]
        .map(|(half, (dtype, dims))| {
            Tensor::random(&format!("{name}.{half}"), dtype, dims, &mut random)
        })
        .to_vec()
}
