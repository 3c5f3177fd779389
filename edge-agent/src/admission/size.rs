//! Whether a task is too large for the node.

use bacalhau_protocol::model::{Resources, Task};

/// Set aside for a task that asks for less, thousandths of a core (semantics.md 4.2).
const LEAST_CPU_MILLIS: u64 = 100;
/// Set aside for a task that asks for less, bytes (semantics.md 4.2).
const LEAST_MEMORY_BYTES: u64 = 100 << 20;

/// What is set aside for a task.
pub fn usage(task: &Task) -> Resources {
    let asks = &task.resources;
    Resources {
        cpu_millis: asks.cpu_millis.max(LEAST_CPU_MILLIS),
        memory_bytes: asks.memory_bytes.max(LEAST_MEMORY_BYTES),
        disk_bytes: asks.disk_bytes,
        gpu: asks.gpu,
        gpus: Vec::new(),
    }
}

pub(super) fn too_large(usage: &Resources, capacity: &Resources) -> Option<String> {
    (!usage.fits(capacity)).then(|| {
        format!("insufficient resources - requested: {}, available: {}", text(usage), text(capacity))
    })
}

fn text(resources: &Resources) -> String {
    let (whole, thousandths) = (resources.cpu_millis / 1000, resources.cpu_millis % 1000);
    let cpu = format!("{whole}.{thousandths:03}");
    let cpu = cpu.trim_end_matches('0').trim_end_matches('.');
    let (memory, disk) = (bytes(resources.memory_bytes), bytes(resources.disk_bytes));
    format!("{{CPU: {cpu}, Memory: {memory}, Disk: {disk}, GPU: {}}}", resources.gpu)
}

/// In powers of 1000 with at most one digit behind the point, as `512 MB` or `1.5 GB`.
fn bytes(amount: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if amount < 1000 {
        return format!("{amount} B");
    }
    let power = amount.ilog10() / 3;
    let tenths = amount / (10_u64.pow(3 * power - 1));
    let unit = UNITS[power as usize - 1];
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        tenth => format!("{}.{tenth} {unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_readable() {
        let shown = [0, 999, 1000, 1500, 512_000_000, 104_857_600].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1 kB", "1.5 kB", "512 MB", "104.8 MB"]);
        assert_eq!(bytes(u64::MAX), "18.4 EB");
        let resources =
            Resources { cpu_millis: 1500, memory_bytes: 2_000_000_000, gpu: 1, ..Resources::default() };
        assert_eq!(text(&resources), "{CPU: 1.5, Memory: 2 GB, Disk: 0 B, GPU: 1}");
    }
}
