//! Makes a small llama, tensor by tensor, so that a test can break any of it.

use super::{alphabet::visible, random::Random};
use siskin::{
    format::{
        gguf::GgufReader,
        metadata::{Metadata, StringArray, Value},
        write::GgufWriter,
    },
    quant::DType,
};

pub const WIDTH: u64 = 256;
/// Counts the 256 bytes and two control tokens, which are no whole number of row groups.
pub const VOCAB: u64 = 258;
pub const TRAINED_CONTEXT: u32 = 96;

pub struct ModelFile {
    pub metadata: Metadata,
    pub tensors: Vec<Tensor>,
}

#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub dtype: DType,
    pub dims: Vec<u64>,
    pub data: Vec<u8>,
}

impl Tensor {
    /// Makes a tensor of small random weights.
    pub fn random(name: &str, dtype: DType, dims: &[u64], random: &mut Random) -> Self {
        let values: Vec<f32> = (0..dims.iter().product())
            .map(|_| random.within(-0.2, 0.2))
            .collect();
        let mut data = Vec::new();
        dtype
            .quantize(&values, &mut data)
            .expect("a format that is written");
        Self {
            name: name.to_owned(),
            dtype,
            dims: dims.to_owned(),
            data,
        }
    }
}

impl ModelFile {
    /// Makes a model of one layer, with four heads and one key-value head, matrices of `dtype`, and
    /// every optional tensor.
    pub fn small(dtype: DType) -> Self {
        let mut metadata = Metadata::new();
        metadata.insert("general.architecture", "llama");
        metadata.insert("general.name", "Small");
        for (key, value) in [
            ("embedding_length", WIDTH as u32),
            ("block_count", 1),
            ("feed_forward_length", WIDTH as u32),
            ("context_length", TRAINED_CONTEXT),
            ("attention.head_count", 4),
            ("attention.head_count_kv", 1),
        ] {
            metadata.insert(format!("llama.{key}"), value);
        }
        metadata.insert("llama.attention.layer_norm_rms_epsilon", 1e-5_f32);
        metadata.insert("tokenizer.ggml.model", "gpt2");
        let names = (0..=255).map(|byte| visible(byte).to_string());
        let names = names.chain(["<|im_start|>", "<|im_end|>"].map(str::to_owned));
        metadata.insert("tokenizer.ggml.tokens", names.collect::<StringArray>());
        metadata.insert(
            "tokenizer.ggml.token_type",
            [vec![1_i32; 256], vec![3; 2]].concat(),
        );
        metadata.insert("tokenizer.ggml.merges", StringArray::default());
        let mut random = Random::new(1);
        let mut tensor =
            |name: &str, dtype, dims: &[u64]| Tensor::random(name, dtype, dims, &mut random);
        let tensors = vec![
            tensor("rope_freqs.weight", DType::F32, &[32]),
            tensor("output_norm.weight", DType::F32, &[WIDTH]),
            tensor("blk.0.attn_norm.weight", DType::F32, &[WIDTH]),
            tensor("blk.0.attn_q.weight", dtype, &[WIDTH, WIDTH]),
            tensor("blk.0.attn_k.weight", dtype, &[WIDTH, 64]),
            tensor("blk.0.attn_v.weight", dtype, &[WIDTH, 64]),
            tensor("blk.0.attn_output.weight", dtype, &[WIDTH, WIDTH]),
            tensor("blk.0.ffn_norm.weight", DType::F32, &[WIDTH]),
            tensor("blk.0.ffn_gate.weight", dtype, &[WIDTH, WIDTH]),
            tensor("blk.0.ffn_up.weight", dtype, &[WIDTH, WIDTH]),
            tensor("blk.0.ffn_down.weight", dtype, &[WIDTH, WIDTH]),
            tensor("output.weight", dtype, &[WIDTH, VOCAB]),
            tensor("token_embd.weight", dtype, &[WIDTH, VOCAB]),
        ];
        Self { metadata, tensors }
    }

    /// Takes a file apart.
    pub fn read(file: &[u8]) -> Self {
        let gguf = GgufReader::new().push(file).unwrap().unwrap();
        let tensors = gguf.tensors.iter().map(|tensor| Tensor {
            name: tensor.name.clone(),
            dtype: tensor.dtype,
            dims: tensor.dims.clone(),
            data: file[tensor.offset as usize..][..tensor.size_bytes as usize].to_owned(),
        });
        Self {
            tensors: tensors.collect(),
            metadata: gguf.metadata.clone(),
        }
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.metadata.insert(key, value);
        self
    }

    pub fn without(mut self, tensor: &str) -> Self {
        self.tensors.retain(|t| t.name != tensor);
        self
    }

    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors
            .iter_mut()
            .find(|t| t.name == name)
            .expect("a tensor of that name")
    }

    /// Returns the files that llama.cpp's gguf-split would make of the model, with these numbers of
    /// tensors.
    pub fn split(&self, counts: &[usize]) -> Vec<Vec<u8>> {
        let mut tensors = self.tensors.iter();
        let mut files = Vec::new();
        for (i, &n) in counts.iter().enumerate() {
            let metadata = match i {
                0 => self.metadata.clone(),
                _ => Metadata::new(),
            };
            let file = Self {
                metadata,
                tensors: tensors.by_ref().take(n).cloned().collect(),
            }
            .with("split.no", i as u16)
            .with("split.count", counts.len() as u16)
            .with("split.tensors.count", self.tensors.len() as i32);
            files.push(file.to_bytes());
        }
        assert!(tensors.next().is_none(), "tensors are left over");
        files
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = GgufWriter::new(self.metadata.clone()).expect("an alignment");
        for tensor in &self.tensors {
            writer
                .tensor(&tensor.name, tensor.dtype, &tensor.dims, &tensor.data[..])
                .expect("a tensor that fits");
        }
        writer.to_bytes()
    }
}

/// Returns the byte at which the header's entry of a tensor has its dims, before its type and its
/// offset.
pub fn dims_at(file: &[u8], tensor: &str) -> usize {
    let name = [&(tensor.len() as u64).to_le_bytes()[..], tensor.as_bytes()].concat();
    let at = file
        .windows(name.len())
        .position(|window| window == name)
        .expect("a tensor of that name");
    at + name.len() + 4
}

pub fn patch(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}
