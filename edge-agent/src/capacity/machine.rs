//! What the machine has, asked once at start and at each reload.

use std::path::Path;
use std::thread::available_parallelism;

use bacalhau_protocol::model::Resources;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::{nvidia, tools};

/// A machine as the agent found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Everything it has.
    pub resources: Resources,
    /// Version of the operating system; empty when unknown.
    pub os_version: String,
    /// Release of the kernel; empty when unknown.
    pub kernel: String,
    /// Model of the CPU; empty when unknown.
    pub cpu_model: String,
}

impl Machine {
    /// Asks the system. Takes some milliseconds, more with GPUs; memory used on the way is given back.
    pub fn detect(data_dir: &Path) -> Self {
        let asked = RefreshKind::nothing()
            .with_memory(MemoryRefreshKind::nothing().with_ram())
            .with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(asked)
            .inspect_err(|error| tracing::warn!(%error, "memory and CPU model cannot be found out"))
            .ok();
        let gpus: Vec<_> = [nvidia::gpus(), tools::amd(), tools::intel()].concat();
        Self {
            resources: Resources {
                cpu_millis: 1000 * available_parallelism().map_or(1, |count| count.get() as u64),
                memory_bytes: system.as_ref().map_or(0, memory),
                disk_bytes: free_disk(data_dir),
                gpu: gpus.len() as u64,
                gpus,
            },
            os_version: System::os_version().unwrap_or_default(),
            kernel: System::kernel_version().unwrap_or_default(),
            cpu_model: system
                .and_then(|system| Some(system.cpus().first()?.brand().to_owned()))
                .unwrap_or_default(),
        }
    }
}

/// RAM, or the limit of the control group the agent lives in.
fn memory(system: &System) -> u64 {
    match system.cgroup_limits() {
        Some(limits) if limits.total_memory > 0 => limits.total_memory.min(system.total_memory()),
        _ => system.total_memory(),
    }
}

/// What is free, for users without privileges, on the file system of the data directory.
fn free_disk(data_dir: &Path) -> u64 {
    match rustix::fs::statvfs(data_dir) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => {
            tracing::warn!(%error, "free disk space cannot be found out");
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cpus_memory_and_a_kernel() {
        let machine = Machine::detect(Path::new("/"));
        assert!(machine.resources.cpu_millis >= 1000);
        assert!(machine.resources.memory_bytes > 1 << 20);
        assert_ne!(machine.kernel, "");
        assert_eq!(machine.resources.gpu, machine.resources.gpus.len() as u64);
    }
}
