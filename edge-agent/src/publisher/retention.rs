//! Which archives a device keeps. Decides, does nothing. Age plays no part: the device's idea of the date may be wrong
//! by decades; only the order of the files counts.

use std::path::PathBuf;
use std::time::SystemTime;

/// How much a device keeps for callers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all archives together.
    pub bytes: u64,
    /// Archives.
    pub count: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 512 * 1024 * 1024, count: 10_000 }
    }
}

/// An archive on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) written: SystemTime,
}

/// The archives to remove: the oldest, until the rest fits. The newest stays in any case, since it has just been
/// promised to somebody.
pub(super) fn surplus(mut kept: Vec<Kept>, limits: Limits) -> Vec<PathBuf> {
    kept.sort_by(|a, b| b.written.cmp(&a.written).then_with(|| a.path.cmp(&b.path)));
    let mut total = 0u64;
    let fitting = kept.iter().take(limits.count).take_while(|archive| {
        total = total.saturating_add(archive.bytes);
        total <= limits.bytes
    });
    let fitting = fitting.count().max(1);
    kept.into_iter().skip(fitting).map(|archive| archive.path).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn kept(name: &str, bytes: u64, at: u64) -> Kept {
        Kept { path: name.into(), bytes, written: SystemTime::UNIX_EPOCH + Duration::from_secs(at) }
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_never() {
        let limits = Limits { bytes: 100, count: 3 };
        let all = vec![kept("old", 1, 1), kept("big", 90, 2), kept("mid", 40, 3), kept("new", 20, 4)];
        assert_eq!(surplus(all, limits), [PathBuf::from("big"), PathBuf::from("old")]);
        assert!(surplus(vec![kept("huge", 500, 1)], limits).is_empty());
        let many = (0..5).map(|n| kept(&n.to_string(), 1, n)).collect();
        assert_eq!(surplus(many, limits), [PathBuf::from("1"), PathBuf::from("0")]);
    }
}
