//! The only place of this crate that reads a clock.

use std::time::SystemTime;

use bacalhau_protocol::time::Timestamp;

/// The control plane's time, which is the fleet's.
#[expect(clippy::disallowed_methods, reason = "this is the shell's one clock")]
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}

/// The system's clock moved back, for comparing with the times of files.
#[expect(clippy::disallowed_methods, reason = "files carry the system's time")]
pub(crate) fn ago(duration: std::time::Duration) -> SystemTime {
    SystemTime::now().checked_sub(duration).unwrap_or(SystemTime::UNIX_EPOCH)
}
