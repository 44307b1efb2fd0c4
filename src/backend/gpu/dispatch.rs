//! Dispatches: made once, recorded again and again.

use super::{
    Gpu, Part, Step,
    pipeline::{Key, Pipeline},
};
use std::rc::Rc;

/// A dispatch whose buffers never change. Its tokens are the grid's third axis.
pub struct Op {
    pub pipeline: Rc<Pipeline>,
    pub group: wgpu::BindGroup,
    pub grid: [u32; 2],
    /// Along which axis the step's tokens lie; none for an operation on one token alone.
    pub tokens_axis: Option<usize>,
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
    pub(super) fn op(&mut self, key: Key, words: &Words, buffers: &[&wgpu::Buffer], grid: [u32; 2], tokens_axis: Option<usize>) -> Op {
        let pipeline = self.pipelines.borrow_mut().get(&self.device, &self.step_layout, key);
        let uniform = self.upload(pipeline.name, words.as_bytes());
        // Bindings are numbered in the order of the buffers, and a shader that takes fewer leaves numbers out.
        let entries: Vec<_> = std::iter::once(&uniform)
            .chain(buffers.iter().copied())
            .zip(&pipeline.bindings)
            .map(|(buffer, &binding)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        self.counters.bind_groups += 1;
        let group = self.device.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(pipeline.name),
            layout: &pipeline.layout,
            entries: &entries,
        });
        Op { pipeline, group, grid, tokens_axis }
    }

    /// Records the operations of this name and number, which `make` gives when they are new.
    pub(super) fn record(&mut self, step: &mut Step, name: &'static str, id: u32, make: impl FnOnce(&mut Self, &Step) -> Vec<Op>) {
        if !self.ops.contains_key(&(name, id)) {
            let ops = make(self, step);
            self.ops.insert((name, id), ops);
        }
        let (Some(ops), Some(recording)) = (self.ops.get(&(name, id)), &mut step.recording) else { return };
        for op in ops {
            let mut grid = [op.grid[0], op.grid[1], 1];
            if let Some(axis) = op.tokens_axis {
                grid[axis] = step.now.tokens;
            }
            if op.pipeline.name == "attend" {
                grid[1] = step.now.splits;
            }
            recording.pass.set_pipeline(&op.pipeline.pipeline);
            recording.pass.set_bind_group(1, &op.group, &[]);
            recording.pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
            self.counters.dispatches += 1;
        }
    }
}
