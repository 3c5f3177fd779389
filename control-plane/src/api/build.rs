//! Which build this server is.

use bacalhau_protocol::api::BuildVersionInfo;
use bacalhau_protocol::model::BuildInfo;

/// With a leading `v`, as clients expect.
pub(super) const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// This build.
pub(super) fn info() -> BuildVersionInfo {
    BuildVersionInfo::from(&BuildInfo {
        version: VERSION.to_owned(),
        os: std::env::consts::OS.to_owned(),
        arch: architecture().to_owned(),
        ..BuildInfo::default()
    })
}

/// Go's word for the processor.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
