//! Block formats are compared, bit for bit, with what the `gguf` Python package computes
//! (tests/fixtures/make_quant.py).

use half::f16;
use serde_json::Value;
use siskin::quant::{DType, set_scale};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn fixture() -> Value {
    serde_json::from_str(include_str!("fixtures/quant.json")).expect("a JSON fixture")
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("hexadecimal text").as_bytes();
    hex.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn floats(hex: &Value) -> Vec<f32> {
    bytes(hex)
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect()
}

#[test]
fn dequantize_equals_gguf() {
    let golden = &fixture()["dequantize"];
    for &dtype in DType::ALL.iter().filter(|dtype| dtype.codebook().is_none()) {
        let (blocks, expected) = (
            bytes(&golden[dtype.name()]["bytes"]),
            floats(&golden[dtype.name()]["values"]),
        );
        let mut values = vec![0.0; expected.len()];
        dtype.dequantize(&blocks, &mut values);
        assert!(expected.len() >= 6, "{} has too few values", dtype.name());
        for (i, (value, expected)) in values.iter().zip(&expected).enumerate() {
            assert_eq!(
                value.to_bits(),
                expected.to_bits(),
                "{} weight {i}: {value} is not {expected}",
                dtype.name()
            );
        }
    }
}

/// Makes the blocks of `tests/fixtures/make_codebooks.py`: for each 16, four of equal bytes and
/// twelve of random ones, with scales that are hard.
fn blocks_of_codebooks(dtype: DType, count: usize) -> Vec<u8> {
    const HARD: [u16; 6] = [0x224c, 0xba00, 0x0001, 0x8208, 0x0000, 0x7bff];
    let mut state = u64::from(dtype.to_ggml());
    let mut next = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    let mut blocks = Vec::new();
    for i in 0..count {
        let mut block: Vec<u8> = match i % 16 {
            turn @ 0..4 => vec![[0, 0xff, 0x80, 0x7f][turn]; dtype.block_bytes()],
            _ => (0..dtype.block_bytes()).map(|_| next()).collect(),
        };
        let scale = f16::from_bits(HARD[i % 6]).to_f32();
        match dtype {
            // Their scales are bytes, of which every one is a number.
            DType::MXFP4 | DType::NVFP4 => {}
            DType::IQ1M => set_scale(dtype, &mut block, 48, scale),
            DType::TQ1_0 | DType::TQ2_0 => {
                set_scale(dtype, &mut block, dtype.block_bytes() - 2, scale);
            }
            _ => set_scale(dtype, &mut block, 0, scale),
        }
        blocks.extend(block);
    }
    blocks
}

/// Hashes the bits of values by FNV-1a, a value at a time.
fn hash(values: &[f32]) -> u64 {
    values.iter().fold(0xcbf2_9ce4_8422_2325, |hash, value| {
        (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn formats_with_a_codebook_equal_ggml() {
    let golden: Value =
        serde_json::from_str(include_str!("fixtures/codebooks.json")).expect("a JSON fixture");
    let with_codebook = DType::ALL.iter().filter(|dtype| dtype.codebook().is_some());
    assert_eq!(
        with_codebook.clone().count(),
        golden.as_object().unwrap().len()
    );
    for &dtype in with_codebook {
        let expected = golden[dtype.name()].as_array().expect("its hashes");
        let blocks = blocks_of_codebooks(dtype, 16 * expected.len());
        let mut values = vec![0.0; 16 * expected.len() * dtype.block_len()];
        dtype.dequantize(&blocks, &mut values);
        let hashes = values.chunks(16 * dtype.block_len()).map(hash);
        for (i, (hash, expected)) in hashes.zip(expected).enumerate() {
            let expected = expected.as_str().unwrap();
            assert_eq!(
                format!("{hash:016x}"),
                expected,
                "{} blocks 16 * {i}",
                dtype.name()
            );
        }
    }
}

#[test]
fn quantize_equals_gguf() {
    let golden = &fixture()["quantize"];
    let values = floats(&golden["values"]);
    let expected = golden["bytes"].as_object().unwrap();
    for &dtype in DType::ALL {
        let mut packed = vec![0xab];
        match expected.get(dtype.name()) {
            Some(expected) => {
                dtype.quantize(&values, &mut packed).unwrap();
                assert_eq!(packed[0], 0xab, "quantize appends");
                let (packed, expected) = (&packed[1..], bytes(expected));
                assert_eq!(
                    dtype.size_bytes(values.len() as u64),
                    Some(packed.len() as u64)
                );
                let blocks = packed
                    .chunks(dtype.block_bytes())
                    .zip(expected.chunks(dtype.block_bytes()));
                for (i, (block, expected)) in blocks.enumerate() {
                    assert_eq!(block, expected, "{} block {i}", dtype.name());
                }
                assert_eq!(packed.len(), expected.len());
            }
            None => {
                assert_eq!(dtype.quantize(&values[..256], &mut packed), None);
                assert_eq!(packed, [0xab]);
            }
        }
    }
    assert_eq!(expected.len(), 8);
}

#[test]
fn quantize_refuses_a_broken_block() {
    assert_eq!(DType::Q8_0.quantize(&[0.0; 33], &mut Vec::new()), None);
}

#[test]
fn sizes_and_numbers() {
    for &dtype in DType::ALL {
        assert_eq!(DType::from_ggml(dtype.to_ggml()), Some(dtype));
        assert_eq!(
            dtype.size_bytes(2 * dtype.block_len() as u64),
            Some(2 * dtype.block_bytes() as u64)
        );
    }
    assert_eq!(DType::from_ggml(4), None, "Q4_2 is long gone");
    assert_eq!(DType::from_ggml(u32::MAX), None);
    assert_eq!(DType::Q4K.size_bytes(255), None);
    assert_eq!(DType::F32.size_bytes(u64::MAX), None);
    assert_eq!(DType::Q8_0.size_bytes(u64::MAX - 31), None);
}

#[test]
fn scales_that_are_not_finite_are_seen() {
    // Holds the offsets in bytes of the f16 scales and minimums in a format's block.
    let scales: [(DType, &[usize]); 21] = [
        (DType::Q4_0, &[0]),
        (DType::Q4_1, &[0, 2]),
        (DType::Q5_0, &[0]),
        (DType::Q5_1, &[0, 2]),
        (DType::Q8_0, &[0]),
        (DType::Q2K, &[80, 82]),
        (DType::Q3K, &[108]),
        (DType::Q4K, &[0, 2]),
        (DType::Q5K, &[0, 2]),
        (DType::Q6K, &[208]),
        (DType::IQ4NL, &[0]),
        (DType::IQ4XS, &[0]),
        (DType::IQ3XXS, &[0]),
        (DType::IQ3S, &[0]),
        (DType::IQ2XXS, &[0]),
        (DType::IQ2XS, &[0]),
        (DType::IQ2S, &[0]),
        (DType::IQ1S, &[0]),
        (DType::TQ1_0, &[52]),
        (DType::TQ2_0, &[64]),
        (DType::Q1_0, &[0]),
    ];
    for (dtype, offsets) in scales {
        for &offset in offsets {
            for broken in [0x7c00_u16, 0xfc00, 0x7e01] {
                // Outside the scales any bits are fine. The second of two blocks is the broken one.
                let mut blocks = vec![0x7b; 2 * dtype.block_bytes()];
                assert!(dtype.scales_are_finite(&blocks), "{}", dtype.name());
                let at = dtype.block_bytes() + offset;
                blocks[at..at + 2].copy_from_slice(&broken.to_le_bytes());
                assert!(
                    !dtype.scales_are_finite(&blocks),
                    "{} {broken:x} at {offset}",
                    dtype.name()
                );
            }
        }
    }
    for broken in [0x7c00_u16, 0xfc00, 0x7e01] {
        let mut block = vec![0x7b; DType::IQ1M.block_bytes()];
        assert!(DType::IQ1M.scales_are_finite(&block));
        set_scale(DType::IQ1M, &mut block, 48, f16::from_bits(broken).to_f32());
        assert!(!DType::IQ1M.scales_are_finite(&block), "{broken:x}");
    }
    // A power of two that no f16 holds.
    assert!(DType::MXFP4.scales_are_finite(&[143; 17]));
    assert!(!DType::MXFP4.scales_are_finite(&[144; 17]));
    for (dtype, broken) in [
        (DType::F32, &[0, 0, 0xc0, 0x7f][..]),
        (DType::F16, &[0, 0x7c]),
        (DType::BF16, &[0x80, 0xff]),
    ] {
        assert!(
            dtype.scales_are_finite(&vec![1; 2 * broken.len()]),
            "{}",
            dtype.name()
        );
        assert!(
            !dtype.scales_are_finite(&[vec![1; broken.len()], broken.to_vec()].concat()),
            "{}",
            dtype.name()
        );
    }
}
