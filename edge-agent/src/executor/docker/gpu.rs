//! Which GPUs are given to which container, and how a container is given one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bacalhau_protocol::model::Gpu;
use bollard::models::{DeviceMapping, DeviceRequest};

use super::container::Hardware;
use super::error::Error;

/// The node's GPUs, and who has them.
pub(super) struct Book {
    all: Vec<Gpu>,
    /// By position in `all`: vendors number their own from 0 each.
    taken: Mutex<BTreeMap<String, Vec<u32>>>,
}

impl Book {
    pub(super) fn new(gpus: &[Gpu]) -> Self {
        Self { all: gpus.to_vec(), taken: Mutex::default() }
    }

    /// Gives an execution as many as it wants; what it had before is given back first.
    pub(super) fn take(&self, execution_id: &str, wanted: u64) -> Result<Hardware, Error> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(execution_id);
        if wanted == 0 {
            return Ok(Hardware::default());
        }
        let is_free = |(position, _): &(u32, &Gpu)| !taken.values().flatten().any(|other| other == position);
        let free: Vec<(u32, &Gpu)> = (0..).zip(&self.all).filter(is_free).collect();
        let count = usize::try_from(wanted).unwrap_or(usize::MAX);
        let Some(given) = free.get(..count) else { return Err(Error::Gpus { wanted, free: free.len() }) };
        let (positions, gpus): (Vec<u32>, Vec<&Gpu>) = given.iter().copied().unzip();
        taken.insert(execution_id.to_owned(), positions.clone());
        Ok(Hardware { gpus: positions, ..hardware(&gpus, Path::new("/dev")) })
    }

    /// Notes what a container of an earlier agent has.
    pub(super) fn has(&self, execution_id: &str, gpus: Vec<u32>) {
        if !gpus.is_empty() {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.insert(execution_id.to_owned(), gpus);
        }
    }

    pub(super) fn give_back(&self, execution_id: &str) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(execution_id);
    }
}

/// NVIDIA's are asked of the engine by index, the others are device files.
fn hardware(gpus: &[&Gpu], dev: &Path) -> Hardware {
    let is_nvidia = |gpu: &&&Gpu| gpu.vendor.eq_ignore_ascii_case("NVIDIA");
    let nvidia: Vec<String> = gpus.iter().filter(is_nvidia).map(|gpu| gpu.index.to_string()).collect();
    let requests = if nvidia.is_empty() {
        Vec::new()
    } else {
        vec![DeviceRequest {
            device_ids: Some(nvidia),
            capabilities: Some(vec![vec!["gpu".to_owned()]]),
            ..DeviceRequest::default()
        }]
    };
    let others = || gpus.iter().filter(|gpu| !is_nvidia(gpu));
    let mut paths: Vec<PathBuf> = others().flat_map(|gpu| render_nodes(gpu, dev)).collect();
    if others().any(|gpu| gpu.vendor.starts_with("AMD")) {
        paths.push(dev.join("kfd"));
    }
    let devices = paths.iter().map(|path| device(path)).collect();
    Hardware { gpus: Vec::new(), requests, devices }
}

/// The card and its render node, found by the address on the bus that the vendor's tool tells.
fn render_nodes(gpu: &Gpu, dev: &Path) -> Vec<PathBuf> {
    let address = gpu.pci_address.to_lowercase();
    ["card", "render"]
        .into_iter()
        .filter_map(|kind| dev.join(format!("dri/by-path/pci-{address}-{kind}")).canonicalize().ok())
        .collect()
}

fn device(path: &Path) -> DeviceMapping {
    let path = path.to_string_lossy().into_owned();
    DeviceMapping {
        path_on_host: Some(path.clone()),
        path_in_container: Some(path),
        cgroup_permissions: Some("rwm".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpu(index: u32, vendor: &str) -> Gpu {
        let pci_address = format!("0000:0{index}:00.0");
        Gpu { index, name: "G".into(), vendor: vendor.into(), memory_mib: 1, pci_address }
    }

    #[test]
    fn a_gpu_is_given_to_one_container_at_a_time() {
        let book = Book::new(&[gpu(0, "NVIDIA"), gpu(1, "NVIDIA")]);
        book.has("adopted", vec![0]);
        let hardware = book.take("e-1", 1).unwrap();
        assert_eq!(hardware.gpus, [1]);
        assert_eq!(hardware.requests[0].device_ids.as_deref(), Some(&["1".to_owned()][..]));
        let refused = book.take("e-2", 1).unwrap_err().to_string();
        assert_eq!(refused, "the task wants 1 GPUs and 0 of this node's are free");
        book.give_back("adopted");
        assert_eq!(book.take("e-2", 1).unwrap().gpus, [0]);
        assert_eq!(book.take("e-3", 0).unwrap(), Hardware::default());
    }

    #[test]
    fn cards_of_others_are_device_files() {
        let dev = tempfile::tempdir().unwrap();
        let by_path = dev.path().join("dri/by-path");
        std::fs::create_dir_all(&by_path).unwrap();
        for kind in ["card", "render"] {
            std::fs::write(by_path.join(format!("pci-0000:03:00.0-{kind}")), "").unwrap();
        }
        let amd = gpu(3, "AMD/ATI");
        let hardware = hardware(&[&amd], &dev.path().canonicalize().unwrap());
        let paths: Vec<_> = hardware.devices.iter().filter_map(|d| d.path_on_host.as_deref()).collect();
        assert_eq!(paths.len(), 3, "{paths:?}");
        assert!(paths[2].ends_with("/kfd"), "{paths:?}");
        assert!(hardware.requests.is_empty());
    }
}
