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
    "InputSources.ReadTimeout",
    "InputSources.MaxRetryCount",
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

/// Keys of v1.4, and those that took their place.
pub(super) const RENAMED: &[(&str, &str)] = &[
    ("Node.AllowListedLocalPaths", "Compute.AllowListedLocalPaths"),
    ("Node.Compute.Capacity.TotalResourceLimits.CPU", "Compute.AllocatedCapacity.CPU"),
    ("Node.Compute.Capacity.TotalResourceLimits.Disk", "Compute.AllocatedCapacity.Disk"),
    ("Node.Compute.Capacity.TotalResourceLimits.GPU", "Compute.AllocatedCapacity.GPU"),
    ("Node.Compute.Capacity.TotalResourceLimits.Memory", "Compute.AllocatedCapacity.Memory"),
    ("Node.Compute.ExecutionStore.Path", "Compute.StorePath"),
    ("Node.Compute.JobSelection.AcceptNetworkedJobs", "JobAdmissionControl.AcceptNetworkedJobs"),
    ("Node.Compute.JobSelection.Locality", "JobAdmissionControl.Locality"),
    ("Node.Compute.JobSelection.ProbeExec", "JobAdmissionControl.ProbeExec"),
    ("Node.Compute.JobSelection.ProbeHTTP", "JobAdmissionControl.ProbeHTTP"),
    ("Node.Compute.JobSelection.RejectStatelessJobs", "JobAdmissionControl.RejectStatelessJobs"),
    ("Node.DisabledFeatures.Engines", "Engines.Disabled"),
    ("Node.DisabledFeatures.Publishers", "Publishers.Disabled"),
    ("Node.DisabledFeatures.Storages", "InputSources.Disabled"),
    ("Node.Labels", "Labels"),
    ("Node.LoggingMode", "Logging.Mode"),
    ("Node.Name", "NodeName"),
    ("Node.NameProvider", "NameProvider"),
    ("Node.Network.AuthSecret", "Compute.Auth.Token"),
    ("Node.Network.Orchestrators", "Compute.Orchestrators"),
];

/// Sections whose members are the user's own words.
const MAPS: &[&str] = &["Labels", "Node.Labels"];

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

/// The key that took the place of one of v1.4.
pub(super) fn renamed(key: &str) -> Option<&'static str> {
    RENAMED.iter().find(|(old, _)| old.eq_ignore_ascii_case(key)).map(|(_, new)| *new)
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
    fn keys_of_v1_4_lead_to_keys_of_today() {
        assert!(RENAMED.iter().all(|(old, new)| own(new) == Some(new) && own(old).is_none()));
        assert_eq!(renamed("node.name"), Some("NodeName"));
    }

    #[test]
    fn variables_are_spelled_after_their_keys() {
        assert_eq!(variable("Compute.AllocatedCapacity.CPU"), "BACALHAU_COMPUTE_ALLOCATEDCAPACITY_CPU");
    }
}
