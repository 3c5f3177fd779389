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
    "Compute.StorePath",
    "Compute.Network.PortRangeStart",
    "Compute.Network.PortRangeEnd",
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
    "Compute.Network.AdvertisedAddress",
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
    ("BACALHAU_COMPUTE_STORE_PATH", "Compute.StorePath"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_in_any_case() {
        assert_eq!(own("compute.orchestrators"), Some("Compute.Orchestrators"));
        assert!(is_elsewhere("api.port") && is_elsewhere("API") && !is_elsewhere("APIs"));
    }

    #[test]
    fn variables_are_spelled_after_their_keys() {
        assert_eq!(variable("Compute.AllocatedCapacity.CPU"), "BACALHAU_COMPUTE_ALLOCATEDCAPACITY_CPU");
    }
}
