//! Measured or allocated amounts. All keys are left out when zero, so "nothing" is `{}`.

use serde::{Deserialize, Serialize, Serializer};

use super::tolerant::{is_default, nullable};
use crate::model;

/// What a machine offers, or an execution is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Resources {
    /// Cores.
    #[serde(rename = "CPU", skip_serializing_if = "is_default", serialize_with = "cores")]
    pub cpu: f64,
    /// Bytes.
    #[serde(rename = "Memory", skip_serializing_if = "is_default")]
    pub memory: u64,
    /// Bytes.
    #[serde(rename = "Disk", skip_serializing_if = "is_default")]
    pub disk: u64,
    /// Number of GPUs.
    #[serde(rename = "GPU", skip_serializing_if = "is_default")]
    pub gpu: u64,
    /// Each GPU, where known.
    #[serde(rename = "GPUs", skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub gpus: Vec<Gpu>,
}

/// One GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase", default)]
pub struct Gpu {
    /// Number on its machine.
    pub index: u32,
    /// Model.
    pub name: String,
    /// `NVIDIA`, `AMD/ATI` or `Intel`.
    pub vendor: String,
    /// MiB.
    pub memory: u64,
    /// As `0000:00:1e.0`.
    #[serde(rename = "PCIAddress")]
    pub pci_address: String,
}

impl From<&model::Resources> for Resources {
    fn from(resources: &model::Resources) -> Self {
        Self {
            cpu: millis_to_cores(resources.cpu_millis),
            memory: resources.memory_bytes,
            disk: resources.disk_bytes,
            gpu: resources.gpu,
            gpus: resources.gpus.iter().map(Gpu::from).collect(),
        }
    }
}

impl From<&model::resources::Gpu> for Gpu {
    fn from(gpu: &model::resources::Gpu) -> Self {
        Self {
            index: gpu.index,
            name: gpu.name.clone(),
            vendor: gpu.vendor.clone(),
            memory: gpu.memory_mib,
            pci_address: gpu.pci_address.clone(),
        }
    }
}

fn millis_to_cores(millis: u64) -> f64 {
    // Exact up to 2^53 thousandths of a core.
    millis as f64 / 1000.0
}

/// Whole cores are written as Go does, without `.0`.
#[expect(clippy::cast_possible_truncation, reason = "only whole numbers in i32's range are cast")]
fn cores<S: Serializer>(cores: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if cores.fract() == 0.0 && cores.abs() < f64::from(i32::MAX) {
        serializer.serialize_i64(*cores as i64)
    } else {
        serializer.serialize_f64(*cores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_go_does() {
        let text = |resources: &model::Resources| serde_json::to_string(&Resources::from(resources)).unwrap();
        assert_eq!(text(&model::Resources::default()), "{}");
        let some = model::Resources { cpu_millis: 3200, memory_bytes: 512_000_000, ..Default::default() };
        assert_eq!(text(&some), r#"{"CPU":3.2,"Memory":512000000}"#);
        assert_eq!(text(&model::Resources { cpu_millis: 2000, ..Default::default() }), r#"{"CPU":2}"#);
    }
}
