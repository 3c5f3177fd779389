//! What may still be written to a disk.

use std::io;
use std::path::Path;

/// What stays free on the disk, bytes, whatever tasks write and fetch: the agent's own records come later.
const LEAST_FREE_BYTES: u64 = 64 << 20;
/// On a small disk it is one part in so many.
const LEAST_FREE_PART: u64 = 20;

/// Bytes that tasks may still put below `path`, which is there. Blocks on the disk.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Ok(beyond_reserve(bytes(disk.f_bavail), bytes(disk.f_blocks)))
}

fn beyond_reserve(free: u64, size: u64) -> u64 {
    free.saturating_sub(LEAST_FREE_BYTES.min(size / LEAST_FREE_PART))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_without_room_has_none() {
        assert_eq!(free(Path::new("/proc")).unwrap(), 0);
        assert!(free(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn a_little_stays_free_and_on_small_disks_less() {
        assert_eq!(beyond_reserve(10 << 30, 100 << 30), (10 << 30) - LEAST_FREE_BYTES);
        assert_eq!(beyond_reserve(LEAST_FREE_BYTES - 1, 100 << 30), 0);
        assert_eq!(beyond_reserve(10 << 20, 20 << 20), 9 << 20);
    }
}
