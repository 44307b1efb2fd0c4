//! Holds small models in the formats with a codebook against the same weights as F32.

use super::{
    model_file::{ModelFile, Tensor},
    random::Random,
};
use siskin::{
    backend::{Backend, cpu::Cpu},
    loader::{Loader, Options},
    quant::{DType, F16, Quants, random_weights},
};

/// Makes a small model whose matrices are of `dtype`, and one with the same values as `plain`,
/// which is F32 or Q8_0.
fn models(dtype: DType, plain: DType) -> [ModelFile; 2] {
    let [mut odd, mut twin] = [(); 2].map(|()| ModelFile::small(DType::F32));
    let mut random = Random::new(5);
    for (odd, twin) in odd.tensors.iter_mut().zip(&mut twin.tensors) {
        if odd.dims.len() == 2 {
            let count = odd.dims.iter().product::<u64>() as usize;
            odd.dtype = dtype;
            odd.data = random_weights(dtype, count, 0.1, &mut || (random.bits() >> 32) as u32);
            twin.dtype = plain;
            twin.data = if plain == DType::Q8_0 {
                as_q8_0(dtype, &odd.data, count)
            } else {
                let mut values = vec![0.0; count];
                dtype.dequantize(&odd.data, &mut values);
                values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect()
            };
        }
    }
    [odd, twin]
}

/// Returns the same integers as Q8_0, with scales as the CPU has them: rounded to f16.
fn as_q8_0(dtype: DType, bytes: &[u8], count: usize) -> Vec<u8> {
    let mut quants = vec![Quants::default(); count / 32];
    dtype.quants(bytes, &mut quants);
    let mut blocks = Vec::new();
    for Quants { q, scale, .. } in quants {
        assert_eq!(scale[0], scale[1], "{} has one scale for 32", dtype.name());
        blocks.extend(F16::from_f32(scale[0]).0);
        blocks.extend(q.map(|q| q as u8));
    }
    blocks
}

/// Puts a factor beside each matrix of the first model but its embeddings, and multiplies the
/// second's, which are F32, by it.
fn with_factors([mut odd, mut twin]: [ModelFile; 2]) -> [ModelFile; 2] {
    let mut factor = 0.3_f32;
    for plain in &mut twin.tensors {
        if plain.dims.len() != 2 || plain.name == "token_embd.weight" {
            continue;
        }
        factor += 0.2;
        for value in plain.data.as_chunks_mut().0 {
            *value = (f32::from_le_bytes(*value) * factor).to_le_bytes();
        }
        for (end, number) in [("scale", factor), ("input_scale", 9.0)] {
            let tensor = Tensor {
                name: plain.name.replace("weight", end),
                dtype: DType::F32,
                dims: vec![1],
                data: number.to_le_bytes().to_vec(),
            };
            // In either order: a file may have the factor before what it multiplies.
            match factor > 1.0 {
                true => odd.tensors.insert(0, tensor),
                false => odd.tensors.push(tensor),
            }
        }
    }
    [odd, twin]
}

/// Returns a model of NVFP4 with a factor beside each matrix. Of some the factor comes first.
pub fn nvfp4_with_factors() -> ModelFile {
    let [odd, _] = with_factors(models(DType::NVFP4, DType::F32));
    odd
}

/// Returns the logits of all tokens, which come one by one and then together.
async fn logits<B: Backend>(backend: B, file: &ModelFile) -> Vec<f32> {
    let mut loader = Loader::new(backend, Options::default());
    loader.push(&file.to_bytes()).expect("a model file");
    let mut model = loader.finish().expect("a model").model;
    let (mut all, mut logits) = (Vec::new(), Vec::new());
    for tokens in [&[72][..], &[105], &[256, 0, 257, 33, 34, 35, 36, 37, 38]] {
        model
            .forward_all(tokens, &mut logits)
            .await
            .expect("logits");
        all.extend_from_slice(&logits);
    }
    all
}

/// Asserts that the logits of a small model in this format differ by at most `bar` of the largest
/// one from those of the same weights as `plain` on the CPU.
pub async fn check_format<B: Backend>(backend: B, dtype: DType, plain: DType, bar: f32) {
    check(backend, models(dtype, plain), dtype.name(), bar).await;
}

/// Asserts the same of NVFP4 with a factor beside each matrix.
pub async fn check_factors<B: Backend>(backend: B, bar: f32) {
    let models = with_factors(models(DType::NVFP4, DType::F32));
    check(backend, models, "NVFP4 with factors", bar).await;
}

async fn check<B: Backend>(backend: B, [odd, plain]: [ModelFile; 2], name: &str, bar: f32) {
    let expected = logits(Cpu::default(), &plain).await;
    let got = logits(backend, &odd).await;
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
    let off = got
        .iter()
        .zip(&expected)
        .fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    println!(
        "{name}: logits are off by {:.2e} of the largest",
        off / largest
    );
    assert!(
        largest > 0.1 && off <= bar * largest,
        "{name}: off by {off} of {largest}"
    );
}

/// Lists the formats with a codebook.
pub fn odd_formats() -> impl Iterator<Item = DType> {
    DType::ALL
        .iter()
        .copied()
        .filter(|dtype| dtype.codebook().is_some())
}
