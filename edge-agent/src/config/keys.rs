//! Which keys there are.

/// Keys this agent acts on, in the order they are documented.
pub(super) const OWN: &[&str] = &[
    "DataDir",
    "NodeName",
    "NameProvider",
    "Labels",
    "Compute.Orchestrators",
    "Compute.Auth.Token",
    "Compute.AllocatedCapacity.CPU",
    "Compute.AllocatedCapacity.Memory",
    "Compute.AllocatedCapacity.Disk",
    "Compute.AllocatedCapacity.GPU",
    "Compute.AllowListedLocalPaths",
    "Compute.Env.AllowList",
    "Engines.Disabled",
    "InputSources.Disabled",
    "Publishers.Disabled",
    "JobAdmissionControl.Locality",
    "JobAdmissionControl.RejectStatelessJobs",
    "JobAdmissionControl.AcceptNetworkedJobs",
    "JobAdmissionControl.RejectNetworkedJobs",
    "JobAdmissionControl.ProbeExec",
    "JobAdmissionControl.ProbeHTTP",
    "Logging.Level",
    "Logging.Mode",
];

/// Keys and sections of the same file that other programs act on, or that have no effect here: a file may serve a
/// whole fleet. Everything below them is accepted without a word.
const ELSEWHERE: &[&str] = &[
    "API",
    "Compute.Enabled",
    "Compute.Heartbeat",
    "Compute.Network",
    "Compute.TLS",
    "DisableAnalytics",
    "Engines.Types",
    "FeatureFlags",
    "InputSources.MaxRetryCount",
    "InputSources.ReadTimeout",
    "InputSources.Types",
    "JobDefaults",
    "Logging.LogDebugInfoInterval",
    "Orchestrator",
    "Publishers.Types",
    "ResultDownloaders",
    "StrictVersionMatch",
    "UpdateConfig",
    "WebUI",
];

/// Sections whose members are the user's own words.
const MAPS: &[&str] = &["Labels"];

/// Variables that are not spelled after their key; the key's own spelling wins.
pub(super) const ALIASES: &[(&str, &str)] = &[
    ("BACALHAU_PATH", "DataDir"),
    ("BACALHAU_DIR", "DataDir"),
    ("BACALHAU_JOIN", "Compute.Auth.Token"),
    ("LOG_LEVEL", "Logging.Level"),
];

/// The key as documented, for a spelling in any case.
pub(super) fn own(key: &str) -> Option<&'static str> {
    OWN.iter().find(|known| known.eq_ignore_ascii_case(key)).copied()
}

pub(super) fn is_map(key: &str) -> bool {
    MAPS.iter().any(|map| map.eq_ignore_ascii_case(key))
}

pub(super) fn is_elsewhere(key: &str) -> bool {
    ELSEWHERE.iter().any(|section| {
        let same = key.get(..section.len()).is_some_and(|start| start.eq_ignore_ascii_case(section));
        same && matches!(key.as_bytes().get(section.len()), None | Some(b'.'))
    })
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("BACALHAU_{}", key.replace('.', "_").to_ascii_uppercase())
}

/// The key that `key` was probably meant to be.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let wanted = key.to_ascii_lowercase();
    let distance = |known: &&str| edit_distance(&wanted, &known.to_ascii_lowercase());
    let nearest = *OWN.iter().min_by_key(|known| distance(known))?;
    (distance(&nearest) <= wanted.len().div_ceil(4)).then_some(nearest)
}

/// Levenshtein distance in bytes.
fn edit_distance(from: &str, to: &str) -> usize {
    let mut previous: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.bytes().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in to.bytes().enumerate() {
            let replaced = previous[column] + usize::from(a != b);
            current.push(replaced.min(previous[column + 1] + 1).min(current[column] + 1));
        }
        previous = current;
    }
    previous[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_in_any_case() {
        assert_eq!(own("compute.orchestrators"), Some("Compute.Orchestrators"));
        assert!(is_elsewhere("api.port") && is_elsewhere("API") && !is_elsewhere("APIs"));
    }

    #[test]
    fn a_slip_of_the_pen_finds_its_key() {
        assert_eq!(nearest("Compute.Orchestrator"), Some("Compute.Orchestrators"));
        assert_eq!(nearest("compute.allocatedcapacity.ram"), Some("Compute.AllocatedCapacity.CPU"));
        assert_eq!(nearest("Colour"), None);
    }

    #[test]
    fn variables_are_spelled_after_their_keys() {
        assert_eq!(variable("Compute.AllocatedCapacity.CPU"), "BACALHAU_COMPUTE_ALLOCATEDCAPACITY_CPU");
    }
}
