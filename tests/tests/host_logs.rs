//! The committed module of `examples/host-logs` in the agent's own engine, with the limits of its job.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its node has to fail")]

use std::fs;
use std::path::{Path, PathBuf};

use bacalhau_agent::executor::wasm::{LocalCompiler, Settings, WasmExecutor, host_profile};
use bacalhau_agent::executor::{Access, Executor as _, Kept, Mount, Outcome, TaskRun};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A device with a log folder.
struct Device {
    folder: TempDir,
}

struct Answer {
    outcome: Outcome,
    stdout: String,
    stderr: String,
}

impl Device {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["logs", "results", "scratch"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn log(&self, name: &str, content: &[u8]) {
        let path = self.path("logs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, parameters: &[&str]) -> Answer {
        let executor = WasmExecutor::new(Settings {
            profile: host_profile().unwrap(),
            artifact_dir: self.path("artifacts"),
            artifact_cache_bytes: 1 << 30,
            module_cache_bytes: 1 << 30,
            compiler: LocalCompiler::InProcess,
            central: None,
        });
        let outcome = executor.start(self.task(parameters)).await.unwrap().wait().await;
        let read = |name: &str| fs::read_to_string(self.path("results").join(name)).unwrap_or_default();
        Answer { outcome, stdout: read("stdout"), stderr: read("stderr") }
    }

    fn task(&self, parameters: &[&str]) -> TaskRun {
        let mount = |host: PathBuf, guest: &str| Mount {
            host: host.into(),
            guest: guest.to_owned(),
            alias: None,
            access: Access::ReadOnly,
        };
        TaskRun {
            execution_id: "e-1".to_owned(),
            job_id: "j-1".to_owned(),
            network: Default::default(),
            ports: Vec::new(),
            limits: Default::default(),
            notes: Default::default(),
            params: json!({"EntryModule": "/wasm/entry.wasm", "Parameters": parameters}).to_string(),
            environment: [].into(),
            inputs: vec![mount(module(), "/wasm/entry.wasm"), mount(self.path("logs"), "/logs")],
            outputs: Vec::new(),
            memory_limit_bytes: Some(64_000_000),
            results_dir: self.path("results"),
            scratch_dir: self.path("scratch"),
            kept: Kept::First(1 << 20),
        }
    }
}

fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/host-logs/host-logs.wasm")
}

#[tokio::test]
async fn the_guest_reads_mounted_logs_and_answers_in_json() {
    let device = Device::new();
    device.log("syslog", b"Nov 21 10:49:01 h sshd[1]: Failed password for root from 10.0.0.1 port 4711\n");
    device.log("app/web.log", b"2026-11-21 08:00:00 ERROR query took 1.5s\n2026-11-21 08:00:01 INFO ok\n");
    device.log("journal", b"LPKSHHRH\0\0\0");
    std::os::unix::fs::symlink("/etc", device.path("logs").join("outside")).unwrap();

    let answer = device.run(&["--top", "5", "/logs"]).await;
    assert_eq!(answer.outcome, Outcome::Exited(0), "{}", answer.stderr);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(report["files"]["read"], 2);
    assert_eq!(report["files"]["skipped"], json!({"binary": 1, "link": 1}));
    assert_eq!(report["lines"], 3);
    assert_eq!(report["levels"][0], json!({"level": "error", "lines": 2}));
    assert_eq!(report["slowest"][0]["unit"], "app/web");
}

#[tokio::test]
async fn a_hundred_thousand_different_lines_fit_into_the_memory_of_the_job() {
    let device = Device::new();
    let words = |n: u32| char::from(b'a' + u8::try_from(n % 26).unwrap());
    let line =
        |n: u32| format!("{}{}{}{} happened\n", words(n), words(n / 26), words(n / 676), words(n / 17_576));
    device.log("many.log", (0..100_000).map(line).collect::<String>().as_bytes());

    let answer = device.run(&["/logs"]).await;
    assert_eq!(answer.outcome, Outcome::Exited(0), "{}", answer.stderr);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((&report["lines"], &report["counts_are_exact"]), (&json!(100_000), &json!(false)));
}

#[tokio::test]
async fn mistakes_end_with_their_own_exit_codes() {
    let device = Device::new();
    let unknown = device.run(&["--fast"]).await;
    assert_eq!(unknown.outcome, Outcome::Exited(2));
    assert!(unknown.stderr.contains("unknown option `--fast`"), "{}", unknown.stderr);
    let missing = device.run(&["/nowhere"]).await;
    assert_eq!(missing.outcome, Outcome::Exited(1));
    assert!(missing.stderr.contains("cannot read /nowhere"), "{}", missing.stderr);
}
