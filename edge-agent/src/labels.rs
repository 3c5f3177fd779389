//! Labels by which jobs find nodes: the operator's, and automatic ones that nobody can override.

use std::collections::BTreeMap;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::BuildInfo;

use crate::capacity::Machine;

/// Longest name or value of a label, bytes (Kubernetes).
const MAX_PART_BYTES: usize = 63;
/// Longest prefix of a label's key, bytes (Kubernetes).
const MAX_PREFIX_BYTES: usize = 253;

/// Keys the agent sets itself, GPUs aside.
const AUTOMATIC: [&str; 9] = [
    "Architecture",
    "Operating-System",
    "agent_version",
    "cpu_model",
    "kernel",
    "name",
    "os_arch",
    "os_type",
    "os_version",
];

/// All labels of a node.
pub fn of(
    configured: &BTreeMap<String, String>,
    node: &NodeId,
    build: &BuildInfo,
    machine: &Machine,
) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = configured
        .iter()
        .filter(|(key, _)| !is_automatic(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let automatic = [
        ("Architecture", build.arch.as_str()),
        ("Operating-System", &build.os),
        ("agent_version", &build.version),
        ("cpu_model", &machine.cpu_model),
        ("kernel", &machine.kernel),
        ("name", node.as_str()),
        ("os_arch", &build.arch),
        ("os_type", &build.os),
        ("os_version", &machine.os_version),
    ];
    labels.extend(
        automatic.map(|(key, text)| (key.to_owned(), tidy(text))).into_iter().filter(|(_, v)| !v.is_empty()),
    );
    for gpu in &machine.resources.gpus {
        labels.insert(format!("GPU-{}", gpu.index), tidy(&gpu.name));
        labels.insert(format!("GPU-{}-Memory", gpu.index), format!("{}-MiB", gpu.memory_mib));
    }
    labels
}

/// Whether the agent sets this label itself.
pub fn is_automatic(key: &str) -> bool {
    let gpu = |rest: &str| {
        let number = rest.strip_suffix("-Memory").unwrap_or(rest);
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    AUTOMATIC.contains(&key) || key.strip_prefix("GPU-").is_some_and(gpu)
}

/// Checks a label of the operator's against the syntax of Kubernetes.
pub fn check(key: &str, value: &str) -> Result<(), String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if !is_part(name) || prefix.is_some_and(|prefix| !is_prefix(prefix)) {
        return Err(format!(
            "label key {key:?} must be letters, digits, '-', '_' or '.' ({MAX_PART_BYTES} at most), \
             beginning and ending with a letter or digit, after an optional DNS name and '/'"
        ));
    }
    if !value.is_empty() && !is_part(value) {
        return Err(format!(
            "label {key}: value {value:?} must be letters, digits, '-', '_' or '.' ({MAX_PART_BYTES} at most), \
             beginning and ending with a letter or digit"
        ));
    }
    Ok(())
}

fn is_part(text: &str) -> bool {
    let ends = |text: &str| {
        let outer = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        outer(text.bytes().next()) && outer(text.bytes().next_back())
    };
    text.len() <= MAX_PART_BYTES && ends(text) && text.chars().all(is_label_character)
}

fn is_prefix(text: &str) -> bool {
    text.len() <= MAX_PREFIX_BYTES
        && text
            .split('.')
            .all(|part| is_part(part) && !part.contains(|c: char| c == '_' || c.is_ascii_uppercase()))
}

fn is_label_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Any text as a label's value: runs of other characters become one dash.
fn tidy(text: &str) -> String {
    let mut value = String::new();
    for c in text.chars() {
        let c = if is_label_character(c) { c } else { '-' };
        if value.len() < MAX_PART_BYTES && !(c == '-' && value.ends_with('-')) {
            value.push(c);
        }
    }
    value.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::{Gpu, Resources};

    use super::*;

    fn machine() -> Machine {
        let gpu = Gpu {
            index: 0,
            name: "Tesla T4".to_owned(),
            vendor: "NVIDIA".to_owned(),
            memory_mib: 15360,
            pci_address: String::new(),
        };
        Machine {
            resources: Resources { gpu: 1, gpus: vec![gpu], ..Resources::default() },
            os_version: "12".to_owned(),
            kernel: "6.1.0+rpt-rpi-v8".to_owned(),
            cpu_model: "Cortex-A72 (4 cores) ".to_owned(),
        }
    }

    fn labels(configured: &[(&str, &str)]) -> BTreeMap<String, String> {
        let configured = configured.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let build = BuildInfo {
            version: "v1.0".to_owned(),
            os: "linux".to_owned(),
            arch: "arm64".to_owned(),
            ..BuildInfo::default()
        };
        of(&configured, &NodeId::parse("gateway-7").unwrap(), &build, &machine())
    }

    #[test]
    fn a_node_says_what_it_is() {
        let shown: Vec<String> = labels(&[("zone", "a")]).iter().map(|(k, v)| format!("{k}={v}")).collect();
        let expected = [
            "Architecture=arm64",
            "GPU-0=Tesla-T4",
            "GPU-0-Memory=15360-MiB",
            "Operating-System=linux",
            "agent_version=v1.0",
            "cpu_model=Cortex-A72-4-cores",
            "kernel=6.1.0-rpt-rpi-v8",
            "name=gateway-7",
            "os_arch=arm64",
            "os_type=linux",
            "os_version=12",
            "zone=a",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn automatic_labels_win_and_cannot_be_made_up() {
        let labels = labels(&[("os_arch", "vax"), ("GPU-7", "H100"), ("GPU-colour", "red")]);
        assert_eq!(labels["os_arch"], "arm64");
        assert!(!labels.contains_key("GPU-7"));
        assert_eq!(labels["GPU-colour"], "red");
    }

    #[test]
    fn labels_follow_kubernetes() {
        for (key, value) in [("zone", "a"), ("example.com/tier", ""), ("a_b.c-d", "1.5"), ("x", "A_b")] {
            assert_eq!(check(key, value), Ok(()), "{key}={value}");
        }
        let long = "x".repeat(64);
        for (key, value) in [
            ("", "a"),
            ("-a", "a"),
            ("a b", "a"),
            ("a", "b c"),
            ("Ex.com/a", ""),
            ("/a", ""),
            ("a/b/c", ""),
            ("a", "-"),
        ] {
            assert!(check(key, value).is_err(), "{key}={value}");
        }
        assert!(check(&long, "").is_err() && check("a", &long).is_err());
    }
}
