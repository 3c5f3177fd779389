//! Programs of others, unmodified, against a control plane: what worked with Bacalhau works here.

mod command_line;
mod document;
mod sdk;

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use tokio::process::Command;

use crate::harness::Cluster;

/// Longest run of a foreign program.
const LIMIT: Duration = Duration::from_secs(180);

/// A program below `.tools/`.
fn tool(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.tools").join(name);
    assert!(path.is_file(), "{} is not there; run `cargo xtask setup` to install it", path.display());
    path
}

/// A foreign program that finds the control plane and a home of its own through its environment.
fn prepare(cluster: &Cluster, program: &str) -> Command {
    let home = cluster.path("home");
    std::fs::create_dir_all(home.join("bacalhau")).unwrap();
    let mut command = Command::new(tool(program));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", &home).env("BACALHAU_DIR", home.join("bacalhau")).current_dir(home);
    let (host, port) = cluster.api();
    command.env("BACALHAU_API_HOST", host).env("BACALHAU_API_PORT", port).kill_on_drop(true);
    command
}

async fn run(command: &mut Command) -> (i32, String, String) {
    let ended = tokio::time::timeout(LIMIT, command.output()).await;
    let Output { status, stdout, stderr } =
        ended.unwrap_or_else(|_| panic!("{command:?} does not end")).unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (status.code().expect("it was not killed"), text(&stdout), text(&stderr))
}
