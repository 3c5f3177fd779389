//! Compiling WASM modules in short-lived processes of this same program.

use std::sync::Arc;

use anyhow::Context as _;
use bacalhau_agent::COMPILE_ARGUMENT;
use bacalhau_agent::executor::wasm::{ChildCompiler, ChildError, CompileLimits, LocalCompiler};
use bacalhau_control_plane::fleet::{Compile, CompileError, Compiled};
use bacalhau_protocol::engine_profile::{ArtifactEnvelope, ContentHash, EngineProfile};
use bytes::Bytes;

/// The compiler of a node in this process.
pub(super) fn local() -> anyhow::Result<LocalCompiler> {
    child().map(LocalCompiler::Child)
}

/// The compiler of an orchestrator, for nodes that have none of their own.
pub(super) fn central() -> anyhow::Result<Compile> {
    let compiler = child()?;
    Ok(Arc::new(move |profile, module| {
        let compiler = compiler.clone();
        Box::pin(async move { compile(&compiler, &profile, &module).await })
    }))
}

fn child() -> anyhow::Result<ChildCompiler> {
    let program = std::env::current_exe().context("finding this program's own file")?;
    Ok(ChildCompiler {
        program,
        arguments: vec![COMPILE_ARGUMENT.to_owned()],
        limits: CompileLimits::default(),
    })
}

async fn compile(compiler: &ChildCompiler, profile: &str, module: &[u8]) -> Result<Compiled, CompileError> {
    let profile: EngineProfile = serde_json::from_str(profile)
        .map_err(|error| CompileError::Refused(format!("the engine profile is not understood: {error}")))?;
    if let Some(reason) = profile.unsupported() {
        let message = format!("the engine profile cannot be compiled for: {reason}");
        return Err(CompileError::Refused(message));
    }
    let artifact = compiler.compile(&profile, module).await.map_err(|error| match error {
        ChildError::Io(error) => CompileError::Trouble(error),
        refused => CompileError::Refused(refused.to_string()),
    })?;
    let signed =
        ArtifactEnvelope::signed_bytes(&profile.id(), ContentHash::of(module), ContentHash::of(&artifact));
    Ok(Compiled { artifact: Bytes::from(artifact), signed })
}
