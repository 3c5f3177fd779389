//! The keys, sorted by name. `docs/configuration.md` is written from this table.

use super::Form::{Cpu, CpuShare, Disk, DiskShare, Gpu, GpuShare, Memory, MemoryShare, Path, Url};
use super::Key;
use super::Kind::{self, Bool, Choice, Count, Duration, Form, Integer, List, Map, Port, Structure, Text};

const fn used(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, about, idle: None }
}

const fn idle(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
    why: &'static str,
) -> Key {
    Key { name, kind, default, about, idle: Some(why) }
}

const LEVELS: Kind = Choice(&["trace", "debug", "info", "warn", "error", "fatal", "panic"]);
const MODES: Kind = Choice(&["default", "station", "json", "combined", "event"]);
const NAMES: Kind = Choice(&["hostname", "aws", "gcp", "uuid", "puuid"]);
const LOCALITIES: Kind = Choice(&["anywhere", "local"]);

const SSO: &str = "single sign-on is not offered by this server";
const USERS: &str = "the API has no users yet: it listens on this machine only unless it is told otherwise";
const ACME: &str =
    "certificates are not fetched; give CertFile and KeyFile, which a tool such as certbot keeps fresh";
const ONE: &str = "there is one orchestrator; nodes may be given several addresses of it";
const LINK: &str = "the link between nodes is always encrypted, under an authority made at the first start";
const EVENTS: &str = "changes are sent as they happen, and the transport keeps the connection alive";
const EVALUATIONS: &str = "evaluations run in the commit that causes them; none is claimed, lost or retried";
const IPFS: &str = "IPFS is not supported yet";
const S3: &str = "results are not sent to S3 yet";
const DOCKER: &str = "nothing of a registry is remembered: the engine says which images it has";
const HOME: &str = "results come home over the link; nothing listens on the node";
const WEBUI: &str = "there is no web interface";
const PORTS: &str = "ports of jobs are reached under the node's own addresses";

const SHARE: &str = "how much of this machine is offered to jobs";
const CPU: &str = "for tasks that give none";
const NONE: &str = "for tasks that give none; empty is none";
const LIMIT: &str = "for tasks that give none; 0 is no limit";

const fn priority(name: &'static str) -> Key {
    used(name, Integer, "0", "for jobs that give none; higher goes first")
}
const fn cpu(name: &'static str) -> Key {
    used(name, Form(Cpu), "500m", CPU)
}
const fn disk(name: &'static str) -> Key {
    used(name, Form(Disk), "", NONE)
}
const fn gpu(name: &'static str) -> Key {
    used(name, Form(Gpu), "", NONE)
}
const fn memory(name: &'static str) -> Key {
    used(name, Form(Memory), "512Mb", CPU)
}
const fn params(name: &'static str) -> Key {
    used(name, Map, "", "parameters of that publisher")
}
const fn publisher(name: &'static str) -> Key {
    used(name, Text, "", "publisher of tasks that give none")
}
const fn limit(name: &'static str) -> Key {
    used(name, Duration, "0s", LIMIT)
}

/// Sorted by name.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    idle("API.Auth.AccessPolicyPath", Form(Path), "", "policy asked about every request", USERS),
    idle("API.Auth.Methods", Structure, "", "ways to log in", USERS),
    idle("API.Auth.Oauth2.Audience", Text, "", "single sign-on", SSO),
    idle("API.Auth.Oauth2.DeviceAuthorizationEndpoint", Text, "", "single sign-on", SSO),
    idle("API.Auth.Oauth2.DeviceClientID", Text, "", "single sign-on", SSO),
    idle("API.Auth.Oauth2.Issuer", Text, "", "single sign-on", SSO),
    idle("API.Auth.Oauth2.JWKSUri", Text, "", "single sign-on", SSO),
    idle("API.Auth.Oauth2.PollingInterval", Count, "0", "single sign-on, seconds", SSO),
    idle("API.Auth.Oauth2.ProviderID", Text, "", "single sign-on", SSO),
    idle("API.Auth.Oauth2.ProviderName", Text, "", "single sign-on", SSO),
    idle("API.Auth.Oauth2.Scopes", List, "", "single sign-on", SSO),
    idle("API.Auth.Oauth2.TokenEndpoint", Text, "", "single sign-on", SSO),
    idle("API.Auth.Users", Structure, "", "users of the API", USERS),
    used("API.Host", Text, "127.0.0.1", "address the API listens on, or that a client talks to: an address, a name, or one of loopback, linklocal, private, public and any"),
    used("API.Port", Port, "1234", "TCP port of the API"),
    idle("API.TLS.AutoCert", Text, "", "names to fetch certificates for", ACME),
    idle("API.TLS.AutoCertCachePath", Form(Path), "", "where fetched certificates are kept", ACME),
    used("API.TLS.CAFile", Form(Path), "", "client: certificates to trust besides the well-known ones, PEM"),
    used("API.TLS.CertFile", Form(Path), "", "server: certificate chain of the API, PEM; with KeyFile it makes the API speak TLS only"),
    used("API.TLS.Insecure", Bool, "false", "client: talk to a server whoever it is; for trials only"),
    used("API.TLS.KeyFile", Form(Path), "", "server: private key of CertFile, PEM"),
    used("API.TLS.SelfSigned", Bool, "false", "server: make a certificate at each start; its path is told, for CAFile of clients"),
    used("API.TLS.UseTLS", Bool, "false", "client: talk https to the server"),
    used("Compute.AllocatedCapacity.CPU", Form(CpuShare), "80%", SHARE),
    used("Compute.AllocatedCapacity.Disk", Form(DiskShare), "80%", SHARE),
    used("Compute.AllocatedCapacity.GPU", Form(GpuShare), "100%", SHARE),
    used("Compute.AllocatedCapacity.Memory", Form(MemoryShare), "80%", SHARE),
    used("Compute.AllowListedLocalPaths", List, "", "host paths jobs may mount, PATTERN[:ro|:rw]; none, and local sources are not offered"),
    used("Compute.Auth.Token", Text, "", "join string of the orchestrator, FINGERPRINT.SECRET"),
    used("Compute.Enabled", Bool, "false", "this node runs jobs"),
    used("Compute.Env.AllowList", List, "", "globs of host environment variables jobs may receive"),
    idle("Compute.Heartbeat.InfoUpdateInterval", Duration, "1m0s", "how often what a node is gets sent again", EVENTS),
    idle("Compute.Heartbeat.Interval", Duration, "15s", "how often a node says that it is there", EVENTS),
    idle("Compute.Heartbeat.ResourceUpdateInterval", Duration, "30s", "how often free capacity is sent", EVENTS),
    idle("Compute.Network.AdvertisedAddress", Text, "", "address for ports that jobs expose", PORTS),
    used("Compute.Network.PortRangeEnd", Port, "32000", "last port handed to jobs"),
    used("Compute.Network.PortRangeStart", Port, "20000", "first port handed to jobs"),
    used("Compute.Orchestrators", List, "nats://127.0.0.1:4222", "orchestrators to join, tried in turn; UDP"),
    used("Compute.StorePath", Form(Path), "", "directory of what the node must remember of its tasks; below the data directory when unset"),
    idle("Compute.TLS.CACert", Form(Path), "", "authority of the orchestrator", LINK),
    idle("Compute.TLS.RequireTLS", Bool, "false", "refuse a link that is not encrypted", LINK),
    used("DataDir", Form(Path), "", "directory of everything that is kept; ~/.bacalhau when unset. Another directory is another node"),
    used("DisableAnalytics", Bool, "false", "send no usage reports; none are ever sent"),
    used("Engines.Disabled", List, "", "engines switched off"),
    idle("Engines.Types.Docker.ManifestCache.Refresh", Duration, "1h0m0s", "period of refreshing image manifests", DOCKER),
    idle("Engines.Types.Docker.ManifestCache.Size", Count, "1000", "remembered image manifests", DOCKER),
    idle("Engines.Types.Docker.ManifestCache.TTL", Duration, "1h0m0s", "age of remembered image manifests", DOCKER),
    idle("FeatureFlags.ExecTranslation", Bool, "false", "an experiment of older versions", "the experiment has ended"),
    used("InputSources.Disabled", List, "", "kinds of input source switched off"),
    used("InputSources.MaxRetryCount", Count, "3", "attempts to fetch an input that bring nothing; at least one is made"),
    used("InputSources.ReadTimeout", Duration, "5m0s", "longest silence of a service while an input is fetched"),
    idle("InputSources.Types.IPFS.Endpoint", Text, "", "IPFS node for inputs", IPFS),
    used("JobAdmissionControl.AcceptNetworkedJobs", Bool, "false", "take jobs that use the network"),
    used("JobAdmissionControl.Locality", LOCALITIES, "anywhere", "local: take only jobs whose inputs are on this node"),
    used("JobAdmissionControl.ProbeExec", Text, "", "shell command that is given each job and takes it by exiting with 0"),
    used("JobAdmissionControl.ProbeHTTP", Form(Url), "", "URL that each job is posted to and that takes it by its answer"),
    used("JobAdmissionControl.RejectNetworkedJobs", Bool, "false", "refuse jobs that use the network, whatever else is set"),
    used("JobAdmissionControl.RejectStatelessJobs", Bool, "false", "refuse jobs without inputs"),
    priority("JobDefaults.Batch.Priority"),
    params("JobDefaults.Batch.Task.Publisher.Params"),
    publisher("JobDefaults.Batch.Task.Publisher.Type"),
    cpu("JobDefaults.Batch.Task.Resources.CPU"),
    disk("JobDefaults.Batch.Task.Resources.Disk"),
    gpu("JobDefaults.Batch.Task.Resources.GPU"),
    memory("JobDefaults.Batch.Task.Resources.Memory"),
    limit("JobDefaults.Batch.Task.Timeouts.ExecutionTimeout"),
    limit("JobDefaults.Batch.Task.Timeouts.TotalTimeout"),
    priority("JobDefaults.Daemon.Priority"),
    cpu("JobDefaults.Daemon.Task.Resources.CPU"),
    disk("JobDefaults.Daemon.Task.Resources.Disk"),
    gpu("JobDefaults.Daemon.Task.Resources.GPU"),
    memory("JobDefaults.Daemon.Task.Resources.Memory"),
    priority("JobDefaults.Ops.Priority"),
    params("JobDefaults.Ops.Task.Publisher.Params"),
    publisher("JobDefaults.Ops.Task.Publisher.Type"),
    cpu("JobDefaults.Ops.Task.Resources.CPU"),
    disk("JobDefaults.Ops.Task.Resources.Disk"),
    gpu("JobDefaults.Ops.Task.Resources.GPU"),
    memory("JobDefaults.Ops.Task.Resources.Memory"),
    limit("JobDefaults.Ops.Task.Timeouts.ExecutionTimeout"),
    limit("JobDefaults.Ops.Task.Timeouts.TotalTimeout"),
    priority("JobDefaults.Service.Priority"),
    cpu("JobDefaults.Service.Task.Resources.CPU"),
    disk("JobDefaults.Service.Task.Resources.Disk"),
    gpu("JobDefaults.Service.Task.Resources.GPU"),
    memory("JobDefaults.Service.Task.Resources.Memory"),
    used("Labels", Map, "", "labels of this node, for choosing nodes"),
    used("Logging.Level", LEVELS, "info", "least important event that is logged"),
    idle("Logging.LogDebugInfoInterval", Duration, "30s", "period of statistics in the log", "there are no such statistics; the API tells them when it is asked"),
    used("Logging.Mode", MODES, "default", "form of log lines; json and event are one JSON object a line"),
    used("NameProvider", NAMES, "puuid", "how a new node gets its name: its host's, or a UUID; for aws and gcp, give NodeName"),
    used("NodeName", Text, "", "name of a new node; kept from its first start on"),
    used("Orchestrator.Advertise", Text, "", "address told to people who join nodes"),
    used("Orchestrator.Auth.Token", Text, "", "secret compute nodes must present, of 16 to 256 signs of ASCII but , : @; made at the first start when unset"),
    idle("Orchestrator.Cluster.Advertise", Text, "", "several orchestrators", ONE),
    idle("Orchestrator.Cluster.Host", Text, "", "several orchestrators", ONE),
    idle("Orchestrator.Cluster.Name", Text, "", "several orchestrators", ONE),
    idle("Orchestrator.Cluster.Peers", List, "", "several orchestrators", ONE),
    idle("Orchestrator.Cluster.Port", Port, "0", "several orchestrators", ONE),
    used("Orchestrator.Enabled", Bool, "false", "this node schedules jobs"),
    idle("Orchestrator.EvaluationBroker.MaxRetryCount", Count, "10", "deliveries before an evaluation counts as failed", EVALUATIONS),
    idle("Orchestrator.EvaluationBroker.VisibilityTimeout", Duration, "1m0s", "a claimed evaluation is queued again after this", EVALUATIONS),
    used("Orchestrator.Host", Text, "0.0.0.0", "address compute nodes connect to: as API.Host"),
    used("Orchestrator.NodeManager.DisconnectTimeout", Duration, "1m0s", "how long a silent node keeps its work before it is placed elsewhere"),
    used("Orchestrator.NodeManager.ManualApproval", Bool, "false", "new nodes wait for `node approve`"),
    used("Orchestrator.Port", Port, "4222", "UDP port compute nodes connect to"),
    idle("Orchestrator.Scheduler.HousekeepingInterval", Duration, "30s", "period of the check for timeouts and lost nodes", "there is no such period: the next timeout is known and waited for"),
    used("Orchestrator.Scheduler.HousekeepingTimeout", Duration, "2m0s", "how long past its execution timeout a task is left to its node to end"),
    used("Orchestrator.Scheduler.QueueBackoff", Duration, "1m0s", "pause before a job that could not be placed is looked at again although nothing happened"),
    idle("Orchestrator.Scheduler.WorkerCount", Count, "0", "parallel scheduling workers; 0 is one per CPU", "one worker plans and commits, so that two never plan on the same capacity"),
    used("Orchestrator.StorePath", Form(Path), "", "directory of jobs, their history and nodes; below the data directory when unset"),
    idle("Orchestrator.SupportReverseProxy", Bool, "false", "compute nodes come through a proxy", "the link is QUIC; a UDP proxy needs no support"),
    idle("Orchestrator.TLS.CACert", Form(Path), "", "authority of the node network", LINK),
    idle("Orchestrator.TLS.ServerCert", Form(Path), "", "certificate of the node network", LINK),
    idle("Orchestrator.TLS.ServerKey", Form(Path), "", "key of the node network", LINK),
    idle("Orchestrator.TLS.ServerTimeout", Count, "0", "limit of a handshake, seconds", LINK),
    used("Publishers.Disabled", List, "", "publishers switched off"),
    idle("Publishers.Types.IPFS.Endpoint", Text, "", "IPFS node for results", IPFS),
    idle("Publishers.Types.Local.Address", Text, "127.0.0.1", "address that results are fetched from", HOME),
    idle("Publishers.Types.Local.Port", Port, "6001", "port that results are fetched from", HOME),
    idle("Publishers.Types.S3.PreSignedURLDisabled", Bool, "false", "hand out no pre-signed URLs", S3),
    idle("Publishers.Types.S3.PreSignedURLExpiration", Duration, "0s", "age of pre-signed URLs", S3),
    idle("Publishers.Types.S3Managed.Bucket", Text, "", "bucket managed by the orchestrator", S3),
    idle("Publishers.Types.S3Managed.Endpoint", Text, "", "bucket managed by the orchestrator", S3),
    idle("Publishers.Types.S3Managed.Key", Text, "", "bucket managed by the orchestrator", S3),
    idle("Publishers.Types.S3Managed.PreSignedURLExpiration", Duration, "1h0m0s", "bucket managed by the orchestrator", S3),
    idle("Publishers.Types.S3Managed.Region", Text, "", "bucket managed by the orchestrator", S3),
    idle("ResultDownloaders.Disabled", List, "", "ways of fetching results that are switched off", "the server hands all results out itself"),
    idle("ResultDownloaders.Timeout", Duration, "0s", "limit of fetching results", "`job get` has a flag for it"),
    idle("ResultDownloaders.Types.IPFS.Endpoint", Text, "", "IPFS node for fetching results", IPFS),
    idle("StrictVersionMatch", Bool, "false", "refuse peers of another version", "peers agree on a version of their protocol, or say why they cannot"),
    idle("UpdateConfig.Interval", Duration, "24h0m0s", "period of asking for a newer version", "this program asks nobody; it never sends anything home"),
    idle("WebUI.Backend", Text, "", "API behind the web interface", WEBUI),
    idle("WebUI.Enabled", Bool, "false", "serve the web interface", WEBUI),
    idle("WebUI.Listen", Text, "0.0.0.0:8438", "address of the web interface", WEBUI),
];
