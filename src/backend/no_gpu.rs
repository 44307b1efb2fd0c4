//! The backend that stands in for `gpu` where it is not built: in the threads build, for WebGPU's
//! objects belong to one thread. It has no values, so that nothing of it is compiled.

#[path = "gpu/device/features.rs"]
mod features;

/// The options that the real backend has.
pub mod device {
    pub use super::features::{CacheType, GpuOptions, MatmulStrategy, ShaderFeatures};
}

use super::{
    AttentionInput, Backend, Dims, FeedForward, LmHead, Rows,
    sampling::{SampledToken, TokenSampler},
};
use crate::{Code, Error, Result, quant::DType, tensor::Weight};
use std::{collections::BTreeMap, ops::Range};

/// A graphics card that cannot be had.
#[derive(Debug)]
pub enum Gpu {}

/// As the real backend's, but without values.
#[derive(Clone, Copy, Debug)]
pub enum Built {}

/// How often a shader ran, and for how long in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timing {
    /// The number of times that it was started.
    pub dispatches: u64,
    /// The time that it took on the device.
    pub seconds: f64,
    /// The bytes that it read.
    pub read_bytes: u64,
}

impl Gpu {
    /// Fails.
    ///
    /// # Errors
    /// `gpu_unavailable`
    pub async fn open(_options: device::GpuOptions) -> Result<Self> {
        Err(Error::new(
            Code::GpuUnavailable,
            "The GPU cannot be used: this build of the engine computes on threads.",
        ))
    }

    /// As the real backend's.
    pub fn built(&self) -> Built {
        match *self {}
    }

    /// As the real backend's.
    pub fn beside(&self) -> Self {
        match *self {}
    }

    /// As the real backend's.
    pub fn adapter(&self) -> &str {
        match *self {}
    }

    /// As the real backend's.
    pub fn features(&self) -> Vec<&'static str> {
        match *self {}
    }

    /// As the real backend's.
    pub fn destroy(&self) {
        match *self {}
    }

    /// As the real backend's.
    pub fn resolution_ms(&self) -> f64 {
        match *self {}
    }

    /// As the real backend's.
    pub fn shaders(&self) -> Vec<(String, String)> {
        match *self {}
    }

    /// As the real backend's.
    pub async fn settle(&mut self) -> Result<()> {
        match *self {}
    }

    /// As the real backend's.
    pub async fn timings(&mut self) -> Result<BTreeMap<String, Timing>> {
        match *self {}
    }

    /// As the real backend's.
    pub async fn tune(&self, _dtype: DType, _rows: usize, _cols: usize) -> Result<()> {
        match *self {}
    }
}

impl Backend for Gpu {
    type Buf = ();
    type Cache = ();
    type Step = ();

    fn alloc(&mut self, _dtype: DType, _rows: usize, _cols: usize) -> Result<Weight<()>> {
        match *self {}
    }

    fn write(&mut self, _weight: &mut Weight<()>, _first_row: usize, _bytes: &[u8]) {
        match *self {}
    }

    fn cache(&mut self, _dims: &Dims, _context_tokens: usize) -> Result<()> {
        match *self {}
    }

    fn cache_bytes(&self, _dims: &Dims, _context_tokens: usize) -> usize {
        match *self {}
    }

    fn copy_cache(&mut self, _from: &(), _to: &mut (), _positions: usize) {
        match *self {}
    }

    async fn export(
        &mut self,
        _dims: &Dims,
        _cache: &(),
        _positions: Range<usize>,
    ) -> Result<Vec<u16>> {
        match *self {}
    }

    fn import(&mut self, _dims: &Dims, _cache: &mut (), _first: usize, _kv: &[u16]) {
        match *self {}
    }

    fn step(&mut self, _dims: &Dims, _max_tokens: usize) -> Result<()> {
        match *self {}
    }

    fn embed(&mut self, _step: &mut (), _table: &Weight<()>, _tokens: &[u32], _position: usize) {
        match *self {}
    }

    fn attention_input(
        &mut self,
        _step: &mut (),
        _cache: &mut (),
        _layer: usize,
        _w: &AttentionInput<()>,
    ) {
        match *self {}
    }

    fn attend(&mut self, _step: &mut (), _cache: &(), _layer: usize) {
        match *self {}
    }

    fn project_add(&mut self, _step: &mut (), _w: &Weight<()>, _bias: Option<&Weight<()>>) {
        match *self {}
    }

    fn feed_forward(&mut self, _step: &mut (), _w: &FeedForward<()>) {
        match *self {}
    }

    fn lm_head(&mut self, _step: &mut (), _w: &LmHead<()>, _rows: Rows) {
        match *self {}
    }

    async fn read(&mut self, _step: &mut (), _logits: &mut Vec<f32>) -> Result<()> {
        match *self {}
    }

    fn begin_sampling(&mut self, _step: &mut (), _sampler: &impl TokenSampler) {
        match *self {}
    }

    async fn read_sampled(&mut self, _step: &mut ()) -> Result<SampledToken> {
        match *self {}
    }
}
