//! Compiled shaders. A pipeline's key is exactly what made its text.

use super::{Binding, Defines, Shader, preprocess::resolve};
use crate::backend::gpu::device::{Device, ShaderFeatures};
use std::{collections::HashMap, rc::Rc};

/// A shader and what specializes it: everything that its pipeline is made of, on one device.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The file.
    pub shader: Shader,
    /// What the text is specialized by, but for the device's features.
    pub defines: Defines,
    /// The variables of bind group 1; the first one is [`Binding::OP`].
    pub bindings: Vec<Binding>,
}

impl Variant {
    /// Returns what profiles call it: the file, and what it is specialized by.
    pub fn label(&self) -> String {
        format!("{}{}", self.shader.name, self.defines)
    }

    /// Returns the shader's text on a device with these features.
    ///
    /// # Errors
    /// What is wrong with the text, see [`resolve`].
    pub fn source(&self, features: ShaderFeatures) -> Result<String, String> {
        resolve(self.shader, &self.defines_on(features))
    }

    /// Returns all that the text is specialized by on a device with these features.
    fn defines_on(&self, features: ShaderFeatures) -> Defines {
        self.defines
            .clone()
            .flag("SUBGROUPS", features.subgroups)
            .flag("PACKED", features.packed)
            .flag("ENABLE", features.enable)
    }
}

/// A compiled shader.
#[derive(Debug)]
pub struct Pipeline {
    /// What is dispatched.
    pub pipeline: wgpu::ComputePipeline,
    /// The layout of bind group 1.
    pub layout: wgpu::BindGroupLayout,
    /// What profiles call it.
    pub label: String,
    /// What it was compiled from.
    pub variant: Variant,
}

/// Every pipeline that was compiled so far.
#[derive(Debug, Default)]
pub struct Pipelines {
    compiled: HashMap<(&'static str, Defines), Rc<Pipeline>>,
}

impl Pipelines {
    /// Returns the pipeline, compiled if it is new. `params_layout` is that of bind group 0.
    ///
    /// # Panics
    /// Where the shader's text is broken: a test resolves every variant.
    pub fn get(
        &mut self,
        device: &Device,
        params_layout: &wgpu::BindGroupLayout,
        variant: Variant,
    ) -> Rc<Pipeline> {
        let defines = variant.defines_on(device.features.get());
        let key = (variant.shader.name, defines);
        let compile = || Rc::new(compile(device, params_layout, variant));
        Rc::clone(self.compiled.entry(key).or_insert_with(compile))
    }

    /// Returns label and text of every shader that was asked for so far.
    pub fn sources(&self, features: ShaderFeatures) -> Vec<(String, String)> {
        let source = |pipeline: &Pipeline| pipeline.variant.source(features).unwrap_or_default();
        self.compiled
            .values()
            .map(|pipeline| (pipeline.label.clone(), source(pipeline)))
            .collect()
    }
}

fn compile(device: &Device, params_layout: &wgpu::BindGroupLayout, variant: Variant) -> Pipeline {
    #[expect(clippy::panic, reason = "no input can change the shaders")]
    let mut source = variant
        .source(device.features.get())
        .unwrap_or_else(|what| panic!("{what}"));
    for (from, to) in device.options.miscompiled {
        source = source.replace(from, to);
    }
    let label = Some(variant.shader.name);
    let wgpu = &device.device;
    let module = wgpu.create_shader_module(wgpu::ShaderModuleDescriptor {
        label,
        source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
    });
    let entries: Vec<_> = variant.bindings.iter().map(Binding::layout).collect();
    let layout = wgpu.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label,
        entries: &entries,
    });
    let pipeline_layout = wgpu.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(params_layout), Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = wgpu.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        // Every shader writes workgroup memory before it reads there.
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    });
    Pipeline {
        pipeline,
        layout,
        label: variant.label(),
        variant,
    }
}
