//! A format is a row of a table: its block type's sizes and functions, without the block type.

use super::block::{Block, Quantize, QuantizedBlock, Quants};
use super::codebook::{CodebookBlock, Integers};

type QuantizeFn = fn(&[f32], &mut Vec<u8>) -> Option<()>;

type QuantsFn = fn(&[u8], &mut [Quants]);

type IntegersFn = fn(&[u8], &mut dyn FnMut(f32, [i8; 16]));

/// Holds a format as a table row: its block type's sizes and functions, without the block type.
pub(super) struct Format {
    pub(super) ggml_type: u32,
    pub(super) name: &'static str,
    pub(super) block_len: usize,
    pub(super) block_bytes: usize,
    pub(super) dequantize: fn(&[u8], &mut [f32]),
    pub(super) quants: Option<QuantsFn>,
    pub(super) scales_are_finite: fn(&[u8]) -> bool,
    pub(super) quantize: Option<QuantizeFn>,
    pub(super) codebook: Option<[i8; 16]>,
    pub(super) integers: Option<IntegersFn>,
}

impl Format {
    pub(super) const fn of<B: Block<LEN>, const LEN: usize>(
        ggml_type: u32,
        name: &'static str,
    ) -> Self {
        Self {
            ggml_type,
            name,
            block_len: LEN,
            block_bytes: size_of::<B>(),
            dequantize: dequantize::<B, LEN>,
            scales_are_finite: scales_are_finite::<B, LEN>,
            quants: None,
            quantize: None,
            codebook: None,
            integers: None,
        }
    }

    pub(super) const fn of_codebook<B: CodebookBlock>(ggml_type: u32, name: &'static str) -> Self {
        Self {
            integers: Some(integers::<B>),
            ..Self::of::<B, 256>(ggml_type, name)
                .with_quants::<B, 8>()
                .with_codebook(B::CODEBOOK)
        }
    }

    pub(super) const fn with_codebook(self, codebook: [i8; 16]) -> Self {
        Self {
            codebook: Some(codebook),
            ..self
        }
    }

    pub(super) const fn with_quants<B: QuantizedBlock<GROUPS>, const GROUPS: usize>(self) -> Self {
        Self {
            quants: Some(quants::<B, GROUPS>),
            ..self
        }
    }

    pub(super) const fn with_quantize<B: Quantize<LEN>, const LEN: usize>(self) -> Self {
        Self {
            quantize: Some(quantize::<B, LEN>),
            ..self
        }
    }
}

fn dequantize<B: Block<LEN>, const LEN: usize>(bytes: &[u8], out: &mut [f32]) {
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    assert_eq!(
        blocks.len() * LEN,
        out.len(),
        "as many weights as the blocks hold"
    );
    for (block, out) in blocks.iter().zip(out.as_chunks_mut().0) {
        block.dequantize(out);
    }
}

fn quants<B: QuantizedBlock<GROUPS>, const GROUPS: usize>(bytes: &[u8], out: &mut [Quants]) {
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    assert_eq!(
        blocks.len() * GROUPS,
        out.len(),
        "as many weights as the blocks hold"
    );
    for (block, out) in blocks.iter().zip(out.as_chunks_mut().0) {
        block.quants(out);
    }
}

fn integers<B: CodebookBlock>(bytes: &[u8], each: &mut dyn FnMut(f32, [i8; 16])) {
    let mut integers = Integers::ZERO;
    for block in bytemuck::cast_slice::<u8, B>(bytes) {
        block.integers(&mut integers);
        each(block.scale(), integers.steps);
    }
}

fn scales_are_finite<B: Block<LEN>, const LEN: usize>(bytes: &[u8]) -> bool {
    bytemuck::cast_slice::<u8, B>(bytes)
        .iter()
        .all(B::scales_are_finite)
}

fn quantize<B: Quantize<LEN>, const LEN: usize>(values: &[f32], out: &mut Vec<u8>) -> Option<()> {
    let (chunks, rest) = values.as_chunks();
    if !rest.is_empty() {
        return None;
    }
    out.reserve(chunks.len() * size_of::<B>());
    for chunk in chunks {
        out.extend_from_slice(bytemuck::bytes_of(&B::quantize(chunk)));
    }
    Some(())
}
