//! Which limits the engine knows how to keep.

use std::sync::atomic::{AtomicBool, Ordering};

use bollard::models::ContainerCreateBody;

/// Learned from the engine's refusals: what its storage cannot do is not asked for again.
#[derive(Default)]
pub(super) struct Limits {
    no_disk: AtomicBool,
}

impl Limits {
    /// Leaves out what the engine is known not to do.
    pub(super) fn apply(&self, body: &mut ContainerCreateBody) {
        if self.no_disk.load(Ordering::Relaxed)
            && let Some(host) = &mut body.host_config
        {
            host.storage_opt = None;
        }
    }

    /// Whether a refusal was about a limit, which is not asked for from now on.
    pub(super) fn learn(&self, said: &str) -> bool {
        let about_disk = said.contains("storage-opt") || said.contains("storage option");
        if about_disk && !self.no_disk.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                said,
                "this docker engine cannot limit the disk of a container; tasks run without"
            );
            return true;
        }
        false
    }
}
