//! A control plane with its API, a client, and nodes that do as they are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::api::decode::Defaults;
use bacalhau_protocol::ids::{ExecutionId, NodeId};
use bacalhau_protocol::model::{
    BuildInfo, NodeInfo, NodeUsage, Observation, ObservedState, Resources, RunOutput, SpecConfig,
};
use bacalhau_protocol::time::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::api::{Parts, Server};
use crate::blobs::{Blobs, Limits};
use crate::fleet::authority::Authority;
use crate::fleet::{Artifacts, Config, Fleet};
use crate::orchestrator::{Guest, Observed, Orchestrator};
use crate::scheduler::Settings;
use crate::store::MemoryStore;

pub(super) const JOBS: &str = "/api/v1/orchestrator/jobs";
pub(super) const NODES: &str = "/api/v1/orchestrator/nodes";

/// Everything behind one address.
pub(super) struct World {
    pub(super) orchestrator: Orchestrator,
    pub(super) blobs: Blobs,
    server: Server,
    _fleet: Fleet,
    directory: TempDir,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl World {
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::default());
        let orchestrator =
            Orchestrator::start(store, Settings::default(), Duration::from_secs(3600), Timestamp(1))
                .await
                .unwrap();
        let limits = Limits { quota_bytes: 1 << 30, blob_bytes: 1 << 20 };
        let blobs = Blobs::open(&directory.path().join("blobs"), limits).unwrap();
        let authority = Authority::open(&directory.path().join("secrets"), None).unwrap();
        let listen = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            manual_approval: false,
            connected: directory.path().join("connected"),
        };
        let fleet =
            Fleet::start(listen, orchestrator.clone(), authority, blobs.clone(), Artifacts::new(None))
                .await
                .unwrap();
        let parts = Parts {
            node_id: "hub".to_owned(),
            installation_id: Some("installation-of-hub".to_owned()),
            instance_id: "instance-of-hub".to_owned(),
            defaults: Defaults::default(),
            config: Arc::new(json!({"NameProvider": "hostname"})),
            orchestrator: orchestrator.clone(),
            blobs: blobs.clone(),
            relay: fleet.relay(),
        };
        let server = Server::start("127.0.0.1:0".parse().unwrap(), None, parts).await.unwrap();
        Self { orchestrator, blobs, server, _fleet: fleet, directory }
    }

    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.server.address()
    }

    /// Makes a blob as old as can be, for the next sweep.
    pub(super) fn age(&self, blob: &str) {
        let path = self.directory.path().join("blobs/sha256").join(&blob[..2]).join(blob);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }

    /// A node that is let in, with these labels.
    pub(super) async fn join(&self, id: &str, labels: &[(&str, &str)], manual_approval: bool) -> NodeId {
        let capacity = Resources { cpu_millis: 4000, memory_bytes: 8_000_000_000, ..Resources::default() };
        let info = NodeInfo {
            node_id: NodeId::parse(id).unwrap(),
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            engines: vec!["noop".to_owned()],
            engines_unavailable: BTreeMap::new(),
            publishers: vec!["local".to_owned()],
            sources: vec!["inline".to_owned()],
            accepts_networked: false,
            capacity: capacity.clone(),
            max_job: capacity.clone(),
            build: BuildInfo::default(),
            engine_profile: String::new(),
        };
        let guest = Guest { info: &info, key: &format!("key-of-{id}"), has_secret: true, manual_approval };
        let greeted = self.orchestrator.greet(&guest).unwrap();
        if let Some(commit) = greeted.commit {
            commit.durable().await.unwrap();
        }
        let usage = NodeUsage { available: capacity, ..NodeUsage::default() };
        self.orchestrator.node_connected(&info.node_id, usage);
        info.node_id
    }

    /// A node says how an execution stands.
    pub(super) async fn observe(&self, node: &NodeId, sequence: u64, observation: Observation) {
        match self.orchestrator.observe(node, sequence, observation).unwrap() {
            Observed::Commit(commit) => commit.durable().await.unwrap(),
            Observed::Unwanted(_) => panic!("the execution is not known"),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Reply {
        self.send("PUT", path, &[], Some(body)).await
    }

    /// Submits a job that must be taken, and gives its id.
    pub(super) async fn submit(&self, job: Value) -> String {
        let reply = self.put(JOBS, json!({"Job": job})).await;
        reply.ok()["JobID"].as_str().unwrap().to_owned()
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Reply {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address());
        if !body.is_empty() {
            request
                .push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        self.exchange(format!("{request}\r\n{body}").as_bytes()).await
    }

    /// Sends bytes as they are.
    pub(super) async fn exchange(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Reply::parse(&bytes)
    }
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an HTTP head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    /// The JSON of an answer, whatever its status.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The JSON of an answer that must be a success.
    pub(super) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Status, code and message of a refusal.
    pub(super) fn refusal(&self) -> (u16, String, String) {
        let body = self.json();
        assert_eq!(body["Status"], self.status);
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        (self.status, text("Code"), text("Message"))
    }
}

/// A job that does nothing.
pub(super) fn job(name: &str, job_type: &str) -> Value {
    json!({"Name": name, "Type": job_type, "Tasks": [{
        "Name": "main", "Engine": {"Type": "noop"}, "Publisher": {"Type": "local"}
    }]})
}

/// The only execution of a job.
pub(super) async fn only_execution(world: &World, job: &str) -> Value {
    let list = world.get(&format!("{JOBS}/{job}/executions")).await.ok();
    let items = list["Items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{list}");
    items[0].clone()
}

/// What a node reports of an execution that has ended well.
pub(super) fn completed(execution: &str, published: Option<SpecConfig>, stdout: &str) -> Observation {
    Observation {
        execution_id: ExecutionId::parse(execution).unwrap(),
        generation: 1,
        state: ObservedState::Completed,
        message: String::new(),
        events: Vec::new(),
        output: Some(RunOutput { stdout: stdout.to_owned(), ..RunOutput::default() }),
        published,
    }
}
