//! What a shader binds: its uniform's layout, and its buffers by the names that the WGSL gives them.
//!
//! A kernel says both in Rust; `tests/gpu/shaders.rs` compares them with naga's reflection of the
//! text, for every variant of every kernel. Nothing reads WGSL at run time.

/// What a shader does with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<uniform>`
    Uniform,
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// A variable of bind group 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The number in `@binding(number)`.
    pub number: u32,
    /// The variable's name in WGSL.
    pub name: &'static str,
    /// What the shader does with it.
    pub access: Access,
}

impl Binding {
    /// Every kernel's uniform is binding 0 and is called `op`.
    pub const OP: Self = Self {
        number: 0,
        name: "op",
        access: Access::Uniform,
    };

    /// Declares a buffer that the shader only reads.
    pub const fn read(number: u32, name: &'static str) -> Self {
        Self {
            number,
            name,
            access: Access::Read,
        }
    }

    /// Declares a buffer that the shader writes.
    pub const fn read_write(number: u32, name: &'static str) -> Self {
        Self {
            number,
            name,
            access: Access::ReadWrite,
        }
    }

    /// Returns the entry of the bind group's layout.
    pub fn layout(&self) -> wgpu::BindGroupLayoutEntry {
        let ty = match self.access {
            Access::Uniform => wgpu::BufferBindingType::Uniform,
            Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
            Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
        };
        wgpu::BindGroupLayoutEntry {
            binding: self.number,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        }
    }
}

/// A member of a uniform, by its name in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The member's name, the same in both languages.
    pub name: &'static str,
    /// Bytes from the beginning of the struct.
    pub offset: usize,
    /// Bytes that the member takes.
    pub size: usize,
}

/// A uniform struct whose bytes are laid out as its WGSL twin's are.
pub trait Uniform: bytemuck::Pod {
    /// The members in their order.
    const FIELDS: &'static [Field];
}

/// Declares a [`Uniform`]: the struct and the list of its members.
macro_rules! uniform {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[$doc:meta])* pub $field:ident: $ty:ty),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        pub struct $name { $($(#[$doc])* pub $field: $ty),* }

        impl $crate::backend::gpu::shader::Uniform for $name {
            const FIELDS: &'static [$crate::backend::gpu::shader::Field] = &[
                $($crate::backend::gpu::shader::Field {
                    name: stringify!($field),
                    offset: std::mem::offset_of!($name, $field),
                    size: size_of::<$ty>(),
                }),*
            ];
        }
    };
}
pub(crate) use uniform;
