//! Compiled modules on disk. Loading one means running it, so every load compares its hash with the envelope beside
//! it, and an artifact this node did not compile itself needs the control plane's signature.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bacalhau_protocol::engine_profile::{ArtifactEnvelope, ContentHash};
use ring::digest::{Context, SHA256};
use ring::signature::{ED25519, UnparsedPublicKey};
use wasmtime::{Engine, Module};

use super::ArtifactKey;
use crate::retention::LazyShelf;

const ARTIFACT: &str = "cwasm";
const ENVELOPE: &str = "envelope";

/// Why an artifact is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It was compiled for another engine.
    #[error("it is for {found}, this node needs {expected}")]
    Profile {
        /// What the envelope says.
        found: String,
        /// What the node has.
        expected: String,
    },
    /// It was compiled from another module.
    #[error("it belongs to module {found}, not {expected}")]
    Module {
        /// What the envelope says.
        found: ContentHash,
        /// What was asked for.
        expected: ContentHash,
    },
    /// Its bytes are not those that were compiled.
    #[error("its content has hash {found}, the envelope says {expected}")]
    Content {
        /// Of the bytes at hand.
        found: ContentHash,
        /// What the envelope says.
        expected: ContentHash,
    },
    /// It was not signed by the control plane.
    #[error("its signature does not fit the control plane's key")]
    Signature,
    /// The engine does not take it.
    #[error("the engine refuses it: {0}")]
    Engine(String),
}

/// Whose artifacts are run.
pub(super) struct Trust {
    /// Whether this node compiles: only then may an artifact lack a signature.
    pub(super) own: bool,
    /// The control plane's key.
    pub(super) public_key: Option<ArtifactKey>,
}

/// The directory of compiled modules for one profile: one directory for each, with the artifact and its envelope.
pub(super) struct ArtifactStore {
    pub(super) shelf: LazyShelf,
    pub(super) profile_id: String,
    pub(super) trust: Trust,
    /// Held by the one that changes what is in the directory.
    pub(super) changing: Mutex<()>,
}

/// SHA-256 by the assembly that the link uses anyway.
pub(super) fn hash(bytes: &[u8]) -> ContentHash {
    finish(&{
        let mut context = Context::new(&SHA256);
        context.update(bytes);
        context
    })
}

impl Trust {
    fn verify(&self, envelope: &ArtifactEnvelope) -> Result<(), Refusal> {
        if envelope.signature.is_empty() && self.own {
            return Ok(());
        }
        let key = self.public_key.as_ref().and_then(|key| key()).ok_or(Refusal::Signature)?;
        let signed = ArtifactEnvelope::signed_bytes(&envelope.profile, envelope.module, envelope.artifact);
        UnparsedPublicKey::new(&ED25519, key)
            .verify(&signed, &envelope.signature)
            .map_err(|_| Refusal::Signature)
    }
}

impl ArtifactStore {
    /// Maps the artifact of `module` if it is there and sound. A damaged or foreign one counts as absent, so that a
    /// flipped bit in flash costs a compilation and not the task.
    pub(super) fn load(&self, engine: &Engine, module: ContentHash) -> Option<(Module, u64)> {
        let envelope = fs::read(self.path(module, ENVELOPE)).ok()?;
        let loaded = postcard::from_bytes(&envelope)
            .map_err(|error| io::Error::other(error).to_string())
            .and_then(|envelope| self.open(engine, module, &envelope).map_err(|refusal| refusal.to_string()));
        if loaded.is_ok()
            && let Ok(shelf) = self.shelf.open()
        {
            shelf.touch(&self.name(module));
        }
        loaded.inspect_err(|reason| tracing::warn!(%module, %reason, "kept artifact is unusable")).ok()
    }

    /// Checks and keeps an artifact, then maps it.
    pub(super) fn adopt(
        &self,
        engine: &Engine,
        module: ContentHash,
        envelope: &ArtifactEnvelope,
        bytes: &[u8],
    ) -> Result<(Module, u64), super::Error> {
        self.check(module, envelope, hash(bytes))?;
        self.keep(module, envelope, bytes).map_err(|source| super::Error::ArtifactDisk {
            path: self.shelf.directory().to_owned(),
            source,
        })?;
        Ok(self.open(engine, module, envelope)?)
    }

    /// The envelope of an artifact compiled here.
    pub(super) fn own_envelope(&self, module: ContentHash, bytes: &[u8]) -> ArtifactEnvelope {
        let profile = self.profile_id.clone();
        ArtifactEnvelope { profile, module, artifact: hash(bytes), signature: Vec::new() }
    }

    fn open(
        &self,
        engine: &Engine,
        module: ContentHash,
        envelope: &ArtifactEnvelope,
    ) -> Result<(Module, u64), Refusal> {
        let unreadable = |error: io::Error| Refusal::Engine(error.to_string());
        let mut file = File::open(self.path(module, ARTIFACT)).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let content = hash_file(&mut file).map_err(unreadable)?;
        self.check(module, envelope, content)?;
        // SAFETY: the bytes are those this node or the control plane's signed word says it compiled; the directory is
        // the agent's own and files in it are replaced by renaming, never changed in place.
        let module = unsafe { Module::deserialize_open_file(engine, file) };
        Ok((module.map_err(|error| Refusal::Engine(format!("{error:#}")))?, bytes))
    }

    fn check(
        &self,
        module: ContentHash,
        envelope: &ArtifactEnvelope,
        content: ContentHash,
    ) -> Result<(), Refusal> {
        if envelope.profile != self.profile_id {
            let (found, expected) = (envelope.profile.clone(), self.profile_id.clone());
            return Err(Refusal::Profile { found, expected });
        }
        if envelope.module != module {
            return Err(Refusal::Module { found: envelope.module, expected: module });
        }
        self.trust.verify(envelope)?;
        if envelope.artifact != content {
            return Err(Refusal::Content { found: content, expected: envelope.artifact });
        }
        Ok(())
    }

    // Not synced: after a power cut the hash tells whether both files arrived, and if not they are made again. Programs that
    // run keep their mapping, so nothing breaks when a file in use makes room.
    fn keep(&self, module: ContentHash, envelope: &ArtifactEnvelope, bytes: &[u8]) -> io::Result<()> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (shelf, name) = (self.shelf.open()?, self.name(module));
        shelf.touch(&name);
        fs::create_dir_all(self.shelf.directory().join(&name))?;
        let envelope = postcard::to_stdvec(envelope).map_err(io::Error::other)?;
        for (file, content) in [(ARTIFACT, bytes), (ENVELOPE, &envelope)] {
            let path = self.path(module, file);
            let partial = path.with_added_extension("partial");
            fs::write(&partial, content)?;
            fs::rename(&partial, &path)?;
        }
        shelf.put(&name, (bytes.len() + envelope.len()) as u64);
        Ok(())
    }

    fn name(&self, module: ContentHash) -> String {
        format!("{module}-{}", self.profile_id)
    }

    fn path(&self, module: ContentHash, file: &str) -> PathBuf {
        self.shelf.directory().join(self.name(module)).join(file)
    }
}

fn hash_file(file: &mut File) -> io::Result<ContentHash> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => context.update(&buffer[..read]),
        }
    }
    file.rewind()?;
    Ok(finish(&context))
}

fn finish(context: &Context) -> ContentHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.clone().finish().as_ref());
    ContentHash(hash)
}
