//! The program itself: a devstack that runs a job, and that leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot start its programs has to fail")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bacalhau");

struct Devstack {
    child: Child,
    home: tempfile::TempDir,
    exports: Vec<(String, String)>,
}

impl Devstack {
    /// Starts one and reads what it prints until it is ready.
    fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = program(home.path())
            .args(["devstack", "--computes", "2", "--random-ports"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap());
        let exports: Vec<(String, String)> = printed
            .lines()
            .map(Result::unwrap)
            .filter_map(|line| {
                let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })
            .take(2)
            .collect();
        assert_eq!(exports.len(), 2, "the devstack ended before it was ready");
        Self { child, home, exports }
    }

    fn client(&self, arguments: &[&str]) -> Output {
        program(self.home.path()).args(arguments).envs(self.exports.clone()).output().unwrap()
    }

    fn say(&self, arguments: &[&str]) -> String {
        let output = self.client(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Ends it as Ctrl-C does: whether it ended well, and what it left.
    fn interrupt(mut self) -> (bool, tempfile::TempDir) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        let ended = self.child.wait().unwrap();
        (sent.success() && ended.success(), std::mem::replace(&mut self.home, tempfile::tempdir().unwrap()))
    }
}

impl Drop for Devstack {
    fn drop(&mut self) {
        // It has ended already where a test got to its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with nothing of this machine's settings; its temporary files are in `home`.
fn program(home: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", home).env("TMPDIR", home).current_dir(home);
    command
}

fn write_module(home: &Path) -> PathBuf {
    // (module (func (export "_start"))): nothing to do, and done.
    const MODULE: &[u8] = &[
        0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 10, 1, 6, 95, 115, 116, 97, 114, 116,
        0, 0, 10, 4, 1, 2, 0, 11,
    ];
    let path = home.join("nothing.wasm");
    std::fs::write(&path, MODULE).unwrap();
    path
}

#[test]
fn a_devstack_runs_jobs_and_leaves_nothing_behind() {
    let devstack = Devstack::start();
    let module = write_module(devstack.home.path());
    let id = devstack.say(&["wasm", "run", module.to_str().unwrap(), "--id-only"]);
    let described = devstack.say(&["job", "describe", id.trim()]);
    assert!(described.contains("StateType: Completed"), "{described}");
    let nodes = devstack.say(&["node", "list", "--output", "csv", "--hide-header"]);
    assert_eq!(nodes.lines().count(), 2, "{nodes}");

    let (ended_well, home) = devstack.interrupt();
    assert!(ended_well);
    let left: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["nothing.wasm"]);
}

#[test]
fn a_server_that_is_not_there_is_named_with_advice() {
    let home = tempfile::tempdir().unwrap();
    for command in
        [&["job", "list"][..], &["job", "logs", "x"], &["job", "get", "x"], &["node", "approve", "x"]]
    {
        let output = program(home.path()).args(command).args(["--api-port", "1"]).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{told}");
        assert!(told.contains("not reachable at http://127.0.0.1:1"), "{command:?}: {told}");
        assert!(told.contains("Hint:  start a server"), "{command:?}: {told}");
    }
}
