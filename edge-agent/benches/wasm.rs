//! How long a trivial WASM task takes on a warm node: from the call to `start` until the guest runs, and until it has
//! ended; and what it costs to load its module from disk and to compile it.
//!
//! `cargo bench -p bacalhau-agent --bench wasm`

use std::path::Path;
use std::time::{Duration, Instant};

use bacalhau_agent::executor::wasm::{LocalCompiler, Settings, WasmExecutor, host_profile};
use bacalhau_agent::executor::{Access, Executor, Kept, Mount, TaskRun};

const ROUNDS: usize = 2000;

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let module = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
        .expect("a module");
    std::fs::write(dir.path().join("main.wasm"), module).expect("a module file");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let task = task(dir.path());

    let compiled = time(&runtime, &executor(dir.path()), &task).1;
    println!("first run, compiling   {compiled:>10.1?}");
    let mapped = time(&runtime, &executor(dir.path()), &task).1;
    println!("first run, from disk   {mapped:>10.1?}");
    let executor = executor(dir.path());
    let (mut starts, mut ends): (Vec<_>, Vec<_>) =
        (0..ROUNDS).map(|_| time(&runtime, &executor, &task)).unzip();
    report("start, cached", &mut starts);
    report("start to end, cached", &mut ends);
}

fn executor(dir: &Path) -> WasmExecutor {
    WasmExecutor::new(Settings {
        profile: host_profile().expect("a machine that runs WASM"),
        artifact_dir: dir.join("artifacts"),
        artifact_cache_bytes: 1 << 30,
        module_cache_bytes: 1 << 30,
        compiler: LocalCompiler::InProcess,
        central: None,
    })
}

fn task(dir: &Path) -> TaskRun {
    let guest = "/wasm/main.wasm".to_owned();
    let module = Mount { host: dir.join("main.wasm").into(), guest, alias: None, access: Access::ReadOnly };
    TaskRun {
        execution_id: "e-bench".to_owned(),
        job_id: "j-bench".to_owned(),
        network: Default::default(),
        ports: Vec::new(),
        limits: Default::default(),
        notes: Default::default(),
        params: r#"{"EntryModule": "/wasm/main.wasm"}"#.to_owned(),
        environment: [].into(),
        inputs: vec![module],
        outputs: Vec::new(),
        memory_limit_bytes: None,
        results_dir: dir.to_owned(),
        scratch_dir: dir.join("scratch"),
        kept: Kept::First(1 << 20),
    }
}

fn time(runtime: &tokio::runtime::Runtime, executor: &WasmExecutor, task: &TaskRun) -> (Duration, Duration) {
    runtime.block_on(async {
        let begin = now();
        let mut running = executor.start(task.clone()).await.expect("a start");
        let started = begin.elapsed();
        running.wait().await;
        (started, begin.elapsed())
    })
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!("{what:<22} p50 {:>8.1?}  p99 {:>8.1?}", at(50), at(99));
}

#[expect(clippy::disallowed_methods, reason = "a bench measures")]
fn now() -> Instant {
    Instant::now()
}
