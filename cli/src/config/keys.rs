//! Every configuration key: its name, type, default and what it is for (config.md section 2).

/// One configuration key.
#[derive(Debug)]
pub struct Key {
    /// Dotted path, in the spelling shown to people; compared without regard to case.
    pub name: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// As it would be written after `=`; empty when there is none.
    pub default: &'static str,
    /// What it changes, in a few words.
    pub about: &'static str,
    /// Whether this version acts on it. Setting another one is worth a warning.
    pub effective: bool,
}

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// `true` or `false`, and the other spellings of Go.
    Bool,
    /// A whole number.
    Integer,
    /// A Go duration.
    Duration,
    /// Texts; separated by commas where they stand on one line.
    List,
    /// Names and texts; `a=1,b=2` on one line.
    Map,
    /// Only a file can hold it.
    Structure,
}

/// The key of this name, in any case.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

/// Whether some key lies below this section.
pub fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| {
        key.name.get(..path.len()).is_some_and(|start| start.eq_ignore_ascii_case(path))
            && key.name[path.len()..].starts_with('.')
    })
}

/// The key an environment variable sets: `BACALHAU_API_PORT` is `API.Port`, and a few names of their own.
pub fn find_by_variable(variable: &str) -> Option<&'static Key> {
    match variable {
        "BACALHAU_DIR" | "BACALHAU_PATH" => return find("DataDir"),
        "BACALHAU_JOIN" => return find("Compute.Auth.Token"),
        "LOG_LEVEL" => return find("Logging.Level"),
        _ => {}
    }
    let path = variable.strip_prefix("BACALHAU_")?;
    KEYS.iter().find(|key| key.name.replace('.', "_").eq_ignore_ascii_case(path))
}

const LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error", "fatal", "panic"];
const MODES: &[&str] = &["default", "json", "station", "combined", "event"];
const NAME_PROVIDERS: &[&str] = &["hostname", "aws", "gcp", "uuid", "puuid"];
const LOCALITIES: &[&str] = &["anywhere", "local"];

const fn used(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, about, effective: true }
}

const fn unused(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, about, effective: false }
}

/// Sorted by name.
pub const KEYS: &[Key] = &[
    unused("API.Auth.AccessPolicyPath", Kind::Text, "", "policy applied to every request"),
    unused("API.Auth.Methods", Kind::Structure, "", "ways to log in"),
    unused("API.Auth.Oauth2.Audience", Kind::Text, "", "single sign-on"),
    unused("API.Auth.Oauth2.DeviceAuthorizationEndpoint", Kind::Text, "", "single sign-on"),
    unused("API.Auth.Oauth2.DeviceClientID", Kind::Text, "", "single sign-on"),
    unused("API.Auth.Oauth2.Issuer", Kind::Text, "", "single sign-on"),
    unused("API.Auth.Oauth2.JWKSUri", Kind::Text, "", "single sign-on"),
    unused("API.Auth.Oauth2.PollingInterval", Kind::Integer, "0", "single sign-on, seconds"),
    unused("API.Auth.Oauth2.ProviderID", Kind::Text, "", "single sign-on"),
    unused("API.Auth.Oauth2.ProviderName", Kind::Text, "", "single sign-on"),
    unused("API.Auth.Oauth2.Scopes", Kind::List, "", "single sign-on"),
    unused("API.Auth.Oauth2.TokenEndpoint", Kind::Text, "", "single sign-on"),
    unused("API.Auth.Users", Kind::Structure, "", "users of the API"),
    used("API.Host", Kind::Text, "127.0.0.1", "address the API listens on, or that a client talks to"),
    used("API.Port", Kind::Integer, "1234", "port of the API"),
    unused("API.TLS.AutoCert", Kind::Text, "", "TLS of the API"),
    unused("API.TLS.AutoCertCachePath", Kind::Text, "", "TLS of the API"),
    unused("API.TLS.CAFile", Kind::Text, "", "TLS of the API"),
    unused("API.TLS.CertFile", Kind::Text, "", "TLS of the API"),
    unused("API.TLS.Insecure", Kind::Bool, "false", "TLS of the API"),
    unused("API.TLS.KeyFile", Kind::Text, "", "TLS of the API"),
    unused("API.TLS.SelfSigned", Kind::Bool, "false", "TLS of the API"),
    unused("API.TLS.UseTLS", Kind::Bool, "false", "TLS of the API"),
    used("Compute.AllocatedCapacity.CPU", Kind::Text, "80%", "share of the machine offered to jobs"),
    used("Compute.AllocatedCapacity.Disk", Kind::Text, "80%", "share of the machine offered to jobs"),
    used("Compute.AllocatedCapacity.GPU", Kind::Text, "100%", "share of the machine offered to jobs"),
    used("Compute.AllocatedCapacity.Memory", Kind::Text, "80%", "share of the machine offered to jobs"),
    used("Compute.AllowListedLocalPaths", Kind::List, "", "host paths jobs may mount, PATTERN[:ro|:rw]"),
    used("Compute.Auth.Token", Kind::Text, "", "join string of the orchestrator, <ca-fingerprint>.<secret>"),
    used("Compute.Enabled", Kind::Bool, "false", "this node runs jobs"),
    used("Compute.Env.AllowList", Kind::List, "", "host environment variables jobs may receive"),
    unused("Compute.Heartbeat.InfoUpdateInterval", Kind::Duration, "1m0s", "changes are sent as they happen"),
    unused("Compute.Heartbeat.Interval", Kind::Duration, "15s", "the transport keeps the connection alive"),
    unused(
        "Compute.Heartbeat.ResourceUpdateInterval",
        Kind::Duration,
        "30s",
        "changes are sent as they happen",
    ),
    unused("Compute.Network.AdvertisedAddress", Kind::Text, "", "address for ports exposed by jobs"),
    unused("Compute.Network.PortRangeEnd", Kind::Integer, "32000", "ports handed to jobs"),
    unused("Compute.Network.PortRangeStart", Kind::Integer, "20000", "ports handed to jobs"),
    used("Compute.Orchestrators", Kind::List, "nats://127.0.0.1:4222", "orchestrators to join"),
    unused("Compute.TLS.CACert", Kind::Text, "", "the join string pins the authority"),
    unused("Compute.TLS.RequireTLS", Kind::Bool, "false", "the link is always encrypted"),
    used("DataDir", Kind::Text, "", "directory of everything that is kept; ~/.bacalhau when unset"),
    used("DisableAnalytics", Kind::Bool, "false", "send no usage reports; none are ever sent"),
    used("Engines.Disabled", Kind::List, "", "engines switched off"),
    unused(
        "Engines.Types.Docker.ManifestCache.Refresh",
        Kind::Duration,
        "1h0m0s",
        "period of refreshing image manifests",
    ),
    unused("Engines.Types.Docker.ManifestCache.Size", Kind::Integer, "1000", "remembered image manifests"),
    unused(
        "Engines.Types.Docker.ManifestCache.TTL",
        Kind::Duration,
        "1h0m0s",
        "age of remembered image manifests",
    ),
    unused("FeatureFlags.ExecTranslation", Kind::Bool, "false", "experimental"),
    used("InputSources.Disabled", Kind::List, "", "kinds of input source switched off"),
    unused("InputSources.MaxRetryCount", Kind::Integer, "3", "attempts per input"),
    unused("InputSources.ReadTimeout", Kind::Duration, "5m0s", "limit for fetching one input"),
    unused("InputSources.Types.IPFS.Endpoint", Kind::Text, "", "IPFS node for inputs"),
    used("JobAdmissionControl.AcceptNetworkedJobs", Kind::Bool, "false", "accept jobs that use the network"),
    used(
        "JobAdmissionControl.Locality",
        Kind::Choice(LOCALITIES),
        "anywhere",
        "`local`: only jobs whose inputs are on this node",
    ),
    unused("JobAdmissionControl.ProbeExec", Kind::Text, "", "command asked about every job"),
    unused("JobAdmissionControl.ProbeHTTP", Kind::Text, "", "URL asked about every job"),
    used(
        "JobAdmissionControl.RejectNetworkedJobs",
        Kind::Bool,
        "false",
        "refuse jobs that use the network, whatever else is set",
    ),
    used("JobAdmissionControl.RejectStatelessJobs", Kind::Bool, "false", "refuse jobs without inputs"),
    used("JobDefaults.Batch.Priority", Kind::Integer, "0", "for jobs that give none"),
    used("JobDefaults.Batch.Task.Publisher.Params", Kind::Map, "", "for tasks that give none"),
    used("JobDefaults.Batch.Task.Publisher.Type", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Batch.Task.Resources.CPU", Kind::Text, "500m", "for tasks that give none"),
    used("JobDefaults.Batch.Task.Resources.Disk", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Batch.Task.Resources.GPU", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Batch.Task.Resources.Memory", Kind::Text, "512Mb", "for tasks that give none"),
    used(
        "JobDefaults.Batch.Task.Timeouts.ExecutionTimeout",
        Kind::Duration,
        "0s",
        "for tasks that give none; 0 is no limit",
    ),
    used(
        "JobDefaults.Batch.Task.Timeouts.TotalTimeout",
        Kind::Duration,
        "0s",
        "for tasks that give none; 0 is no limit",
    ),
    used("JobDefaults.Daemon.Priority", Kind::Integer, "0", "for jobs that give none"),
    used("JobDefaults.Daemon.Task.Resources.CPU", Kind::Text, "500m", "for tasks that give none"),
    used("JobDefaults.Daemon.Task.Resources.Disk", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Daemon.Task.Resources.GPU", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Daemon.Task.Resources.Memory", Kind::Text, "512Mb", "for tasks that give none"),
    used("JobDefaults.Ops.Priority", Kind::Integer, "0", "for jobs that give none"),
    used("JobDefaults.Ops.Task.Publisher.Params", Kind::Map, "", "for tasks that give none"),
    used("JobDefaults.Ops.Task.Publisher.Type", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Ops.Task.Resources.CPU", Kind::Text, "500m", "for tasks that give none"),
    used("JobDefaults.Ops.Task.Resources.Disk", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Ops.Task.Resources.GPU", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Ops.Task.Resources.Memory", Kind::Text, "512Mb", "for tasks that give none"),
    used(
        "JobDefaults.Ops.Task.Timeouts.ExecutionTimeout",
        Kind::Duration,
        "0s",
        "for tasks that give none; 0 is no limit",
    ),
    used(
        "JobDefaults.Ops.Task.Timeouts.TotalTimeout",
        Kind::Duration,
        "0s",
        "for tasks that give none; 0 is no limit",
    ),
    used("JobDefaults.Service.Priority", Kind::Integer, "0", "for jobs that give none"),
    used("JobDefaults.Service.Task.Resources.CPU", Kind::Text, "500m", "for tasks that give none"),
    used("JobDefaults.Service.Task.Resources.Disk", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Service.Task.Resources.GPU", Kind::Text, "", "for tasks that give none"),
    used("JobDefaults.Service.Task.Resources.Memory", Kind::Text, "512Mb", "for tasks that give none"),
    used("Labels", Kind::Map, "", "labels of this node, for choosing nodes"),
    used("Logging.Level", Kind::Choice(LEVELS), "info", "least important event that is logged"),
    unused("Logging.LogDebugInfoInterval", Kind::Duration, "30s", "period of debug statistics in the log"),
    used("Logging.Mode", Kind::Choice(MODES), "default", "form of log lines"),
    used("NameProvider", Kind::Choice(NAME_PROVIDERS), "puuid", "how a new node gets its name"),
    used("NodeName", Kind::Text, "", "name of a new node; kept from its first start on"),
    used("Orchestrator.Advertise", Kind::Text, "", "address announced to compute nodes"),
    used(
        "Orchestrator.Auth.Token",
        Kind::Text,
        "",
        "secret compute nodes must present; generated when unset",
    ),
    unused("Orchestrator.Cluster.Advertise", Kind::Text, "", "several orchestrators"),
    unused("Orchestrator.Cluster.Host", Kind::Text, "", "several orchestrators"),
    unused("Orchestrator.Cluster.Name", Kind::Text, "", "several orchestrators"),
    unused("Orchestrator.Cluster.Peers", Kind::List, "", "several orchestrators"),
    unused("Orchestrator.Cluster.Port", Kind::Integer, "0", "several orchestrators"),
    used("Orchestrator.Enabled", Kind::Bool, "false", "this node schedules jobs"),
    unused(
        "Orchestrator.EvaluationBroker.MaxRetryCount",
        Kind::Integer,
        "10",
        "deliveries before an evaluation counts as failed",
    ),
    unused(
        "Orchestrator.EvaluationBroker.VisibilityTimeout",
        Kind::Duration,
        "1m0s",
        "a claimed evaluation is requeued after this",
    ),
    used("Orchestrator.Host", Kind::Text, "0.0.0.0", "address compute nodes connect to"),
    used(
        "Orchestrator.NodeManager.DisconnectTimeout",
        Kind::Duration,
        "1m0s",
        "silence after which a node counts as disconnected",
    ),
    used("Orchestrator.NodeManager.ManualApproval", Kind::Bool, "false", "new nodes wait for `node approve`"),
    used("Orchestrator.Port", Kind::Integer, "4222", "UDP port compute nodes connect to"),
    unused(
        "Orchestrator.Scheduler.HousekeepingInterval",
        Kind::Duration,
        "30s",
        "period of the check for timeouts and lost nodes",
    ),
    unused("Orchestrator.Scheduler.HousekeepingTimeout", Kind::Duration, "2m0s", "limit of one such check"),
    used(
        "Orchestrator.Scheduler.QueueBackoff",
        Kind::Duration,
        "1m0s",
        "pause before a job that could not be placed is tried again",
    ),
    unused(
        "Orchestrator.Scheduler.WorkerCount",
        Kind::Integer,
        "0",
        "parallel scheduling workers; 0 is one per CPU",
    ),
    unused("Orchestrator.SupportReverseProxy", Kind::Bool, "false", "a proxy stands before the API"),
    unused(
        "Orchestrator.TLS.CACert",
        Kind::Text,
        "",
        "TLS of the node network; an authority of its own is made on first start",
    ),
    unused(
        "Orchestrator.TLS.ServerCert",
        Kind::Text,
        "",
        "TLS of the node network; an authority of its own is made on first start",
    ),
    unused(
        "Orchestrator.TLS.ServerKey",
        Kind::Text,
        "",
        "TLS of the node network; an authority of its own is made on first start",
    ),
    unused("Orchestrator.TLS.ServerTimeout", Kind::Integer, "0", "TLS of the node network, seconds"),
    used("Publishers.Disabled", Kind::List, "", "publishers switched off"),
    unused("Publishers.Types.IPFS.Endpoint", Kind::Text, "", "IPFS node for results"),
    unused(
        "Publishers.Types.Local.Address",
        Kind::Text,
        "127.0.0.1",
        "results come home through the link; nothing listens",
    ),
    unused(
        "Publishers.Types.Local.Port",
        Kind::Integer,
        "6001",
        "results come home through the link; nothing listens",
    ),
    unused("Publishers.Types.S3.PreSignedURLDisabled", Kind::Bool, "false", "hand out no pre-signed URLs"),
    unused("Publishers.Types.S3.PreSignedURLExpiration", Kind::Duration, "0s", "age of pre-signed URLs"),
    unused("Publishers.Types.S3Managed.Bucket", Kind::Text, "", "bucket managed by the orchestrator"),
    unused("Publishers.Types.S3Managed.Endpoint", Kind::Text, "", "bucket managed by the orchestrator"),
    unused("Publishers.Types.S3Managed.Key", Kind::Text, "", "bucket managed by the orchestrator"),
    unused(
        "Publishers.Types.S3Managed.PreSignedURLExpiration",
        Kind::Duration,
        "1h0m0s",
        "bucket managed by the orchestrator",
    ),
    unused("Publishers.Types.S3Managed.Region", Kind::Text, "", "bucket managed by the orchestrator"),
    unused("ResultDownloaders.Disabled", Kind::List, "", "downloaders switched off"),
    unused("ResultDownloaders.Timeout", Kind::Duration, "0s", "`job get` has a flag for it"),
    unused("ResultDownloaders.Types.IPFS.Endpoint", Kind::Text, "", "IPFS node for downloads"),
    unused("StrictVersionMatch", Kind::Bool, "false", "refuse peers of another version"),
    unused("UpdateConfig.Interval", Kind::Duration, "24h0m0s", "period of the update check; none is made"),
    unused("WebUI.Backend", Kind::Text, "", "API behind the web interface"),
    unused("WebUI.Enabled", Kind::Bool, "false", "serve the web interface"),
    unused("WebUI.Listen", Kind::Text, "0.0.0.0:8438", "address of the web interface"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::Value;

    #[test]
    fn every_default_is_a_value_of_its_key() {
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            Value::parse(key.kind, key.default).unwrap_or_else(|error| panic!("{}: {error}", key.name));
        }
    }

    #[test]
    fn keys_are_sorted_and_unique() {
        assert!(KEYS.windows(2).all(|pair| pair[0].name.to_lowercase() < pair[1].name.to_lowercase()));
    }

    #[test]
    fn names_are_found_in_any_case_and_by_variable() {
        assert_eq!(find("api.port").map(|key| key.name), Some("API.Port"));
        assert_eq!(
            find_by_variable("BACALHAU_COMPUTE_ALLOCATEDCAPACITY_CPU").map(|key| key.name),
            Some("Compute.AllocatedCapacity.CPU")
        );
        assert_eq!(find_by_variable("BACALHAU_DIR").map(|key| key.name), Some("DataDir"));
        assert!(find_by_variable("BACALHAU_API_KEY").is_none());
        assert!(is_section("jobdefaults.ops") && !is_section("API.Port") && !is_section("AP"));
    }
}
