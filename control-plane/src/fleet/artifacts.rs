//! Compiled modules for nodes without a compiler.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::stream::{ReplyCode, Sha256Hash};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::authority::Authority;
use super::serve::code_of;
use crate::blobs::{self, BlobId, Blobs};
use crate::clock;

/// Modules compiled at the same time: each takes a core and up to its memory limit.
const MAX_COMPILING: usize = 1;
/// Outcomes remembered; beyond that the memory starts over, at the price of compiling again.
const MAX_REMEMBERED: usize = 4096;
/// How long a module that the compiler refused is not given to it again: every device of the job asks for it.
const REFUSAL_MEMORY: Duration = Duration::from_secs(600);
/// Longest reason remembered and told, bytes.
const MAX_REASON_BYTES: usize = 4096;

/// Compiles a module for a profile (JSON) in a process of its own. Given by the composition root: this crate knows no
/// WASM runtime.
pub type Compile =
    Arc<dyn Fn(String, Bytes) -> BoxFuture<'static, Result<Compiled, CompileError>> + Send + Sync>;

/// A compiled module.
pub struct Compiled {
    /// What a node loads.
    pub artifact: Bytes,
    /// What is signed with the artifact key, and checked by the node before it loads the artifact.
    pub signed: Vec<u8>,
}

/// Why there is no compiled module.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler does not take it, or needs too much for it, and would again.
    #[error("{0}")]
    Refused(String),
    /// The compiler could not be run.
    #[error("run the compiler process: {0}")]
    Trouble(std::io::Error),
}

/// Compiled modules, by module and profile.
pub struct Artifacts {
    compile: Option<Compile>,
    compiling: Semaphore,
    /// What was compiled already, or refused, in this process. The blobs outlive it; the map is rebuilt by asking.
    known: Mutex<HashMap<Key, Known>>,
}

/// Hashes of module and profile.
type Key = (Sha256Hash, Sha256Hash);
/// The compiled module and its signature.
type Artifact = (BlobId, Vec<u8>);
/// Why there is none, for the program and for people.
type Refusal = (ReplyCode, String);

#[derive(Clone)]
enum Known {
    Compiled(Artifact),
    Refused { message: String, until: Timestamp },
}

impl Artifacts {
    /// With a compiler, or without: then nodes that have none of their own are told so.
    pub fn new(compile: Option<Compile>) -> Self {
        Self { compile, compiling: Semaphore::new(MAX_COMPILING), known: Mutex::default() }
    }

    /// The compiled form of a module and its signature; compiles it when nobody asked before. What is known already
    /// does not wait for what is being compiled.
    pub(super) async fn get(
        &self,
        blobs: &Blobs,
        authority: &Authority,
        module: Sha256Hash,
        profile: String,
    ) -> Result<Artifact, Refusal> {
        let compile = self.compile.as_ref().ok_or_else(no_compiler)?;
        let key = (module, Sha256::digest(&profile).into());
        if let Some(known) = self.known(blobs, &key).await {
            return known;
        }
        let _turn = self.compiling.acquire().await.map_err(|_| (ReplyCode::Failed, "stopping".to_owned()))?;
        // Others may have asked for the same while this one waited.
        if let Some(known) = self.known(blobs, &key).await {
            return known;
        }
        let wasm = blobs.get(BlobId(module)).await.map_err(|error| of_blobs(&error))?;
        match compile(profile, wasm).await {
            Ok(compiled) => {
                let id = blobs.put(compiled.artifact).await.map_err(|error| of_blobs(&error))?;
                let artifact = (id, authority.sign_artifact(&compiled.signed));
                self.remember(key, Known::Compiled(artifact.clone()));
                Ok(artifact)
            }
            Err(CompileError::Refused(mut message)) => {
                message.truncate(message.floor_char_boundary(MAX_REASON_BYTES));
                let until = clock::now().after(REFUSAL_MEMORY);
                self.remember(key, Known::Refused { message: message.clone(), until });
                Err((ReplyCode::Invalid, message))
            }
            Err(trouble) => Err((ReplyCode::Failed, trouble.to_string())),
        }
    }

    /// What became of it before, if that still holds.
    async fn known(&self, blobs: &Blobs, key: &Key) -> Option<Result<Artifact, Refusal>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()?;
        match known {
            Known::Refused { message, until } => {
                (until > clock::now()).then_some(Err((ReplyCode::Invalid, message)))
            }
            Known::Compiled(artifact) => {
                matches!(blobs.size(artifact.0).await, Ok(Some(_))).then_some(Ok(artifact))
            }
        }
    }

    fn remember(&self, key: Key, value: Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(key, value);
    }
}

fn no_compiler() -> Refusal {
    (ReplyCode::Failed, "this control plane has no compiler; use an agent that brings its own".to_owned())
}

fn of_blobs(error: &blobs::Error) -> Refusal {
    (code_of(error), error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::blobs::Limits;

    struct World {
        artifacts: Artifacts,
        blobs: Blobs,
        authority: Authority,
        compilations: Arc<AtomicUsize>,
        _directory: tempfile::TempDir,
    }

    /// The compiler refuses the module `bad` and never ends with `endless`.
    fn world() -> World {
        let directory = tempfile::tempdir().unwrap();
        let compilations = Arc::new(AtomicUsize::new(0));
        let counter = compilations.clone();
        let compile: Compile = Arc::new(move |_, module| {
            counter.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                match &module[..] {
                    b"bad" => Err(CompileError::Refused("no magic".to_owned())),
                    b"endless" => std::future::pending().await,
                    _ => Ok(Compiled { artifact: module, signed: Vec::new() }),
                }
            })
        });
        World {
            artifacts: Artifacts::new(Some(compile)),
            blobs: Blobs::open(
                &directory.path().join("blobs"),
                Limits { quota_bytes: 1 << 20, blob_bytes: 1 << 20 },
            )
            .unwrap(),
            authority: Authority::open(&directory.path().join("secrets"), None).unwrap(),
            compilations,
            _directory: directory,
        }
    }

    impl World {
        async fn module(&self, content: &'static [u8]) -> Sha256Hash {
            self.blobs.put(Bytes::from_static(content)).await.unwrap().0
        }

        async fn get(&self, module: Sha256Hash) -> Result<Artifact, Refusal> {
            self.artifacts.get(&self.blobs, &self.authority, module, "{}".to_owned()).await
        }
    }

    #[tokio::test]
    async fn a_module_that_was_refused_is_not_compiled_again() {
        let world = world();
        let bad = world.module(b"bad").await;
        for _ in 0..3 {
            assert_eq!(world.get(bad).await, Err((ReplyCode::Invalid, "no magic".to_owned())));
        }
        assert_eq!(world.compilations.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_is_ready_does_not_wait_for_what_is_being_compiled() {
        let world = world();
        let good = world.module(b"good").await;
        let endless = world.module(b"endless").await;
        let first = world.get(good).await.unwrap();
        let compiling = world.get(endless);
        tokio::pin!(compiling);
        tokio::select! {
            biased;
            _ = &mut compiling => unreachable!("it never ends"),
            again = async {
                while world.compilations.load(Ordering::Relaxed) < 2 {
                    tokio::task::yield_now().await;
                }
                world.get(good).await
            } => assert_eq!(again, Ok(first)),
        }
    }
}
