//! Which build this is.

use bacalhau_protocol::api::BuildVersionInfo;
use bacalhau_protocol::model::BuildInfo;

/// Version of this program with a leading `v`, as the API shows versions.
pub const GIT_VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// This build as the API describes builds.
pub fn build() -> BuildVersionInfo {
    let build = BuildInfo {
        version: GIT_VERSION.to_owned(),
        os: std::env::consts::OS.to_owned(),
        arch: go_architecture(std::env::consts::ARCH).to_owned(),
        ..BuildInfo::default()
    };
    BuildVersionInfo::from(&build)
}

/// Go's word for an architecture.
fn go_architecture(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}
