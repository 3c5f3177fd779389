//! GPUs of NVIDIA, through the driver's library, or its tool where a static binary cannot load libraries. A machine
//! without the driver's device file is not asked any further.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use bacalhau_protocol::model::Gpu;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// Made by the driver on bare metal, and under WSL.
const DEVICE_FILES: [&str; 2] = ["/dev/nvidiactl", "/dev/dxg"];

/// The GPUs there are. The library is unloaded again: it holds tens of megabytes.
pub(super) fn gpus() -> Vec<Gpu> {
    if !DEVICE_FILES.iter().any(|file| Path::new(file).exists()) {
        return Vec::new();
    }
    from_library().unwrap_or_else(|error| {
        tracing::debug!(%error, "NVIDIA library cannot be used, asking nvidia-smi");
        from_tool()
    })
}

fn from_library() -> Result<Vec<Gpu>, NvmlError> {
    let library = Nvml::builder().lib_path(OsStr::new("libnvidia-ml.so.1")).init()?;
    (0..library.device_count()?)
        .map(|index| {
            let device = library.device_by_index(index)?;
            Ok(Gpu {
                index,
                name: device.name()?,
                vendor: VENDOR.to_owned(),
                memory_mib: device.memory_info()?.total / (1024 * 1024),
                pci_address: device.pci_info()?.bus_id,
            })
        })
        .collect()
}

fn from_tool() -> Vec<Gpu> {
    let output = Command::new("nvidia-smi")
        .args(["--query-gpu=index,name,memory.total,pci.bus_id", "--format=csv,noheader,nounits"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => parse(&String::from_utf8_lossy(&output.stdout)),
        _ => Vec::new(),
    }
}

fn parse(table: &str) -> Vec<Gpu> {
    table.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Gpu> {
    let mut columns = line.split(',').map(str::trim);
    Some(Gpu {
        index: columns.next()?.parse().ok()?,
        name: columns.next()?.to_owned(),
        vendor: VENDOR.to_owned(),
        memory_mib: columns.next()?.parse().unwrap_or(0),
        pci_address: columns.next()?.to_owned(),
    })
}

const VENDOR: &str = "NVIDIA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_table_is_read_and_its_errors_are_skipped() {
        let table = "0, Tesla T4, 15360, 00000000:00:1E.0\nNo devices were found\n1, Orin, [N/A], 0\n";
        let gpus = parse(table);
        assert_eq!((gpus[0].name.as_str(), gpus[0].memory_mib), ("Tesla T4", 15360));
        assert_eq!((gpus.len(), gpus[1].memory_mib), (2, 0));
    }
}
