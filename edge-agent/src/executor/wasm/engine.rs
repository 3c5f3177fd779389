//! Builds engines from profiles: one that loads and runs, and with a compiler one that compiles for any profile.

use std::sync::OnceLock;

use bacalhau_protocol::engine_profile::{EngineProfile, EngineTarget};
use wasmtime::{Config, Engine, Linker, WasmBacktraceDetails, WasmFeatures};

use super::error::Error;
use super::host::Host;

/// The profile of the machine this program was built for; none where the engine cannot run.
pub fn host_profile() -> Option<EngineProfile> {
    EngineTarget::of_architecture(std::env::consts::ARCH).map(EngineProfile::baseline)
}

/// The running engine and the WASI functions, built at first use and then kept.
pub(super) struct LazyEngine {
    profile: EngineProfile,
    built: OnceLock<Result<Runtime, String>>,
}

pub(super) struct Runtime {
    pub(super) engine: Engine,
    pub(super) linker: Linker<Host>,
}

impl LazyEngine {
    pub(super) fn new(profile: EngineProfile) -> Self {
        Self { profile, built: OnceLock::new() }
    }

    pub(super) fn profile(&self) -> &EngineProfile {
        &self.profile
    }

    /// The engine; building it fails for good, since the profile does not change.
    pub(super) fn get(&self) -> Result<&Runtime, Error> {
        let built =
            self.built.get_or_init(|| Runtime::build(&self.profile).map_err(|error| format!("{error:#}")));
        built.as_ref().map_err(|reason| Error::Engine(reason.clone()))
    }
}

impl Runtime {
    fn build(profile: &EngineProfile) -> wasmtime::Result<Self> {
        let engine = Engine::new(&loading_config(profile))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p1::add_to_linker_async(&mut linker, |host: &mut Host| &mut host.wasi)?;
        super::sleep::make_interruptible(&mut linker)?;
        Ok(Self { engine, linker })
    }
}

/// An engine that compiles for `profile` and need not be able to run the result.
#[cfg(feature = "compiler")]
pub(super) fn compiling_engine(profile: &EngineProfile) -> wasmtime::Result<Engine> {
    let mut config = shared_config(profile);
    config.target(profile.target.triple())?;
    config.cranelift_opt_level(wasmtime::OptLevel::Speed);
    for flag in &profile.cpu_flags {
        // SAFETY: `EngineProfile::unsupported` lets only processor extensions through; an artifact that uses one is
        // loaded only where the processor has it.
        unsafe { config.cranelift_flag_enable(flag) };
    }
    Engine::new(&config)
}

/// An engine that takes the modules a node of this kind takes, and compiles them in the shortest time.
#[cfg(feature = "compiler")]
pub(super) fn examining_engine(profile: &EngineProfile) -> wasmtime::Result<Engine> {
    let mut config = shared_config(profile);
    config.cranelift_opt_level(wasmtime::OptLevel::None);
    Engine::new(&config)
}

// Artifacts are the only way in, so what runs is what was checked and what other nodes run.
fn loading_config(profile: &EngineProfile) -> Config {
    let config = shared_config(profile);
    #[cfg(feature = "compiler")]
    let config = {
        let mut config = config;
        config.enable_compiler(false);
        config
    };
    config
}

// Everything here is part of what a profile means: a change needs a new `EngineProfile::recipe`.
fn shared_config(profile: &EngineProfile) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.concurrency_support(false);
    config.wasm_features(unwanted_features(), false);
    config.memory_reservation(profile.memory_reservation_bytes);
    config.memory_guard_size(profile.memory_guard_bytes);
    config.guard_before_linear_memory(false);
    config.memory_may_move(true);
    config.signals_based_traps(profile.signal_traps);
    config.memory_init_cow(profile.copy_on_write_images);
    // By default an environment variable decides, and with it whether artifacts fit.
    config.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config.wasm_backtrace_max_frames(None);
    config.native_unwind_info(false);
    // Not part of artifacts: address space for memories to grow into before they must be moved.
    config.memory_reservation_for_growth(GROWTH_RESERVATION_BYTES);
    config
}

// On 64-bit machines only address space; on small ones a quarter of a typical board's memory would be felt.
const GROWTH_RESERVATION_BYTES: u64 = if cfg!(target_pointer_width = "64") { 64 << 20 } else { 1 << 20 };

/// Proposals beyond what WASI preview 1 programs use: each is more engine for a hostile module to reach.
fn unwanted_features() -> WasmFeatures {
    WasmFeatures::GC_TYPES
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::CM_ASYNC
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::engine_profile::WASMTIME_VERSION;

    #[test]
    fn the_profile_names_the_engine_that_is_linked() {
        let lock = include_str!("../../../../Cargo.lock");
        let expected = format!("name = \"wasmtime\"\nversion = \"{WASMTIME_VERSION}\"\n");
        assert!(
            lock.contains(&expected),
            "set WASMTIME_VERSION in engine_profile.rs to the version in Cargo.lock"
        );
    }
}
