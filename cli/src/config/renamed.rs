//! Keys of v1.4, which still work (config.md section 9).

/// A key of v1.4.
#[derive(Debug)]
pub struct Renamed {
    /// Its name, compared without regard to case.
    pub old: &'static str,
    /// The keys of today that it sets; none where nothing takes its place.
    pub new: &'static [&'static str],
}

/// The key of v1.4 of this name, in any case.
pub fn find(name: &str) -> Option<&'static Renamed> {
    RENAMED.iter().find(|renamed| renamed.old.eq_ignore_ascii_case(name))
}

/// The key of v1.4 that an environment variable is spelled after.
pub fn find_by_variable(variable: &str) -> Option<&'static Renamed> {
    let path = variable.strip_prefix("BACALHAU_")?;
    RENAMED.iter().find(|renamed| renamed.old.replace('.', "_").eq_ignore_ascii_case(path))
}

/// Whether some key of v1.4 lies below this section.
pub fn is_section(path: &str) -> bool {
    RENAMED.iter().any(|renamed| {
        renamed.old.get(..path.len()).is_some_and(|start| start.eq_ignore_ascii_case(path))
            && renamed.old[path.len()..].starts_with('.')
    })
}

impl Renamed {
    /// v1.4 had one set of keys for servers and one for clients. Whether this one is for the other.
    pub fn is_for_others(&self, serving: bool) -> bool {
        let other = if serving { "Node.ClientAPI." } else { "Node.ServerAPI." };
        self.old.starts_with(other)
    }

    /// `Node.Type` is a list of roles; every other key keeps its value.
    pub fn is_roles(&self) -> bool {
        self.old == "Node.Type"
    }

    /// What to write instead.
    pub fn advice(&self) -> String {
        match self.new {
            [] => format!("{} has no effect any more", self.old),
            new => format!("{} has a new name: {}", self.old, new.join(", ")),
        }
    }
}

const fn is(old: &'static str, new: &'static [&'static str]) -> Renamed {
    Renamed { old, new }
}

#[rustfmt::skip]
const RENAMED: &[Renamed] = &[
    is("Auth.AccessPolicyPath", &["API.Auth.AccessPolicyPath"]),
    is("Auth.Methods", &["API.Auth.Methods"]),
    is("Auth.TokensPath", &[]),
    is("Node.AllowListedLocalPaths", &["Compute.AllowListedLocalPaths"]),
    is("Node.ClientAPI.ClientTLS.CACert", &["API.TLS.CAFile"]),
    is("Node.ClientAPI.ClientTLS.Insecure", &["API.TLS.Insecure"]),
    is("Node.ClientAPI.ClientTLS.UseTLS", &["API.TLS.UseTLS"]),
    is("Node.ClientAPI.Host", &["API.Host"]),
    is("Node.ClientAPI.Port", &["API.Port"]),
    is("Node.Compute.Capacity.DefaultJobResourceLimits.CPU", &["JobDefaults.Batch.Task.Resources.CPU", "JobDefaults.Daemon.Task.Resources.CPU", "JobDefaults.Ops.Task.Resources.CPU", "JobDefaults.Service.Task.Resources.CPU"]),
    is("Node.Compute.Capacity.DefaultJobResourceLimits.Disk", &["JobDefaults.Batch.Task.Resources.Disk", "JobDefaults.Daemon.Task.Resources.Disk", "JobDefaults.Ops.Task.Resources.Disk", "JobDefaults.Service.Task.Resources.Disk"]),
    is("Node.Compute.Capacity.DefaultJobResourceLimits.GPU", &["JobDefaults.Batch.Task.Resources.GPU", "JobDefaults.Daemon.Task.Resources.GPU", "JobDefaults.Ops.Task.Resources.GPU", "JobDefaults.Service.Task.Resources.GPU"]),
    is("Node.Compute.Capacity.DefaultJobResourceLimits.Memory", &["JobDefaults.Batch.Task.Resources.Memory", "JobDefaults.Daemon.Task.Resources.Memory", "JobDefaults.Ops.Task.Resources.Memory", "JobDefaults.Service.Task.Resources.Memory"]),
    is("Node.Compute.Capacity.IgnorePhysicalResourceLimits", &[]),
    is("Node.Compute.Capacity.JobResourceLimits.CPU", &[]),
    is("Node.Compute.Capacity.JobResourceLimits.Disk", &[]),
    is("Node.Compute.Capacity.JobResourceLimits.GPU", &[]),
    is("Node.Compute.Capacity.JobResourceLimits.Memory", &[]),
    is("Node.Compute.Capacity.TotalResourceLimits.CPU", &["Compute.AllocatedCapacity.CPU"]),
    is("Node.Compute.Capacity.TotalResourceLimits.Disk", &["Compute.AllocatedCapacity.Disk"]),
    is("Node.Compute.Capacity.TotalResourceLimits.GPU", &["Compute.AllocatedCapacity.GPU"]),
    is("Node.Compute.Capacity.TotalResourceLimits.Memory", &["Compute.AllocatedCapacity.Memory"]),
    is("Node.Compute.ExecutionStore.Path", &["Compute.StorePath"]),
    is("Node.Compute.ExecutionStore.Type", &[]),
    is("Node.Compute.JobSelection.AcceptNetworkedJobs", &["JobAdmissionControl.AcceptNetworkedJobs"]),
    is("Node.Compute.JobSelection.Locality", &["JobAdmissionControl.Locality"]),
    is("Node.Compute.JobSelection.ProbeExec", &["JobAdmissionControl.ProbeExec"]),
    is("Node.Compute.JobSelection.ProbeHTTP", &["JobAdmissionControl.ProbeHTTP"]),
    is("Node.Compute.JobSelection.RejectStatelessJobs", &["JobAdmissionControl.RejectStatelessJobs"]),
    is("Node.Compute.JobTimeouts.DefaultJobExecutionTimeout", &["JobDefaults.Batch.Task.Timeouts.ExecutionTimeout", "JobDefaults.Ops.Task.Timeouts.ExecutionTimeout"]),
    is("Node.Compute.LocalPublisher.Address", &["Publishers.Types.Local.Address"]),
    is("Node.Compute.LocalPublisher.Port", &["Publishers.Types.Local.Port"]),
    is("Node.Compute.ManifestCache.Duration", &["Engines.Types.Docker.ManifestCache.TTL"]),
    is("Node.Compute.ManifestCache.Frequency", &["Engines.Types.Docker.ManifestCache.Refresh"]),
    is("Node.Compute.ManifestCache.Size", &["Engines.Types.Docker.ManifestCache.Size"]),
    is("Node.DisabledFeatures.Engines", &["Engines.Disabled"]),
    is("Node.DisabledFeatures.Publishers", &["Publishers.Disabled"]),
    is("Node.DisabledFeatures.Storages", &["InputSources.Disabled"]),
    is("Node.IPFS.Connect", &["InputSources.Types.IPFS.Endpoint", "Publishers.Types.IPFS.Endpoint", "ResultDownloaders.Types.IPFS.Endpoint"]),
    is("Node.Labels", &["Labels"]),
    is("Node.LoggingMode", &["Logging.Mode"]),
    is("Node.Name", &["NodeName"]),
    is("Node.NameProvider", &["NameProvider"]),
    is("Node.Network.AdvertisedAddress", &["Orchestrator.Advertise"]),
    is("Node.Network.AuthSecret", &["Orchestrator.Auth.Token", "Compute.Auth.Token"]),
    is("Node.Network.Cluster.AdvertisedAddress", &["Orchestrator.Cluster.Advertise"]),
    is("Node.Network.Cluster.Name", &["Orchestrator.Cluster.Name"]),
    is("Node.Network.Cluster.Peers", &["Orchestrator.Cluster.Peers"]),
    is("Node.Network.Cluster.Port", &["Orchestrator.Cluster.Port"]),
    is("Node.Network.Orchestrators", &["Compute.Orchestrators"]),
    is("Node.Network.Port", &["Orchestrator.Port"]),
    is("Node.Requester.DefaultPublisher", &["JobDefaults.Batch.Task.Publisher.Type", "JobDefaults.Ops.Task.Publisher.Type"]),
    is("Node.Requester.JobStore.Path", &["Orchestrator.StorePath"]),
    is("Node.Requester.JobStore.Type", &[]),
    is("Node.Requester.ManualNodeApproval", &["Orchestrator.NodeManager.ManualApproval"]),
    is("Node.ServerAPI.Host", &["API.Host"]),
    is("Node.ServerAPI.Port", &["API.Port"]),
    is("Node.ServerAPI.TLS.AutoCert", &["API.TLS.AutoCert"]),
    is("Node.ServerAPI.TLS.AutoCertCachePath", &["API.TLS.AutoCertCachePath"]),
    is("Node.ServerAPI.TLS.SelfSigned", &["API.TLS.SelfSigned"]),
    is("Node.ServerAPI.TLS.ServerCertificate", &["API.TLS.CertFile"]),
    is("Node.ServerAPI.TLS.ServerKey", &["API.TLS.KeyFile"]),
    is("Node.Type", &["Orchestrator.Enabled", "Compute.Enabled"]),
    is("Node.WebUI.Enabled", &["WebUI.Enabled"]),
    is("Node.WebUI.Port", &[]),
    is("Update.CheckFrequency", &["UpdateConfig.Interval"]),
    is("Update.SkipChecks", &[]),
    is("User.KeyPath", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn every_new_name_is_a_key_and_no_old_one_is() {
        for renamed in RENAMED {
            assert!(keys::find(renamed.old).is_none(), "{}", renamed.old);
            for new in renamed.new {
                assert!(keys::find(new).is_some(), "{new}");
            }
        }
        assert!(is_section("node.compute") && !is_section("Node.Type"));
    }

    #[test]
    fn servers_and_clients_have_their_own() {
        assert!(
            find("node.clientapi.host")
                .is_some_and(|old| old.is_for_others(true) && !old.is_for_others(false))
        );
        let found = find_by_variable("BACALHAU_NODE_SERVERAPI_PORT");
        assert!(found.is_some_and(|old| old.is_for_others(false) && old.new == ["API.Port"]));
    }
}
