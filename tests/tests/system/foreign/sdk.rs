//! Bacalhau's SDK for Python.

use std::fs;
use std::path::Path;

use super::{prepare, run};
use crate::harness::{Cluster, guests};

#[tokio::test]
async fn the_python_sdk_submits_reads_and_stops() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let (hello, endless) = (cluster.path("hello.wasm"), cluster.path("endless.wasm"));
    fs::write(&hello, guests::assemble(&guests::hello("hello from python"))).unwrap();
    fs::write(&endless, guests::assemble(&guests::sleeps("waiting"))).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/foreign/sdk.py");
    let mut python = prepare(&cluster, "python/bin/python");
    let (code, stdout, stderr) = run(python.arg(script).arg(&hello).arg(&endless)).await;
    assert_eq!((code, stdout.as_str()), (0, "everything worked\n"), "{stderr}");
}
