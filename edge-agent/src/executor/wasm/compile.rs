//! Turns a module into machine code for any profile, this machine's or another's.

use bacalhau_protocol::engine_profile::EngineProfile;

use super::binary;
use super::engine::compiling_engine;

/// Why a module was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The profile names something this build's code generator does not have.
    #[error("no code generator for {profile}: {reason}")]
    Profile {
        /// Its id.
        profile: String,
        /// The engine's words.
        reason: String,
    },
    /// The bytes are no module, or one the engine does not accept.
    #[error("{0}")]
    Module(String),
}

/// Compiles `wasm` for `profile`. The result is trusted code: sign it before it leaves this machine.
///
/// An ordinary module of 225 KiB takes 0.4 s of a processor and 55 MB, a hostile one any amount, so a server or an agent
/// calls it in a process of its own ([`super::ChildCompiler`]).
pub fn compile(profile: &EngineProfile, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
    binary::check("the module", wasm).map_err(|error| CompileError::Module(error.to_string()))?;
    let unusable = |reason| CompileError::Profile { profile: profile.id(), reason };
    if let Some(reason) = profile.unsupported() {
        return Err(unusable(reason));
    }
    let engine = compiling_engine(profile).map_err(|error| unusable(format!("{error:#}")))?;
    engine.precompile_module(wasm).map_err(|error| CompileError::Module(format!("{error:#}")))
}
