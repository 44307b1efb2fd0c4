//! The probe of a graphics card that cannot be had, where the GPU is not built.

use crate::{Result, backend::gpu::Gpu, loader::Loader};

/// Does nothing: there is no such loader.
pub(crate) async fn probe(_loader: &Loader<Gpu>, _threads: usize) -> Result<()> {
    Ok(())
}
