//! Compiled shaders. A pipeline's key is exactly what made its source.

use super::{
    Gpu,
    device::{CacheType, Device, ShaderFeatures},
    shader::{Defines, resolve},
};
use std::{collections::HashMap, rc::Rc};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    shader: &'static str,
    defines: Defines,
}

impl Key {
    pub fn new(shader: &'static str) -> Self {
        Self {
            shader,
            defines: Defines::new(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.defines.insert(name, value.to_string());
        self
    }

    pub fn flag(self, name: &'static str) -> Self {
        self.with(name, "")
    }

    /// For shaders that read or write the cache.
    pub fn cached(self, cache_type: CacheType) -> Self {
        match cache_type {
            CacheType::F16 => self,
            CacheType::Q8_0 => self.flag("CACHE8"),
        }
    }

    fn on(mut self, tier: ShaderFeatures) -> Self {
        let flags = [
            ("SUBGROUPS", tier.subgroups),
            ("PACKED", tier.packed),
            ("ENABLE", tier.enable),
        ];
        for (name, _) in flags.into_iter().filter(|(_, holds)| *holds) {
            self = self.flag(name);
        }
        self
    }

    /// For people: the shader, and what it is specialized by but for the tier.
    fn label(&self) -> String {
        let mut label = self.shader.to_owned();
        for (name, value) in &self.defines {
            label += &if value.is_empty() {
                format!(" {name}")
            } else {
                format!(" {name}={value}")
            };
        }
        label
    }

    /// The shader's text on a device of this tier.
    pub fn source(&self, tier: ShaderFeatures) -> Result<String, String> {
        resolve(self.shader, &self.clone().on(tier).defines)
    }
}

pub struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    /// The numbers of the layout's bindings, in the shader's order.
    pub bindings: Vec<u32>,
    /// The shader's file.
    pub name: &'static str,
    /// What profiles call it.
    pub label: String,
}

#[derive(Default)]
pub struct Pipelines {
    made: HashMap<Key, Rc<Pipeline>>,
}

impl Pipelines {
    /// The pipeline, compiled if it is new.
    ///
    /// # Panics
    /// If the shader's text is broken: every permutation is resolved in a test.
    pub fn get(
        &mut self,
        device: &Device,
        step_layout: &wgpu::BindGroupLayout,
        key: Key,
    ) -> Rc<Pipeline> {
        if let Some(pipeline) = self.made.get(&key) {
            return Rc::clone(pipeline);
        }
        #[expect(clippy::panic, reason = "no input can change the shaders")]
        let source = key
            .source(device.tier)
            .unwrap_or_else(|what| panic!("{what}"));
        let module = device
            .device
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(key.shader),
                source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
            });
        let entries = entries(&source);
        let layout = device
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(key.shader),
                entries: &entries,
            });
        let pipeline_layout =
            device
                .device
                .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                    label: Some(key.shader),
                    bind_group_layouts: &[Some(step_layout), Some(&layout)],
                    immediate_size: 0,
                });
        let pipeline = device
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(key.shader),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                // Every shader writes what it reads there.
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: None,
            });
        let pipeline = Rc::new(Pipeline {
            pipeline,
            layout,
            bindings: entries.iter().map(|entry| entry.binding).collect(),
            name: key.shader,
            label: key.label(),
        });
        self.made.insert(key, Rc::clone(&pipeline));
        pipeline
    }
}

impl Gpu {
    /// Name and text of every shader that was asked for so far.
    pub fn shaders(&self) -> Vec<(String, String)> {
        self.pipelines
            .borrow()
            .made
            .keys()
            .map(|key| {
                (
                    key.label(),
                    key.source(self.device.tier).unwrap_or_default(),
                )
            })
            .collect()
    }
}

/// The bindings of group 1, as the shader declares them, one a line: `var<..> name`.
fn entries(source: &str) -> Vec<wgpu::BindGroupLayoutEntry> {
    let bindings = source.lines().filter_map(|line| {
        line.strip_prefix("@group(1) @binding(")?
            .split_once(") var<")
    });
    bindings
        .map(|(binding, rest)| wgpu::BindGroupLayoutEntry {
            binding: binding.parse().unwrap_or_default(),
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match rest {
                    _ if rest.starts_with("uniform>") => wgpu::BufferBindingType::Uniform,
                    _ => wgpu::BufferBindingType::Storage {
                        read_only: rest.starts_with("storage, read>"),
                    },
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect()
}
