//! Compiled modules: kept, fetched, damaged and forged.

use std::fs;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use bacalhau_protocol::engine_profile::{ArtifactEnvelope, ContentHash, EngineTarget};
use futures_util::future::BoxFuture;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::super::engine::LazyEngine;
use super::super::module_cache::ModuleCache;
use super::super::{ArtifactKey, ArtifactSource, ChildCompiler, CompileLimits, SignedArtifact, compile};
use super::*;
use crate::executor::Availability;
use fixtures::{assemble, hello};

/// A control plane that gives every node the same artifact.
struct Giver(SignedArtifact);

impl ArtifactSource for Giver {
    fn fetch<'a>(
        &'a self,
        _module: ContentHash,
        _: &'a [u8],
        _profile: &'a EngineProfile,
    ) -> BoxFuture<'a, Result<SignedArtifact, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn signed(profile_id: String, module: &[u8], bytes: Vec<u8>) -> SignedArtifact {
    let (module, artifact) = (ContentHash::of(module), ContentHash::of(&bytes));
    let signature =
        key().sign(&ArtifactEnvelope::signed_bytes(&profile_id, module, artifact)).as_ref().to_vec();
    SignedArtifact { envelope: ArtifactEnvelope { profile: profile_id, module, artifact, signature }, bytes }
}

/// A control plane that is out of reach.
struct Silent;

impl ArtifactSource for Silent {
    fn fetch<'a>(
        &'a self,
        _module: ContentHash,
        _: &'a [u8],
        _profile: &'a EngineProfile,
    ) -> BoxFuture<'a, Result<SignedArtifact, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(std::future::pending())
    }
}

fn central(source: Arc<dyn ArtifactSource>) -> CentralCompiler {
    let public_key: [u8; 32] = key().public_key().as_ref().try_into().unwrap();
    let public_key: ArtifactKey = Arc::new(move || Some(public_key));
    CentralCompiler { public_key, source }
}

fn node_given(artifact: SignedArtifact) -> Node {
    Node::with_compiler(LocalCompiler::None, Some(central(Arc::new(Giver(artifact)))))
}

fn broken_compiler() -> LocalCompiler {
    let program = "/nonexistent/compiler".into();
    LocalCompiler::Child(ChildCompiler { program, arguments: Vec::new(), limits: CompileLimits::default() })
}

#[tokio::test]
async fn a_node_without_compiler_runs_what_the_control_plane_compiled() {
    let module = assemble(&hello("from afar"));
    let node = node_given(signed(profile().id(), &module, compile(&profile(), &module).unwrap()));
    assert_eq!(node.executor.availability().await, Availability::Ready);
    assert_eq!(node.run(&node.task_of_bytes(&module)).await.stdout, "from afar");
}

#[tokio::test]
async fn a_module_that_cannot_be_fetched_holds_up_no_other() {
    let [kept, missing] = ["kept", "missing"].map(|text| assemble(&hello(text)));
    let node = node_given(signed(profile().id(), &kept, compile(&profile(), &kept).unwrap()));
    node.run(&node.task_of_bytes(&kept)).await;
    let modules = ModuleCache::new(Settings {
        profile: profile(),
        artifact_dir: node.path("artifacts"),
        artifact_cache_bytes: DEFAULT_ARTIFACT_CACHE_BYTES,
        module_cache_bytes: DEFAULT_MODULE_CACHE_BYTES,
        compiler: LocalCompiler::None,
        central: Some(central(Arc::new(Silent))),
    });
    let engine = LazyEngine::new(profile());
    let engine = &engine.get().unwrap().engine;
    let mut context = Context::from_waker(Waker::noop());
    let mut fetching = pin!(modules.module(engine, "missing", &missing));
    assert!(fetching.as_mut().poll(&mut context).is_pending());
    let mut loading = pin!(modules.module(engine, "kept", &kept));
    assert!(loading.as_mut().poll(&mut context).is_ready());
}

#[tokio::test]
async fn forged_artifacts_are_refused() {
    let module = assemble(&hello("x"));
    let good = signed(profile().id(), &module, compile(&profile(), &module).unwrap());
    let forge = |change: fn(&mut SignedArtifact)| {
        let mut artifact = good.clone();
        change(&mut artifact);
        artifact
    };
    for (artifact, words) in [
        (forge(|artifact| artifact.bytes[1000] ^= 1), "its content has hash"),
        (forge(|artifact| artifact.envelope.signature[0] ^= 1), "its signature"),
        (forge(|artifact| artifact.envelope.signature.clear()), "its signature"),
        (forge(|artifact| artifact.envelope.artifact.0[0] ^= 1), "its signature"),
        (forge(|artifact| artifact.envelope.module.0[0] ^= 1), "it belongs to module"),
        (forge(|artifact| artifact.envelope.profile.push('x')), "this node needs"),
    ] {
        let node = node_given(artifact);
        let refusal = node.refusal(&node.task_of_bytes(&module)).await;
        assert!(refusal.contains(words), "{refusal}");
        assert!(!node.path("artifacts").exists(), "kept although {words}");
    }
}

#[tokio::test]
async fn an_artifact_for_another_processor_is_refused() {
    let module = assemble(&hello("x"));
    let foreign = foreign_profile();
    let artifact = compile(&foreign, &module).unwrap();
    let node = node_given(signed(foreign.id(), &module, artifact.clone()));
    let refusal = node.refusal(&node.task_of_bytes(&module)).await;
    assert!(refusal.contains(&foreign.id()) && refusal.contains(&profile().id()), "{refusal}");

    // Even a control plane that mislabels it does no harm.
    let node = node_given(signed(profile().id(), &module, artifact));
    let refusal = node.refusal(&node.task_of_bytes(&module)).await;
    assert!(refusal.contains("compiled for architecture"), "{refusal}");
}

fn foreign_profile() -> EngineProfile {
    let targets = [EngineTarget::Aarch64, EngineTarget::X86_64];
    EngineProfile::baseline(targets.into_iter().find(|target| *target != profile().target).unwrap())
}

#[test]
fn modules_compile_for_every_target() {
    let module = assemble(&hello("x"));
    for target in EngineTarget::ALL {
        let artifact = compile(&EngineProfile::baseline(target), &module);
        assert!(artifact.is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")), "{target:?}");
    }
}

#[test]
fn compiling_twice_gives_the_same_bytes() {
    let module = assemble(&hello("x"));
    assert_eq!(compile(&profile(), &module).unwrap(), compile(&profile(), &module).unwrap());
}

#[test]
fn an_invalid_module_is_refused_with_the_reason() {
    let mut module = assemble(&hello("x"));
    let end = module.len() - 1;
    module.truncate(end);
    assert!(compile(&profile(), &module).unwrap_err().to_string().contains("unexpected end"));
}

#[tokio::test]
async fn a_compiled_module_survives_a_restart() {
    let node = Node::new();
    let task = node.task(&hello("x"));
    node.run(&task).await;
    let node = node.restarted(broken_compiler());
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn a_damaged_artifact_on_disk_is_made_again() {
    let node = Node::new();
    let task = node.task(&hello("x"));
    node.run(&task).await;
    for module in fs::read_dir(node.path("artifacts")).unwrap() {
        for file in fs::read_dir(module.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let node = node.restarted(broken_compiler());
    assert!(matches!(node.start(&task).await, Err(StartError::Node(_))), "a damaged artifact was run");
    let node = node.restarted(LocalCompiler::InProcess);
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn a_node_that_cannot_compile_does_not_trust_unsigned_files() {
    let node = Node::new();
    let task = node.task(&hello("x"));
    node.run(&task).await;
    let node = node.restarted(LocalCompiler::None);
    assert!(matches!(node.executor.availability().await, Availability::Unavailable(_)));
    assert!(node.refusal(&task).await.contains("no compiler"));
}

#[tokio::test]
async fn the_cache_on_disk_keeps_to_its_size() {
    let mut node = Node::new();
    let limit = 100_000;
    node.executor = WasmExecutor::new(Settings {
        profile: profile(),
        artifact_dir: node.path("artifacts"),
        artifact_cache_bytes: limit,
        module_cache_bytes: 0,
        compiler: LocalCompiler::InProcess,
        central: None,
    });
    for number in 0..20 {
        let ended = node.run(&node.task(&hello(&format!("{number:02}")))).await;
        assert!(ended.stdout.ends_with(&format!("{number:02}")));
    }
    let kept = crate::tree::size(&node.path("artifacts")).unwrap();
    assert!(kept > 0 && kept <= limit, "{kept}");
}
