//! Amounts of what a machine has.

use serde::{Deserialize, Serialize};

/// CPU, memory, disk and GPUs: offered, asked for, or in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// Bytes.
    pub disk_bytes: u64,
    /// Number of GPUs.
    pub gpu: u64,
    /// Which GPUs, when they are known one by one.
    pub gpus: Vec<Gpu>,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// Number on its machine.
    pub index: u32,
    /// Model.
    pub name: String,
    /// `NVIDIA`, `AMD/ATI` or `Intel`.
    pub vendor: String,
    /// MiB.
    pub memory_mib: u64,
    /// As `0000:00:1e.0`.
    pub pci_address: String,
}

impl Resources {
    /// Every amount fits into `other`.
    pub fn fits(&self, other: &Self) -> bool {
        self.cpu_millis <= other.cpu_millis
            && self.memory_bytes <= other.memory_bytes
            && self.disk_bytes <= other.disk_bytes
            && self.gpu <= other.gpu
    }

    /// Both together; single GPUs are not carried over.
    pub fn plus(&self, other: &Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// What is left, never below zero; single GPUs are not carried over.
    pub fn minus(&self, other: &Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }

    /// Asks for nothing.
    pub fn is_zero(&self) -> bool {
        self.cpu_millis == 0 && self.memory_bytes == 0 && self.disk_bytes == 0 && self.gpu == 0
    }

    fn zip(&self, other: &Self, with: fn(u64, u64) -> u64) -> Self {
        Self {
            cpu_millis: with(self.cpu_millis, other.cpu_millis),
            memory_bytes: with(self.memory_bytes, other.memory_bytes),
            disk_bytes: with(self.disk_bytes, other.disk_bytes),
            gpu: with(self.gpu, other.gpu),
            gpus: Vec::new(),
        }
    }
}
