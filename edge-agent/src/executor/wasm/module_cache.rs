//! From the bytes of a module to something that runs: mapped already, on disk, compiled here, or fetched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bacalhau_protocol::engine_profile::{ContentHash, EngineProfile};
use wasmtime::{Engine, Module};

use super::artifact::{ArtifactStore, Trust, hash};
use super::error::Error;
use super::{CentralCompiler, LocalCompiler, Settings};
use crate::retention::LazyShelf;

/// All compiled modules of this node.
pub(super) struct ModuleCache {
    profile: EngineProfile,
    mapped: Mutex<Mapped>,
    store: ArtifactStore,
    compiler: LocalCompiler,
    central: Option<CentralCompiler>,
    /// One at a time: a board has memory for one compilation.
    compiling: tokio::sync::Mutex<()>,
    /// Modules that are being made or fetched: the second of two equal ones finds the first's result.
    coming: Mutex<BTreeMap<ContentHash, Arc<tokio::sync::Mutex<()>>>>,
}

impl ModuleCache {
    pub(super) fn new(settings: Settings) -> Self {
        let store = ArtifactStore {
            shelf: LazyShelf::new(settings.artifact_dir, settings.artifact_cache_bytes),
            profile_id: settings.profile.id(),
            trust: Trust {
                own: !matches!(settings.compiler, LocalCompiler::None),
                public_key: settings.central.as_ref().map(|central| Arc::clone(&central.public_key)),
            },
            changing: Mutex::default(),
        };
        Self {
            profile: settings.profile,
            mapped: Mutex::new(Mapped { limit_bytes: settings.module_cache_bytes, entries: Vec::new() }),
            store,
            compiler: settings.compiler,
            central: settings.central,
            compiling: tokio::sync::Mutex::default(),
            coming: Mutex::default(),
        }
    }

    /// The module with these bytes, ready to run. `name` is for messages.
    pub(super) async fn module(&self, engine: &Engine, name: &str, wasm: &[u8]) -> Result<Module, Error> {
        let key = hash(wasm);
        if let Some(module) = self.kept(engine, key) {
            return Ok(module);
        }
        let turn = self.turn(key);
        let _alone = turn.lock().await;
        if let Some(module) = self.kept(engine, key) {
            return Ok(module);
        }
        let (module, bytes) = self.obtain(engine, name, key, wasm).await?;
        self.mapped().insert(key, module.clone(), bytes);
        Ok(module)
    }

    /// What needs nobody else: neither a compiler nor a control plane, which may be out of reach for days.
    fn kept(&self, engine: &Engine, key: ContentHash) -> Option<Module> {
        if let Some(module) = self.mapped().find(key) {
            return Some(module);
        }
        let (module, bytes) = self.store.load(engine, key)?;
        self.mapped().insert(key, module.clone(), bytes);
        Some(module)
    }

    fn turn(&self, key: ContentHash) -> Arc<tokio::sync::Mutex<()>> {
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        coming.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(coming.entry(key).or_default())
    }

    async fn obtain(
        &self,
        engine: &Engine,
        name: &str,
        key: ContentHash,
        wasm: &[u8],
    ) -> Result<(Module, u64), Error> {
        let artifact = match &self.compiler {
            LocalCompiler::None => return self.fetch(engine, name, key, wasm).await,
            #[cfg(feature = "compiler")]
            LocalCompiler::InProcess => super::compile(&self.profile, wasm)
                .map_err(|error| Error::Invalid { name: name.to_owned(), reason: error.to_string() })?,
            LocalCompiler::Child(child) => {
                let _alone = self.compiling.lock().await;
                child
                    .compile(&self.profile, wasm)
                    .await
                    .map_err(|source| Error::Compile { name: name.to_owned(), source })?
            }
        };
        self.store.adopt(engine, key, &self.store.own_envelope(key, &artifact), &artifact)
    }

    async fn fetch(
        &self,
        engine: &Engine,
        name: &str,
        key: ContentHash,
        wasm: &[u8],
    ) -> Result<(Module, u64), Error> {
        let unavailable = |why| Error::NoCompiler { name: name.to_owned(), profile: self.profile.id(), why };
        let central = self
            .central
            .as_ref()
            .ok_or_else(|| unavailable("no control plane compiles for it".to_owned()))?;
        let artifact = central
            .source
            .fetch(key, wasm, &self.profile)
            .await
            .map_err(|error| unavailable(format!("the control plane gave none: {error}")))?;
        self.store.adopt(engine, key, &artifact.envelope, &artifact.bytes)
    }

    fn mapped(&self) -> std::sync::MutexGuard<'_, Mapped> {
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Modules kept mapped, least recently used first. Few and big, so a list is enough.
struct Mapped {
    limit_bytes: u64,
    entries: Vec<(ContentHash, Module, u64)>,
}

impl Mapped {
    fn find(&mut self, key: ContentHash) -> Option<Module> {
        let at = self.entries.iter().position(|(hash, ..)| *hash == key)?;
        self.entries[at..].rotate_left(1);
        self.entries.last().map(|(_, module, _)| module.clone())
    }

    fn insert(&mut self, key: ContentHash, module: Module, bytes: u64) {
        // Two may have loaded it at the same time.
        self.entries.retain(|(hash, ..)| *hash != key);
        self.entries.push((key, module, bytes));
        let mut total: u64 = self.entries.iter().map(|(.., bytes)| bytes).sum();
        while total > self.limit_bytes && !self.entries.is_empty() {
            total -= self.entries.remove(0).2;
        }
    }
}
