//! What the machine has, and what of it is offered to jobs.

mod machine;
mod nvidia;
mod tools;

use bacalhau_protocol::model::Resources;
use bacalhau_protocol::quantity::Share;

pub use machine::Machine;

/// `Compute.AllocatedCapacity`: what of a machine is offered to jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Of the logical CPUs, in thousandths.
    pub cpu: Share,
    /// Of the memory, bytes.
    pub memory: Share,
    /// Of what is free in the data directory at start, bytes.
    pub disk: Share,
    /// Of the GPUs; a part of one counts as one.
    pub gpu: Share,
}

impl Default for Allocation {
    fn default() -> Self {
        let most = Share::percent(80);
        Self { cpu: most, memory: most, disk: most, gpu: Share::percent(100) }
    }
}

impl Allocation {
    /// What is offered of a machine. Absolute amounts are taken as they are: over-commitment is the operator's choice.
    pub fn of(&self, machine: &Resources) -> Resources {
        let gpu = self.gpu.of_rounded_up(machine.gpu);
        Resources {
            cpu_millis: self.cpu.of(machine.cpu_millis),
            memory_bytes: self.memory.of(machine.memory_bytes),
            disk_bytes: self.disk.of(machine.disk_bytes),
            gpu,
            gpus: machine.gpus.iter().take(usize::try_from(gpu).unwrap_or(usize::MAX)).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::Gpu;

    use super::*;

    fn machine(gpus: u32) -> Resources {
        let gpu = |index| Gpu {
            index,
            name: "T4".to_owned(),
            vendor: "NVIDIA".to_owned(),
            memory_mib: 1,
            pci_address: String::new(),
        };
        Resources {
            cpu_millis: 4000,
            memory_bytes: 1000,
            disk_bytes: 999,
            gpu: gpus.into(),
            gpus: (0..gpus).map(gpu).collect(),
        }
    }

    #[test]
    fn the_default_offers_most_and_every_gpu() {
        let offered = Allocation::default().of(&machine(2));
        assert_eq!((offered.cpu_millis, offered.memory_bytes, offered.disk_bytes), (3200, 800, 799));
        assert_eq!((offered.gpu, offered.gpus.len()), (2, 2));
    }

    #[test]
    fn a_part_of_a_gpu_is_a_whole_one() {
        let gpu = |text, has| {
            Allocation { gpu: Share::gpu(text).unwrap(), ..Allocation::default() }.of(&machine(has))
        };
        assert_eq!(gpu("1%", 2).gpu, 1);
        assert_eq!(gpu("50%", 3).gpu, 2);
        assert_eq!(gpu("50%", 3).gpus.len(), 2);
        assert_eq!(gpu("100%", 0).gpu, 0);
        assert_eq!(gpu("0%", 4).gpu, 0);
    }

    #[test]
    fn absolute_amounts_are_not_checked_against_the_machine() {
        let cpu = Allocation { cpu: Share::cpu("16").unwrap(), ..Allocation::default() };
        assert_eq!(cpu.of(&machine(0)).cpu_millis, 16_000);
    }
}
