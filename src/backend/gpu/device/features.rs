//! What a device is asked for, and what shaders may use on it.

use crate::{Code, Error, Result};

/// What may be asked of [`super::Device::open`]. The default takes all that the adapter has.
#[derive(Clone, Copy, Debug)]
pub struct GpuOptions {
    /// What shaders may use where the adapter has it.
    pub features: ShaderFeatures,
    /// How matrices are multiplied. None: as measured.
    pub strategy: Option<MatmulStrategy>,
    /// How many steps to have in flight, whatever was measured. None: as measured.
    pub steps_in_flight: Option<usize>,
    /// Whether to keep to the limits that every WebGPU device has.
    pub default_limits: bool,
    /// Splits weights that are larger than this, where the device would take them whole.
    pub max_part_bytes: Option<u64>,
    /// Whether to measure how long each shader takes, where the device can.
    pub profile: bool,
    /// How keys and values are kept.
    pub cache_type: CacheType,
    /// Replaces pieces of every shader's text by others, as a driver that miscompiles them would.
    pub miscompiled: &'static [(&'static str, &'static str)],
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self {
            features: ShaderFeatures::ALL,
            strategy: None,
            steps_in_flight: None,
            default_limits: false,
            max_part_bytes: None,
            profile: false,
            cache_type: CacheType::F16,
            miscompiled: &[],
        }
    }
}

/// How keys and values are kept: the names of llama.cpp's `--cache-type-k`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheType {
    /// Two bytes an element.
    #[default]
    F16,
    /// A byte an element and an f32 scale every 32 elements: 9/16 of the memory.
    Q8_0,
}

impl CacheType {
    /// Every type.
    pub const ALL: [Self; 2] = [Self::F16, Self::Q8_0];

    /// Finds the type of this name.
    ///
    /// # Errors
    /// `invalid_argument`
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "f16" => Ok(Self::F16),
            "q8_0" => Ok(Self::Q8_0),
            _ => Err(Error::new(
                Code::InvalidArgument,
                "cache_type must be \"f16\" or \"q8_0\".",
            )),
        }
    }

    /// Returns the bytes that `len` elements take; `len` is a multiple of [`Self::block_len`].
    pub fn size_bytes(self, len: usize) -> usize {
        match self {
            // On wasm as many bytes may be beyond a usize, and so beyond every device.
            Self::F16 => len.saturating_mul(2),
            Self::Q8_0 => len / 32 * 36,
        }
    }

    /// Returns what the elements of an attention head must be a multiple of: shaders read a vec4
    /// of words at once, or a block of bytes with its scale.
    pub fn block_len(self) -> usize {
        match self {
            Self::F16 => 8,
            Self::Q8_0 => 32,
        }
    }
}

/// WebGPU's name of the feature.
const SUBGROUPS: &str = "subgroups";
/// WebGPU's name of the feature.
const F16: &str = "shader-f16";
/// WGSL's name of the language feature.
const PACKED: &str = "packed_4x8_integer_dot_product";

/// What shaders may use, found at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShaderFeatures {
    /// `subgroupAdd` and its like.
    pub subgroups: bool,
    /// 16-bit floating point arithmetic.
    pub f16: bool,
    /// The packed 8-bit functions of WGSL, `dot4I8Packed` and `unpack4xI8`.
    pub packed: bool,
    /// Whether a shader that uses subgroups must say so, as in browsers.
    pub enable: bool,
}

impl ShaderFeatures {
    /// Everything that shaders can use.
    pub const ALL: Self = Self {
        subgroups: true,
        f16: true,
        packed: true,
        enable: cfg!(target_arch = "wasm32"),
    };
    /// What every WebGPU device has.
    pub const NONE: Self = Self {
        subgroups: false,
        f16: false,
        packed: false,
        ..Self::ALL
    };

    /// Returns the sets to try in turn where a kernel is wrong: this one, then all of it but one
    /// feature, and in the end what every device has.
    pub fn tiers(self) -> Vec<Self> {
        let (mut f16, mut packed, mut subgroups) = (self, self, self);
        (f16.f16, packed.packed, subgroups.subgroups) = (false, false, false);
        let least = Self {
            enable: self.enable,
            ..Self::NONE
        };
        let mut tiers = Vec::new();
        for tier in [self, f16, packed, subgroups, least] {
            if !tiers.contains(&tier) {
                tiers.push(tier);
            }
        }
        tiers
    }

    /// Returns the features of these names, those that [`ShaderFeatures::names`] returns. Other
    /// names count for nothing: a list may come from another version.
    pub fn named(names: &[String]) -> Self {
        let has = |feature: &str| names.iter().any(|name| name == feature);
        Self {
            subgroups: has(SUBGROUPS),
            f16: has(F16),
            packed: has(PACKED),
            ..Self::ALL
        }
    }

    /// Returns the features by the names that WebGPU and WGSL give them.
    pub fn names(self) -> Vec<&'static str> {
        let named = [
            (self.subgroups, SUBGROUPS),
            (self.f16, F16),
            (self.packed, PACKED),
        ];
        named
            .into_iter()
            .filter_map(|(has, name)| has.then_some(name))
            .collect()
    }
}

/// How a matrix is multiplied by one token (`shaders/matmul/matvec.wgsl`), and by many
/// (`shaders/matmul/tile.wgsl`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MatmulStrategy {
    /// Multiplies by one token in integers: activations become two planes of bytes, where the
    /// weights have bytes too.
    pub int8_dot: bool,
    /// Multiplies by many tokens in tiles of f16: weights and activations are rounded to it in
    /// workgroup memory.
    pub f16_tiles: bool,
}
