//! What may still be written to a disk.

use std::io;
use std::path::Path;

/// What stays free on the disk, bytes, whatever tasks write and fetch: the agent's own records come later.
pub(crate) const LEAST_FREE_BYTES: u64 = 64 << 20;

/// Bytes that tasks may still put below `path`, which is there. Blocks on the disk.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(LEAST_FREE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_has_none() {
        assert_eq!(free(Path::new("/proc")).unwrap(), 0);
        assert!(free(Path::new("/nonexistent")).is_err());
    }
}
