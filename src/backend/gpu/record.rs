//! Recording: dispatches are made once, and recorded again and again.
//!
//! The buffers of a dispatch never change, so that its bind group is made when it is first
//! recorded, and found again by everything that it binds. What differs from step to step lies in
//! one small uniform ([`StepParams`]), which is written before each submit.

use super::{
    activations::{Activations, Commands},
    context::Gpu,
    kernels::{Kernel, StepParams, attention::splits, variant},
    recording::{Dispatch, Grid, Reads, RecordingKey, Width},
    shader::Variant,
};
use wgpu::Buffer;

impl Gpu {
    /// Makes a dispatch of a kernel, whose variables get the buffers of their names.
    ///
    /// # Panics
    /// In debug builds, where a variable has no buffer or a buffer no variable.
    pub(super) fn dispatch<K: Kernel>(
        &mut self,
        kernel: K,
        op: K::Op,
        buffers: &[(&str, &Buffer)],
    ) -> Dispatch {
        let grid =
            move |params: &StepParams| kernel.is_needed(params).then(|| kernel.grid(&op, params));
        self.bind(
            variant(&kernel),
            bytemuck::bytes_of(&op),
            buffers,
            Box::new(grid),
        )
    }

    /// Binds the uniform's bytes and the buffers. This is no part of [`Self::dispatch`], which is
    /// compiled for each kernel.
    fn bind(
        &mut self,
        variant: Variant,
        op: &[u8],
        buffers: &[(&str, &Buffer)],
        grid: Grid,
    ) -> Dispatch {
        let params_layout = &self.params_layout;
        let pipeline = self
            .pipelines
            .borrow_mut()
            .get(&self.device, params_layout, variant);
        let uniform = self.upload("op", op);
        let bindings = &pipeline.variant.bindings;
        debug_assert_eq!(
            bindings.len(),
            1 + buffers.len(),
            "{} {buffers:?}",
            pipeline.label
        );
        let buffer = |name: &str| match name {
            "op" => Some(&uniform),
            _ => buffers
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, buffer)| *buffer),
        };
        let mut entries = Vec::new();
        for binding in bindings {
            let buffer = buffer(binding.name);
            debug_assert!(buffer.is_some(), "{}: no {}", pipeline.label, binding.name);
            entries.extend(buffer.map(|buffer| wgpu::BindGroupEntry {
                binding: binding.number,
                resource: buffer.as_entire_binding(),
            }));
        }
        self.counters.bind_groups += 1;
        let group = self
            .device
            .device
            .create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(pipeline.variant.shader.name),
                layout: &pipeline.layout,
                entries: &entries,
            });
        let weights = buffers
            .iter()
            .filter(|(name, _)| name.starts_with("weight"));
        Dispatch {
            pipeline,
            group,
            grid,
            reads: Reads {
                weight_bytes: weights.map(|(_, buffer)| buffer.size()).sum(),
                position_bytes: 0,
            },
        }
    }

    /// Records the dispatches of a key, which `make` gives when the key is new. `make` is told
    /// how many tokens go at once.
    pub(super) fn record(
        &mut self,
        step: &mut Activations,
        key: RecordingKey,
        make: impl FnOnce(&mut Self, &Activations, Width) -> Vec<Dispatch>,
    ) {
        if !self.recordings.contains_key(&key) {
            let dispatches = make(self, step, key.width);
            self.recordings.insert(key, dispatches);
        }
        let Some(mut commands) = step.commands.take() else {
            return;
        };
        for dispatch in self.recordings.get(&key).into_iter().flatten() {
            let Some([x, y, z]) = (dispatch.grid)(&step.params) else {
                continue;
            };
            if let Some(profile) = &mut self.profile {
                let bytes = dispatch.reads.bytes(&step.params);
                let label = &dispatch.pipeline.label;
                commands = profile.next(commands, &self.params_group, label, bytes);
            }
            commands.pass.set_pipeline(&dispatch.pipeline.pipeline);
            commands.pass.set_bind_group(1, &dispatch.group, &[]);
            commands.pass.dispatch_workgroups(x, y, z);
            self.counters.dispatches += 1;
        }
        step.commands = Some(commands);
    }

    /// Begins a step at `position`, whose tokens stand in `token_ids` from `token_at` on.
    pub(super) fn begin_step(
        &mut self,
        step: &mut Activations,
        tokens: usize,
        position: usize,
        token_at: u32,
    ) {
        let (span, splits) = splits(position + tokens);
        step.params = StepParams {
            tokens: tokens as u32,
            position: position as u32,
            token_at,
            row: tokens as u32 - 1,
            span: span as u32,
            splits: splits as u32,
            ..StepParams::default()
        };
        step.rows = None;
        self.begin_commands(step);
    }

    /// Begins commands, in which a step is recorded, or what is left of it after a submission.
    pub(super) fn begin_commands(&mut self, step: &mut Activations) {
        let descriptor = wgpu::CommandEncoderDescriptor {
            label: Some("step"),
        };
        let encoder = self.device.device.create_command_encoder(&descriptor);
        self.begin_pass(step, encoder);
    }

    /// Begins a pass, in which recording goes on.
    pub(super) fn begin_pass(&mut self, step: &mut Activations, mut encoder: wgpu::CommandEncoder) {
        let descriptor = wgpu::ComputePassDescriptor::default();
        let mut pass = encoder.begin_compute_pass(&descriptor).forget_lifetime();
        pass.set_bind_group(0, &self.params_group, &[]);
        self.counters.passes += 1;
        step.commands = Some(Commands { pass, encoder });
    }

    /// Ends the pass, and lets `after` add copies before the commands are submitted.
    pub(super) fn submit_with(
        &mut self,
        step: &mut Activations,
        after: impl FnOnce(&mut wgpu::CommandEncoder),
    ) -> wgpu::SubmissionIndex {
        let params = bytemuck::bytes_of(&step.params);
        self.device
            .queue
            .write_buffer(&self.params_buffer, 0, params);
        self.counters.submits += 1;
        let mut times = None;
        let commands = step.commands.take().map(|Commands { pass, mut encoder }| {
            drop(pass);
            let profile = self.profile.as_mut();
            times = profile.and_then(|profile| profile.resolve(&self.device, &mut encoder));
            after(&mut encoder);
            encoder.finish()
        });
        let submission = self.device.queue.submit(commands);
        if let (Some(profile), Some(times)) = (&mut self.profile, times) {
            profile.submitted(&self.device, submission.clone(), times);
        }
        submission
    }
}
