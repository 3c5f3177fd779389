//! GPUs of AMD and Intel, through their vendors' tools. A machine without the tool has none; one without the driver's
//! device file is not asked.

use std::path::Path;
use std::process::{Command, Stdio};

use bacalhau_protocol::model::Gpu;
use serde_json::Value;

/// Most of a tool's answer that is read, bytes.
const ANSWER_LIMIT: usize = 1 << 20;

/// AMD's compute driver makes this file.
pub(super) fn amd() -> Vec<Gpu> {
    if !Path::new("/dev/kfd").exists() {
        return Vec::new();
    }
    let arguments = ["--showproductname", "--showbus", "--showmeminfo", "vram", "--json"];
    ask("rocm-smi", &arguments).map_or_else(Vec::new, |answer| parse_amd(&answer))
}

/// Every graphics driver makes this folder; only Intel's tool knows which cards are its own.
pub(super) fn intel() -> Vec<Gpu> {
    if !Path::new("/dev/dri").exists() {
        return Vec::new();
    }
    let memory_of = |index: u32| {
        let details = ask("xpu-smi", &["discovery", "-d", &index.to_string(), "-j"])?;
        number(&details["memory_physical_size_byte"])
    };
    ask("xpu-smi", &["discovery", "-j"]).map_or_else(Vec::new, |answer| parse_intel(&answer, memory_of))
}

fn ask(tool: &str, arguments: &[&str]) -> Option<Value> {
    let output =
        Command::new(tool).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let answer = output.stdout.get(..output.stdout.len().min(ANSWER_LIMIT))?;
    serde_json::from_slice(answer).ok().filter(|_| output.status.success())
}

/// `{"card0": {"Card Series": …, "VRAM Total Memory (B)": "…", "PCI Bus": …}}`; capitals differ between versions.
fn parse_amd(answer: &Value) -> Vec<Gpu> {
    let Some(cards) = answer.as_object() else { return Vec::new() };
    let card = |(name, card): (&String, &Value)| {
        let (index, fields) = (name.strip_prefix("card")?.parse().ok()?, card.as_object()?);
        let field = |wanted: &str| {
            fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let text = |wanted| field(wanted).and_then(Value::as_str).unwrap_or_default().to_owned();
        let memory = field("VRAM Total Memory (B)").and_then(number).unwrap_or(0);
        let (vendor, memory_mib) = ("AMD/ATI".to_owned(), memory >> 20);
        Some(Gpu { index, name: text("Card series"), vendor, memory_mib, pci_address: text("PCI Bus") })
    };
    cards.iter().filter_map(card).collect()
}

/// `{"device_list": [{"device_id": 0, "device_name": …, "pci_bdf_address": …}]}`.
fn parse_intel(answer: &Value, memory_of: impl Fn(u32) -> Option<u64>) -> Vec<Gpu> {
    let devices = answer["device_list"].as_array().into_iter().flatten();
    let device = |device: &Value| {
        let index = u32::try_from(device["device_id"].as_u64()?).ok()?;
        let text = |key: &str| device[key].as_str().unwrap_or_default().to_owned();
        Some(Gpu {
            index,
            name: text("device_name"),
            vendor: "Intel".to_owned(),
            memory_mib: memory_of(index).unwrap_or(0) >> 20,
            pci_address: text("pci_bdf_address"),
        })
    };
    devices.filter_map(device).collect()
}

/// The tools write numbers as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amds_answer_is_read() {
        let gpus = parse_amd(&json!({
            "card0": {"VRAM Total Memory (B)": "34342961152", "PCI Bus": "0000:E3:00.0",
                      "Card Series": "Instinct MI100", "Card vendor": "Advanced Micro Devices, Inc. [AMD/ATI]"},
            "system": {"Driver version": "6.1"}
        }));
        let expected = Gpu {
            index: 0,
            name: "Instinct MI100".into(),
            vendor: "AMD/ATI".into(),
            memory_mib: 32_752,
            pci_address: "0000:E3:00.0".into(),
        };
        assert_eq!(gpus, [expected]);
    }

    #[test]
    fn intels_answer_is_read() {
        let answer = json!({"device_list": [
            {"device_id": 1, "device_name": "Flex 170", "pci_bdf_address": "0000:4d:00.0"}, {"odd": true}]});
        let gpus = parse_intel(&answer, |_| Some(16 << 30));
        assert_eq!((gpus.len(), gpus[0].index, gpus[0].memory_mib), (1, 1, 16_384));
        assert_eq!(gpus[0].pci_address, "0000:4d:00.0");
    }

    #[test]
    fn other_answers_mean_no_gpus() {
        for odd in [json!(null), json!([1]), json!({"card": 1, "card0": 2}), json!({"device_list": {}})] {
            assert!(parse_amd(&odd).is_empty(), "{odd}");
            assert!(parse_intel(&odd, |_| None).is_empty(), "{odd}");
        }
    }
}
