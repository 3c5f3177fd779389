//! What compiled WASM must agree on with the engine that loads it, as plain data.
//!
//! The control plane compiles for devices that have no compiler; an artifact is only usable on a node whose engine was
//! built from the very same profile. Both sides build their engine from this value and from nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The wasmtime release both sides link. A test of the agent compares it with the lock file.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// SHA-256 of a module or an artifact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentHash(pub [u8; 32]);

/// What machine code an engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EngineTarget {
    /// 64-bit x86, no extension beyond SSE2.
    X86_64,
    /// 64-bit ARM, ARMv8.0.
    Aarch64,
    /// 64-bit RISC-V, RV64GC.
    Riscv64,
    /// Interpreted bytecode for 32-bit processors that have no code generator (armv7).
    Pulley32,
}

/// Everything an artifact and the engine that loads it must agree on.
///
/// Two equal profiles accept each other's artifacts; [`EngineProfile::id`] is the name of that agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineProfile {
    /// Release of the engine; artifacts never cross releases.
    pub wasmtime: String,
    /// Instruction set.
    pub target: EngineTarget,
    /// Processor extensions beyond the target's minimum, by the code generator's names, sorted. Empty by default, so
    /// that one artifact serves every board of a target.
    pub cpu_flags: Vec<String>,
    /// Address space reserved for each linear memory, bytes. Small: boards have as little as 39 address bits, and a
    /// memory limit of the service counts reservations.
    pub memory_reservation_bytes: u64,
    /// Unmapped bytes behind each linear memory, by which small constant offsets need no bounds check.
    pub memory_guard_bytes: u64,
    /// Whether faults of the processor are turned into traps; interpreters check in software.
    pub signal_traps: bool,
    /// Whether the initial memory image is mapped copy-on-write from the artifact's file.
    pub copy_on_write_images: bool,
    /// Counts changes in how an engine is built from the other fields (WASM features, epochs, optimisation level).
    pub recipe: u32,
}

/// What travels with an artifact compiled elsewhere.
///
/// Machine code is run as it comes, so nothing is loaded before `signature` was verified over [`Self::signed_bytes`]
/// with the pinned key of the control plane and `artifact` compared with the bytes at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactEnvelope {
    /// [`EngineProfile::id`] it was compiled for.
    pub profile: String,
    /// The module it was compiled from.
    pub module: ContentHash,
    /// The artifact's own bytes.
    pub artifact: ContentHash,
    /// Ed25519 signature of the control plane's artifact key, 64 bytes.
    pub signature: Vec<u8>,
}

impl ContentHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl EngineTarget {
    /// Every target, for a control plane that says what it can compile for.
    pub const ALL: [Self; 4] = [Self::X86_64, Self::Aarch64, Self::Riscv64, Self::Pulley32];

    /// The target of a machine by its architecture's name (`std::env::consts::ARCH`); none where WASM cannot run.
    pub fn of_architecture(name: &str) -> Option<Self> {
        match name {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            "riscv64" => Some(Self::Riscv64),
            "arm" => Some(Self::Pulley32),
            _ => None,
        }
    }

    /// The triple the code generator is asked for. Artifacts do not depend on the C library.
    pub fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-musl",
            Self::Aarch64 => "aarch64-unknown-linux-musl",
            Self::Riscv64 => "riscv64gc-unknown-linux-musl",
            Self::Pulley32 => "pulley32",
        }
    }

    /// Short name, as part of [`EngineProfile::id`].
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Riscv64 => "riscv64",
            Self::Pulley32 => "pulley32",
        }
    }
}

impl EngineProfile {
    /// The current way of building an engine; see [`Self::recipe`].
    pub const RECIPE: u32 = 1;

    /// The profile every node of `target` has unless it says otherwise.
    pub fn baseline(target: EngineTarget) -> Self {
        let interpreted = target == EngineTarget::Pulley32;
        Self {
            wasmtime: WASMTIME_VERSION.to_owned(),
            target,
            cpu_flags: Vec::new(),
            memory_reservation_bytes: 0,
            memory_guard_bytes: if interpreted { 0 } else { 64 << 10 },
            signal_traps: !interpreted,
            copy_on_write_images: true,
            recipe: Self::RECIPE,
        }
    }

    /// Why this release cannot build an engine for the profile, if so. A profile from a peer is checked with this
    /// before anything is compiled for it.
    pub fn unsupported(&self) -> Option<String> {
        if self.wasmtime != WASMTIME_VERSION {
            return Some(format!("it is for wasmtime {}, this is {WASMTIME_VERSION}", self.wasmtime));
        }
        if self.recipe != Self::RECIPE {
            return Some(format!("it has recipe {}, this release knows {}", self.recipe, Self::RECIPE));
        }
        let foreign = self.cpu_flags.iter().find(|flag| !flag.starts_with("has_"));
        foreign.map(|flag| format!("{flag:?} is no processor extension"))
    }

    /// Stable name for keys, file names and people: `<target>-<wasmtime>-<hash of all fields>`.
    pub fn id(&self) -> String {
        let hash = ContentHash::of(self.canonical_text().as_bytes()).to_string();
        format!("{}-{}-{}", self.target.name(), self.wasmtime, &hash[..16])
    }

    // Text, one field a line, so that the id does not hang on how a codec lays out a struct.
    fn canonical_text(&self) -> String {
        format!(
            "wasmtime={}\ntarget={}\ncpu={}\nreservation={}\nguard={}\nsignals={}\ncow={}\nrecipe={}\n",
            self.wasmtime,
            self.target.triple(),
            self.cpu_flags.join(","),
            self.memory_reservation_bytes,
            self.memory_guard_bytes,
            self.signal_traps,
            self.copy_on_write_images,
            self.recipe,
        )
    }
}

impl ArtifactEnvelope {
    /// What the signature covers: purpose, profile, module and artifact, so that neither can be swapped for another.
    pub fn signed_bytes(profile: &str, module: ContentHash, artifact: ContentHash) -> Vec<u8> {
        let mut bytes = b"bacalhau wasm artifact 1\0".to_vec();
        bytes.extend_from_slice(&(profile.len() as u64).to_le_bytes());
        bytes.extend_from_slice(profile.as_bytes());
        bytes.extend_from_slice(&module.0);
        bytes.extend_from_slice(&artifact.0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_across_releases_of_this_crate() {
        // Agents and control planes of different builds compare these texts: a change here orphans every artifact.
        let ids = EngineTarget::ALL.map(|target| EngineProfile::baseline(target).id());
        assert_eq!(ids, EXPECTED_IDS);
    }

    const EXPECTED_IDS: [&str; 4] = [
        "x86_64-48.0.8-97853c9decc07aca",
        "aarch64-48.0.8-f4df6b4d8aa61ab4",
        "riscv64-48.0.8-38f5615e4112e05d",
        "pulley32-48.0.8-3bfbd8fef28f107d",
    ];

    #[test]
    fn every_field_changes_the_id() {
        let base = EngineProfile::baseline(EngineTarget::Aarch64);
        let variants = [
            EngineProfile { wasmtime: "48.0.9".into(), ..base.clone() },
            EngineProfile { target: EngineTarget::Riscv64, ..base.clone() },
            EngineProfile { cpu_flags: vec!["has_lse".into()], ..base.clone() },
            EngineProfile { memory_reservation_bytes: 1, ..base.clone() },
            EngineProfile { memory_guard_bytes: 0, ..base.clone() },
            EngineProfile { signal_traps: false, ..base.clone() },
            EngineProfile { copy_on_write_images: false, ..base.clone() },
            EngineProfile { recipe: 2, ..base.clone() },
        ];
        for variant in variants {
            assert_ne!(variant.id(), base.id(), "{variant:?}");
        }
    }

    #[test]
    fn profiles_of_other_releases_and_made_up_flags_are_unsupported() {
        let base = EngineProfile::baseline(EngineTarget::X86_64);
        assert_eq!(base.unsupported(), None);
        let flags = |flag: &str| EngineProfile { cpu_flags: vec![flag.into()], ..base.clone() };
        assert_eq!(flags("has_sse41").unsupported(), None);
        assert!(flags("enable_pinned_reg").unsupported().is_some());
        assert!(EngineProfile { recipe: 9, ..base.clone() }.unsupported().is_some());
        assert!(EngineProfile { wasmtime: "47.0.0".into(), ..base.clone() }.unsupported().is_some());
    }

    #[test]
    fn a_signature_covers_every_part() {
        let (module, artifact) = (ContentHash::of(b"m"), ContentHash::of(b"a"));
        let signed = ArtifactEnvelope::signed_bytes("p", module, artifact);
        assert_ne!(signed, ArtifactEnvelope::signed_bytes("q", module, artifact));
        assert_ne!(signed, ArtifactEnvelope::signed_bytes("p", artifact, artifact));
        assert_ne!(signed, ArtifactEnvelope::signed_bytes("p", module, module));
    }
}
