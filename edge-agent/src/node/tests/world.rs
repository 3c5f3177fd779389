//! A data directory, the node living in it, and the control plane it talks to.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bacalhau_protocol::ids::{ExecutionId, JobId, NodeId};
use bacalhau_protocol::link::{HubEvent, HubLink};
use bacalhau_protocol::model::{
    BuildInfo, DesiredState, InputSource, JobType, Membership, NodeInfo, Observation, ObservedState,
    Resources, SpecConfig,
};
use bacalhau_protocol::spec::inline;
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::{Hello, Welcome, Wish};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::admission::{self, Admission};
use crate::clock::Clock;
use crate::config::{self, AllowedPath};
use crate::environment::HostVariables;
use crate::execution::fixtures::work;
use crate::executor::wasm::{self, LocalCompiler, WasmExecutor};
use crate::executor::{Executor, Executors};
use crate::journal::{Journal, Recovered};
use crate::link::{Archive, Command, Commands, End, LinkEvent, Outgoing};
use crate::node::{Node, Parts};
use crate::ports::{DEFAULT_RANGE, Ports};
use crate::publisher::{LocalPublisher, Publishers, ResultStore};
use crate::retention::Limits;
use crate::runner::{Directories, Runner};
use crate::storage::{Blobs, InlineStorage, LocalStorage, Storages};

/// What a test's task does.
#[derive(Clone, Copy)]
pub(super) enum Module {
    /// Prints `hello` and ends with a code.
    Exits(i32),
    /// Prints `.` and computes for ever.
    Loops,
    /// Reads the file `secret` below its first directory, and ends with the error code.
    Reads,
}

/// The node and everything around it.
pub(super) struct World {
    pub(super) node: Node,
    pub(super) hub: Hub,
    pub(super) runner: Arc<Runner>,
    pub(super) archives: Arc<LocalPublisher>,
}

/// The control plane's half of the link.
pub(super) struct Hub {
    link: HubLink,
    events: mpsc::Sender<LinkEvent>,
    commands: Option<Commands>,
    heard: VecDeque<HubEvent>,
    /// What it says in its welcome.
    pub(super) sequence_floor: u64,
    /// The fleet's time, as its welcome says it.
    pub(super) now: Timestamp,
    /// Of the last observation.
    pub(super) last_sequence: u64,
    /// Observations are acknowledged as they come.
    pub(super) acknowledges: bool,
}

/// A link that fetches and stores nothing.
struct Offline;

impl Blobs for Offline {
    fn fetch<'a>(&'a self, _: [u8; 32], _: &'a Path) -> BoxFuture<'a, Result<(), crate::storage::Error>> {
        Box::pin(std::future::ready(Err("offline".into())))
    }
}

impl ResultStore for Offline {
    fn is_reachable(&self) -> bool {
        false
    }

    fn store<'a>(
        &'a self,
        _: &'a JobId,
        _: &'a ExecutionId,
        _: &'a Archive,
    ) -> BoxFuture<'a, Result<(), crate::publisher::Error>> {
        Box::pin(std::future::ready(Err("offline".into())))
    }
}

impl World {
    /// A node in `data` with its journal on disk.
    pub(super) fn start(data: &Path) -> Self {
        Self::start_with(data, config::Admission::default(), Vec::new())
    }

    /// As [`start`](Self::start), with a policy and more engines.
    pub(super) fn start_with(
        data: &Path,
        policy: config::Admission,
        engines: Vec<Arc<dyn Executor>>,
    ) -> Self {
        let (journal, recovered) = Journal::open(&data.join("journal")).unwrap();
        Self::with(data, journal, recovered, policy, engines)
    }

    /// A node that keeps its journal in memory.
    pub(super) fn in_memory(data: &Path) -> Self {
        let policy = config::Admission::default();
        Self::with(data, Journal::in_memory(), Recovered::default(), policy, Vec::new())
    }

    fn with(
        data: &Path,
        journal: Journal,
        recovered: Recovered,
        policy: config::Admission,
        mut engines: Vec<Arc<dyn Executor>>,
    ) -> Self {
        let data = data.canonicalize().unwrap();
        engines.push(Arc::new(engine(&data)));
        let executors = Executors::new(engines);
        let allowed = [AllowedPath::parse(&format!("{}/host/**", data.display())).unwrap()];
        let inline = InlineStorage::new(Arc::new(Offline), data.join("cache/blobs"), 0);
        let storages = Storages::new(vec![Arc::new(LocalStorage::new(&allowed)), Arc::new(inline)]);
        let archives = LocalPublisher::open(data.join("results"), Limits::default(), Arc::new(Offline))
            .map(Arc::new)
            .unwrap();
        let publishers = Publishers::new(vec![Arc::<LocalPublisher>::clone(&archives)]);
        let directories = Directories::open(&data.join("executions"), Limits::default()).unwrap();
        let host_variables = HostVariables::new(&[]);
        let admission = Admission {
            probes: admission::Probes::new(&policy, Clock::new(None)),
            policy,
            executors: executors.clone(),
            storages: storages.clone(),
            publishers: publishers.clone(),
            host_variables: host_variables.clone(),
        };
        let ports = Ports::new(DEFAULT_RANGE);
        let runner =
            Arc::new(Runner::new(executors, storages, publishers, host_variables, directories, ports));
        let (events, link) = mpsc::channel(16);
        let node = Node::start(Parts {
            info: info(),
            secret: Some("secret".into()),
            journal,
            clock: Clock::new(recovered.facts.fleet_time),
            recovered,
            admission,
            runner: Arc::clone(&runner),
            link,
            archives: Some(Arc::clone(&archives)),
        });
        let hub = Hub {
            link: HubLink::new(),
            events,
            commands: None,
            heard: VecDeque::new(),
            sequence_floor: 0,
            now: Timestamp(1_800_000_000_000_000_000),
            last_sequence: 0,
            acknowledges: true,
        };
        Self { node, hub, runner, archives }
    }

    /// Connects and lets the node in.
    pub(super) async fn welcome(&mut self) -> Hello {
        let hello = self.hub.connect().await;
        self.hub.link.welcome(Welcome {
            version: 1,
            membership: Membership::Approved,
            now: self.hub.now,
            sequence_floor: self.hub.sequence_floor,
            artifact_key: [7; 32],
        });
        self.hub.send().await;
        hello
    }

    /// Wants an execution.
    pub(super) async fn want(&mut self, wish: Wish) {
        self.hub.link.want(wish);
        self.hub.send().await;
    }
}

impl Hub {
    /// Opens a connection and takes in the node's first message.
    pub(super) async fn connect(&mut self) -> Hello {
        let (outgoing, commands) = Outgoing::new();
        (self.link, self.commands) = (HubLink::new(), Some(commands));
        self.events.send(LinkEvent::Connected(outgoing)).await.unwrap();
        loop {
            if let HubEvent::Hello(hello) = self.hear().await {
                return *hello;
            }
        }
    }

    /// Cuts the connection.
    pub(super) async fn cut(&mut self) {
        self.commands = None;
        self.heard.clear();
        self.events.send(LinkEvent::Disconnected).await.unwrap();
    }

    /// Lets the half of the link say something.
    pub(super) async fn say(&mut self, say: impl FnOnce(&mut HubLink)) {
        say(&mut self.link);
        self.send().await;
    }

    /// Says what is no message.
    pub(super) async fn garble(&mut self) {
        self.events.send(LinkEvent::Bytes(vec![0xff; 64].into())).await.unwrap();
    }

    /// The next observation.
    pub(super) async fn observed(&mut self) -> Observation {
        loop {
            if let HubEvent::Observed { sequence, observation } = self.hear().await {
                self.last_sequence = sequence;
                if self.acknowledges {
                    self.link.acknowledge(sequence);
                    self.send().await;
                }
                return *observation;
            }
        }
    }

    /// The next observation in this state, whatever comes before.
    pub(super) async fn observed_as(&mut self, state: ObservedState) -> Observation {
        self.observed_until(state).await.pop().expect("there is at least the one waited for")
    }

    /// All observations up to the next one in this state.
    pub(super) async fn observed_until(&mut self, state: ObservedState) -> Vec<Observation> {
        let mut observations = Vec::new();
        loop {
            observations.push(self.observed().await);
            let last = &observations[observations.len() - 1];
            if last.state == state {
                return observations;
            }
            assert!(!last.state.is_terminal(), "expected {state:?}, found {last:?}");
        }
    }

    /// How the node ended the conversation.
    pub(super) async fn ended(&mut self) -> End {
        let commands = self.commands.as_mut().expect("there is a connection");
        loop {
            if let Command::End(end) = commands.queue.recv().await.expect("the node says how it ends") {
                return end;
            }
        }
    }

    async fn hear(&mut self) -> HubEvent {
        loop {
            if let Some(event) = self.heard.pop_front() {
                return event;
            }
            let commands = self.commands.as_mut().expect("there is a connection");
            match commands.queue.recv().await.expect("the node is there") {
                Command::Send(bytes) => self.heard.extend(self.link.receive(&bytes).unwrap()),
                Command::Welcomed => {}
                Command::End(end) => panic!("the node ended the conversation: {end:?}"),
            }
        }
    }

    async fn send(&mut self) {
        self.events.send(LinkEvent::Bytes(self.link.transmit())).await.unwrap();
    }
}

/// A wish to run a module.
pub(super) fn wish(name: &str, job_type: JobType, module: Module) -> Wish {
    let mut work = work(job_type);
    work.task.engine.params = r#"{"EntryModule": "main"}"#.into();
    work.task.inputs = vec![InputSource {
        source: inline::source("application/wasm", module.assemble()),
        alias: "main".into(),
        target: "/main.wasm".into(),
    }];
    Wish {
        execution_id: ExecutionId::parse(name).unwrap(),
        generation: 1,
        desired: DesiredState::Running,
        reason: String::new(),
        seen: ObservedState::Unheard,
        work: Some(Box::new(work)),
    }
}

/// The same with results that are kept.
pub(super) fn published(mut wish: Wish) -> Wish {
    if let Some(work) = &mut wish.work {
        work.task.publisher.kind = "local".into();
    }
    wish
}

/// The same with a directory of the node in front of its inputs.
pub(super) fn with_directory(mut wish: Wish, path: &Path) -> Wish {
    if let Some(work) = &mut wish.work {
        let params = format!(r#"{{"SourcePath": "{}"}}"#, path.display());
        let source = SpecConfig { kind: "localDirectory".into(), params };
        work.task.inputs.insert(0, InputSource { source, alias: String::new(), target: "/in".into() });
    }
    wish
}

/// Everything in a data directory as a power cut would leave it now.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn engine(data: &Path) -> WasmExecutor {
    WasmExecutor::new(wasm::Settings {
        profile: wasm::host_profile().expect("tests run on machines with a compiler"),
        artifact_dir: data.join("cache/artifacts"),
        artifact_cache_bytes: wasm::DEFAULT_ARTIFACT_CACHE_BYTES,
        module_cache_bytes: wasm::DEFAULT_MODULE_CACHE_BYTES,
        compiler: LocalCompiler::InProcess,
        central: None,
    })
}

/// A node with room for two small tasks.
fn info() -> NodeInfo {
    let capacity = Resources { cpu_millis: 200, memory_bytes: 1 << 30, ..Resources::default() };
    NodeInfo {
        node_id: NodeId::parse("gateway").unwrap(),
        labels: Default::default(),
        engines: vec!["wasm".into()],
        engines_unavailable: Default::default(),
        publishers: vec!["local".into()],
        sources: vec!["inline".into(), "localDirectory".into()],
        accepts_networked: false,
        max_job: capacity.clone(),
        capacity,
        build: BuildInfo::default(),
        engine_profile: String::new(),
    }
}

impl Module {
    fn assemble(self) -> Vec<u8> {
        let (data, body) = match self {
            Self::Exits(code) => ("hello", format!("(call $print (i32.const 5)) (call $exit (i32.const {code}))")),
            Self::Loops => (".", "(call $print (i32.const 1)) (loop $for_ever (br $for_ever))".to_owned()),
            Self::Reads => (
                "secret",
                "(call $exit (call $open (i32.const 3) (i32.const 1) (i32.const 100) (i32.const 6) (i32.const 0)
                   (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16)))"
                    .to_owned(),
            ),
        };
        let text = format!(
            r#"(module
              (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
              (memory (export "memory") 1)
              (data (i32.const 100) "{data}")
              (func $print (param $length i32)
                (i32.store (i32.const 0) (i32.const 100))
                (i32.store (i32.const 4) (local.get $length))
                (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
              (func (export "_start") {body}))"#
        );
        wat::parse_str(text).unwrap()
    }
}
