//! `systemd/install.sh`, installing below a folder as packages do.

#![expect(clippy::unwrap_used, reason = "a test that cannot run the script has to fail")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn install(arguments: &[&str], input: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/install.sh");
    let mut command = Command::new(script);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A script that refuses its arguments does not wait for input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_agent_gets_its_settings_and_keeps_the_join_string_secret() {
    let root = tempfile::tempdir().unwrap();
    let root_text = root.path().display().to_string();
    let output = install(&["--root", &root_text, "agent", "/bin/sh", "control.example:4222"], "aa.bb\n");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let etc = root.path().join("etc/bacalhau");
    let settings = fs::read_to_string(etc.join("agent.yaml")).unwrap();
    assert!(settings.contains("- control.example:4222\n"), "{settings}");
    assert_eq!(fs::read_to_string(etc.join("agent.env")).unwrap(), "BACALHAU_COMPUTE_AUTH_TOKEN=aa.bb\n");
    assert_eq!(mode(&etc.join("agent.env")), 0o600);
    assert_eq!(mode(&root.path().join("usr/bin/bacalhau-agent")), 0o755);
    assert!(root.path().join("usr/lib/systemd/system/bacalhau-agent.service").is_file());
}

#[test]
fn settings_that_are_there_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let root_text = root.path().display().to_string();
    let settings = root.path().join("etc/bacalhau/config.yaml");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    fs::write(&settings, "mine").unwrap();
    let output = install(&["--root", &root_text, "control-plane", "/bin/sh"], "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(settings).unwrap(), "mine");
    assert!(!root.path().join("etc/bacalhau/agent.env").exists());
}

#[test]
fn wrong_arguments_install_nothing_and_show_the_usage() {
    for arguments in [&[][..], &["agent"], &["server", "/bin/sh"], &["control-plane", "/bin/sh", "host:1"]] {
        let output = install(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("usage: install.sh"));
    }
}

#[test]
fn a_missing_program_is_named() {
    let root = tempfile::tempdir().unwrap();
    let root_text = root.path().display().to_string();
    let output = install(&["--root", &root_text, "agent", "/no/such/program"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such file: /no/such/program"));
}
