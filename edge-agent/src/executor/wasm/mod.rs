//! Runs WebAssembly: core modules with WASI preview 1.
//!
//! A guest gets a thread of its own, so a busy one never holds up the agent, and is stopped by dropping it: at the next
//! WASI call that waits, or at the next epoch when it computes. Epochs advance only while something is being stopped;
//! an idle or undisturbed engine wakes nobody. Types of the engine stay inside this module.

mod artifact;
mod binary;
#[cfg(feature = "compiler")]
mod compile;
mod compile_child;
mod engine;
mod error;
mod guest;
mod host;
mod limits;
mod module_cache;
mod mounts;
mod resolve;
mod run;
mod sleep;
#[cfg(test)]
#[cfg(feature = "compiler")]
mod tests;
mod threads;
#[cfg(feature = "compiler")]
mod validate;

use std::path::PathBuf;
use std::sync::Arc;

use bacalhau_protocol::engine_profile::{ArtifactEnvelope, ContentHash, EngineProfile};
use bacalhau_protocol::model::Task;
use futures_util::future::BoxFuture;

use super::{Availability, Executor, RunningTask, StartError, TaskRun};
use engine::LazyEngine;
use module_cache::ModuleCache;
use threads::Threads;

#[cfg(feature = "compiler")]
pub use compile::{CompileError, compile};
#[cfg(feature = "compiler")]
pub use compile_child::compile_child;
pub use compile_child::{ChildCompiler, ChildError, CompileLimits};
pub use engine::host_profile;
pub use error::Error;
#[cfg(feature = "compiler")]
pub use validate::{Found, problems};

/// The name of this engine in jobs.
pub const KIND: &str = "wasm";

/// Room for compiled modules on disk unless the node says otherwise, bytes.
pub const DEFAULT_ARTIFACT_CACHE_BYTES: u64 = 256 << 20;
/// Compiled modules kept mapped for the next start unless the node says otherwise, bytes of machine code.
pub const DEFAULT_MODULE_CACHE_BYTES: u64 = 16 << 20;

/// How this node runs WASM.
pub struct Settings {
    /// What artifacts must be compiled for; usually [`host_profile`].
    pub profile: EngineProfile,
    /// Directory for compiled modules; created when needed, only this agent writes there.
    pub artifact_dir: PathBuf,
    /// Most bytes kept in it.
    pub artifact_cache_bytes: u64,
    /// Most bytes of compiled modules kept mapped while nothing uses them.
    pub module_cache_bytes: u64,
    /// The compiler of this node.
    pub compiler: LocalCompiler,
    /// Who compiles when the node cannot.
    pub central: Option<CentralCompiler>,
}

/// The compiler on the node itself.
#[derive(Debug, Clone)]
pub enum LocalCompiler {
    /// There is none.
    None,
    /// In this process; for tools and tests, since a hostile module costs the agent its memory.
    #[cfg(feature = "compiler")]
    InProcess,
    /// In a short-lived process with limits.
    Child(ChildCompiler),
}

/// The control plane's compiler, as the agent sees it.
#[derive(Clone)]
pub struct CentralCompiler {
    /// Ed25519 public key that signs artifacts, once a control plane has told it.
    pub public_key: ArtifactKey,
    /// How an artifact is fetched.
    pub source: Arc<dyn ArtifactSource>,
}

/// Tells the key that signs artifacts, as far as it is known now.
pub type ArtifactKey = Arc<dyn Fn() -> Option<[u8; 32]> + Send + Sync>;

/// Fetches compiled modules; the agent's link implements it.
pub trait ArtifactSource: Send + Sync {
    /// The artifact of `module` for `profile`, compiled on demand; `wasm` is the module, for a control plane that does
    /// not have it. What comes back is verified by the caller.
    fn fetch<'a>(
        &'a self,
        module: ContentHash,
        wasm: &'a [u8],
        profile: &'a EngineProfile,
    ) -> BoxFuture<'a, Result<SignedArtifact, Box<dyn std::error::Error + Send + Sync>>>;
}

/// An artifact as it came over the link, not yet verified.
#[derive(Debug, Clone)]
pub struct SignedArtifact {
    /// What it claims to be.
    pub envelope: ArtifactEnvelope,
    /// Machine code.
    pub bytes: Vec<u8>,
}

/// The WASM engine. Costs nothing until the first task: the engine itself is built then.
pub struct WasmExecutor {
    shared: Arc<Shared>,
    can_compile: bool,
}

pub(crate) struct Shared {
    engine: LazyEngine,
    modules: ModuleCache,
    threads: Threads,
}

impl WasmExecutor {
    /// Takes the settings; touches neither disk nor processor.
    pub fn new(settings: Settings) -> Self {
        let can_compile = !matches!(settings.compiler, LocalCompiler::None) || settings.central.is_some();
        let engine = LazyEngine::new(settings.profile.clone());
        let (modules, threads) = (ModuleCache::new(settings), Threads::default());
        Self { shared: Arc::new(Shared { engine, modules, threads }), can_compile }
    }
}

impl Executor for WasmExecutor {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn availability(&self) -> BoxFuture<'_, Availability> {
        let answer = if self.can_compile {
            Availability::Ready
        } else {
            let profile = self.shared.engine.profile().id();
            Availability::Unavailable(format!("nobody compiles modules for {profile}"))
        };
        Box::pin(std::future::ready(answer))
    }

    fn check<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Result<(), String>> {
        let network = task.network.network_type;
        let answer = match network.is_networked() {
            true => {
                Err(format!("support network type {} with wasm: modules have no network", network.as_str()))
            }
            false => Ok(()),
        };
        Box::pin(std::future::ready(answer))
    }

    fn start(&self, run: TaskRun) -> BoxFuture<'_, Result<RunningTask, StartError>> {
        Box::pin(run::start(Arc::clone(&self.shared), run))
    }

    fn clean_up<'a>(&'a self, _execution_id: &'a str) -> BoxFuture<'a, ()> {
        // Guests live and die with this process and leave nothing outside the execution's directories.
        Box::pin(std::future::ready(()))
    }
}
