//! Weights as textures. Where a processor plays the card, drivers make a loop over lanes of each load from a buffer, and none of a texel.

use super::device::Device;

/// Four words.
pub const TEXEL: wgpu::TextureFormat = wgpu::TextureFormat::Rgba32Uint;
const TEXEL_BYTES: usize = 16;
/// `TEXELS` of `shaders/shared/planes.wgsl`: as many as a row has.
const TEXELS: usize = 2048;
pub const ROW_BYTES: usize = TEXELS * TEXEL_BYTES;

pub struct Texture {
    texture: wgpu::Texture,
    pub view: wgpu::TextureView,
    pub size_bytes: usize,
}

impl Texture {
    /// Room for so many bytes.
    pub fn new(device: &Device, label: &str, size_bytes: usize) -> Self {
        let rows = size_bytes.div_ceil(ROW_BYTES).max(1);
        let texture = device.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: size(TEXELS, rows),
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: TEXEL,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Self { texture, view, size_bytes: rows * ROW_BYTES }
    }

    /// Whole texels, from byte `at` on: the rest of a row, whole rows, the beginning of one.
    pub fn write(&self, queue: &wgpu::Queue, at: usize, bytes: &[u8]) {
        let (mut at, mut rest) = (at / TEXEL_BYTES, bytes);
        while !rest.is_empty() {
            let (row, column, texels) = (at / TEXELS, at % TEXELS, rest.len() / TEXEL_BYTES);
            let [width, height] =
                if column == 0 && texels >= TEXELS { [TEXELS, texels / TEXELS] } else { [texels.min(TEXELS - column), 1] };
            let (piece, after) = rest.split_at(width * height * TEXEL_BYTES);
            queue.write_texture(
                wgpu::TexelCopyTextureInfo {
                    texture: &self.texture,
                    mip_level: 0,
                    origin: wgpu::Origin3d { x: column as u32, y: row as u32, z: 0 },
                    aspect: wgpu::TextureAspect::All,
                },
                piece,
                wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some((width * TEXEL_BYTES) as u32), rows_per_image: None },
                size(width, height),
            );
            at += width * height;
            rest = after;
        }
    }
}

fn size(width: usize, height: usize) -> wgpu::Extent3d {
    wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 }
}
