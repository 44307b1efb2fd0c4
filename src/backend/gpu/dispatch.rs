//! Dispatches: made once, recorded again and again.

use super::{
    Gpu, Part, Step,
    kernels::splits,
    pipeline::{Key, Pipeline},
    step::{Now, Recording},
};
use std::rc::Rc;

/// So many tokens, or fewer, go one by one, and more in tiles.
const FEW: usize = 7;

/// A dispatch whose buffers never change.
pub struct Op {
    pub pipeline: Rc<Pipeline>,
    pub group: wgpu::BindGroup,
    pub grid: [u32; 2],
    /// None for an operation on one token alone.
    pub tokens: Option<Tokens>,
    /// Whether the workgroups along y are the splits of the context.
    pub by_splits: bool,
}

/// How the grid grows with the step's tokens: along `axis`, so that workgroups of `tile` rows take the `rows` of every token.
#[derive(Clone, Copy)]
pub struct Tokens {
    pub axis: usize,
    pub rows: usize,
    pub tile: usize,
}

impl Tokens {
    /// A workgroup, or several, for each.
    pub fn each(axis: usize) -> Option<Self> {
        Some(Self {
            axis,
            rows: 1,
            tile: 1,
        })
    }
}

/// The uniform of an operation, word by word as its `struct Op` has them.
#[derive(Default)]
pub struct Words(Vec<u32>);

impl Words {
    pub fn push(&mut self, word: usize) -> &mut Self {
        self.0.push(word as u32);
        self
    }

    pub fn float(&mut self, value: f32) -> &mut Self {
        self.0.push(value.to_bits());
        self
    }

    pub fn planes(&mut self, part: &Part, blocks: usize) -> &mut Self {
        let [_, high, scales, supers] = part.planes.at.map(|at| at / 4);
        self.push(blocks).push(high).push(scales).push(supers)
    }

    pub fn as_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

impl Gpu {
    pub(super) fn op(
        &mut self,
        key: Key,
        words: &Words,
        buffers: &[&wgpu::Buffer],
        grid: [u32; 2],
        tokens: Option<Tokens>,
    ) -> Op {
        let pipeline = self
            .pipelines
            .borrow_mut()
            .get(&self.device, &self.step_layout, key);
        let uniform = self.upload(pipeline.name, words.as_bytes());
        // Bindings are numbered in the order of the buffers, and a shader that takes fewer leaves numbers out.
        let entries: Vec<_> = std::iter::once(&uniform)
            .chain(buffers.iter().copied())
            .zip(&pipeline.bindings)
            .map(|(buffer, &binding)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        self.counters.bind_groups += 1;
        let group = self
            .device
            .device
            .create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(pipeline.name),
                layout: &pipeline.layout,
                entries: &entries,
            });
        Op {
            pipeline,
            group,
            grid,
            tokens,
            by_splits: false,
        }
    }

    /// Records the operations of this name and number, which `make` gives when they are new: for many tokens, or for few.
    pub(super) fn record(
        &mut self,
        step: &mut Step,
        name: &'static str,
        id: u32,
        make: impl FnOnce(&mut Self, &Step, bool) -> Vec<Op>,
    ) {
        let many = step.now.tokens as usize > FEW;
        if !self.ops.contains_key(&(name, id, many)) {
            let ops = make(self, step, many);
            self.ops.insert((name, id, many), ops);
        }
        let Some(mut recording) = step.recording.take() else {
            return;
        };
        for op in self.ops.get(&(name, id, many)).into_iter().flatten() {
            let mut grid = [op.grid[0], op.grid[1], 1];
            if let Some(Tokens { axis, rows, tile }) = op.tokens {
                grid[axis] = (step.now.tokens * rows as u32).div_ceil(tile as u32);
            }
            if op.by_splits {
                grid[1] = step.now.splits;
            }
            if let Some(profile) = &mut self.profile {
                recording = profile.next(recording, &self.step_group, &op.pipeline.label);
            }
            recording.pass.set_pipeline(&op.pipeline.pipeline);
            recording.pass.set_bind_group(1, &op.group, &[]);
            recording
                .pass
                .dispatch_workgroups(grid[0], grid[1], grid[2]);
            self.counters.dispatches += 1;
        }
        step.recording = Some(recording);
    }

    fn begin(&mut self, step: &mut Step) {
        let encoder = self
            .device
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor {
                label: Some("step"),
            });
        self.begin_pass(step, encoder);
    }

    pub(super) fn begin_pass(&mut self, step: &mut Step, mut encoder: wgpu::CommandEncoder) {
        let mut pass = encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor::default())
            .forget_lifetime();
        pass.set_bind_group(0, &self.step_group, &[]);
        self.counters.passes += 1;
        step.recording = Some(Recording { pass, encoder });
    }

    /// Ends the pass, and lets `after` add copies before the commands go off.
    pub(super) fn submit_with(
        &mut self,
        step: &mut Step,
        after: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> wgpu::SubmissionIndex {
        self.device
            .queue
            .write_buffer(&self.step_uniform, 0, bytemuck::bytes_of(&step.now));
        self.counters.submits += 1;
        let mut times = None;
        let commands = step
            .recording
            .take()
            .map(|Recording { pass, mut encoder }| {
                drop(pass);
                times = self
                    .profile
                    .as_mut()
                    .and_then(|profile| profile.resolve(&self.device, &mut encoder));
                after(&mut encoder);
                encoder.finish()
            });
        let submission = self.device.queue.submit(commands);
        if let (Some(profile), Some(times)) = (&mut self.profile, times) {
            profile.submitted(&self.device, submission.clone(), times);
        }
        submission
    }

    /// Begins a step at `position`, whose tokens stand in `token_ids` from `token_at` on.
    pub(super) fn begin_at(
        &mut self,
        step: &mut Step,
        tokens: usize,
        position: usize,
        token_at: u32,
    ) {
        let (span, splits) = splits(position + tokens);
        step.now = Now {
            tokens: tokens as u32,
            position: position as u32,
            token_at,
            row: tokens as u32 - 1,
            span: span as u32,
            splits: splits as u32,
            ..Now::default()
        };
        step.rows = None;
        self.begin(step);
    }
}
