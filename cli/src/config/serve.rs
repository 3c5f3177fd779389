//! What `serve` runs, resolved from the settings.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use bacalhau_agent::config as agent;
use bacalhau_control_plane::scheduler;
use bacalhau_protocol::api::decode::{Defaults, TypeDefaults};
use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::model::SpecConfig;

use crate::config::host::AddressKind;
use crate::config::{Problems, Settings, Value, document, duration};

/// What a node runs. At least one of its roles is there.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Directory of everything that is kept.
    pub data_dir: PathBuf,
    /// Schedules jobs.
    pub orchestrator: Option<OrchestratorConfig>,
    /// Runs jobs.
    pub compute: Option<agent::Config>,
}

/// What an orchestrator is told.
#[derive(Clone, Debug)]
pub struct OrchestratorConfig {
    /// Where the API listens. Default: 127.0.0.1:1234; beyond the machine only when asked for.
    pub api: SocketAddr,
    /// The certificate the API shows. Default: none, plain HTTP.
    pub api_tls: ApiTls,
    /// Where nodes connect, UDP. Default: 0.0.0.0:4222.
    pub fleet: SocketAddr,
    /// Host or address announced to nodes; empty to find one.
    pub advertise: String,
    /// Name of the node, unless one is kept already.
    pub name: NameChoice,
    /// New nodes wait for an administrator.
    pub manual_approval: bool,
    /// Secret nodes present; one is made on first start when absent.
    pub join_secret: Option<String>,
    /// Directory of the store. Default: below the data directory.
    pub store: Option<PathBuf>,
    /// Limits and patience of the scheduler.
    pub scheduler: scheduler::Settings,
    /// What jobs get that do not ask.
    pub defaults: Defaults,
    /// All settings as callers of the API may see them.
    pub shown: serde_json::Value,
}

/// The certificate the API shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiTls {
    /// None: plain HTTP.
    Off,
    /// From PEM files.
    Files {
        /// The chain, the server's own certificate first.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// Made by this node.
    SelfSigned,
}

impl ApiTls {
    fn resolve(settings: &Settings) -> Result<Self, String> {
        let (certificate, key) = (settings.text("API.TLS.CertFile"), settings.text("API.TLS.KeyFile"));
        match (certificate.as_str(), key.as_str()) {
            ("", "") if settings.flag("API.TLS.SelfSigned") => Ok(Self::SelfSigned),
            ("", "") => Ok(Self::Off),
            (_, "") => {
                Err("API.TLS.CertFile: invalid config: TLS cert specified without corresponding private key; set \
                     API.TLS.KeyFile"
                    .into())
            }
            ("", _) => {
                Err("API.TLS.KeyFile: invalid config: private key specified without corresponding TLS certificate; \
                     set API.TLS.CertFile"
                    .into())
            }
            (certificate, key) => Ok(Self::Files { certificate: certificate.into(), key: key.into() }),
        }
    }
}

/// How a node gets its name on first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameChoice {
    /// This one.
    Chosen(NodeId),
    /// `n-` and a UUID.
    PrefixedUuid,
    /// A UUID.
    Uuid,
    /// The host's name, dots as dashes.
    Hostname,
}

impl ServeConfig {
    /// Resolves the settings, or says everything that is wrong with them. The second part is what a person should hear.
    pub fn resolve(settings: &Settings) -> Result<(Self, Vec<String>), Problems> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let is_compute = settings.flag("Compute.Enabled");
        let mut is_orchestrator = settings.flag("Orchestrator.Enabled");
        if !is_orchestrator && !is_compute {
            warnings.push(
                "neither --compute nor --orchestrator were provided, defaulting to orchestrator node.".into(),
            );
            is_orchestrator = true;
        }
        let orchestrator = is_orchestrator.then(|| OrchestratorConfig::resolve(settings, &mut problems));
        let compute = if is_compute { resolve_agent(settings, &mut problems, &mut warnings) } else { None };
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok((
            Self { data_dir: settings.data_dir().to_owned(), orchestrator: orchestrator.flatten(), compute },
            warnings,
        ))
    }
}

impl OrchestratorConfig {
    fn resolve(settings: &Settings, problems: &mut Vec<String>) -> Option<Self> {
        let api = address(settings, "API.Host", "API.Port", problems);
        let fleet = address(settings, "Orchestrator.Host", "Orchestrator.Port", problems);
        let name = name(settings).map_err(|problem| problems.push(problem)).ok();
        for key in ["Orchestrator.Scheduler.QueueBackoff", "Orchestrator.NodeManager.DisconnectTimeout"] {
            if settings.duration(key).is_zero() {
                problems.push(format!("{key}: expects a duration above 0s"));
            }
        }
        let store = store(settings).map_err(|problem| problems.push(problem)).ok();
        let api_tls = ApiTls::resolve(settings).map_err(|problem| problems.push(problem)).ok();
        let secret = settings.text("Orchestrator.Auth.Token");
        Some(Self {
            api: api?,
            api_tls: api_tls?,
            fleet: fleet?,
            advertise: settings.text("Orchestrator.Advertise"),
            name: name?,
            manual_approval: settings.flag("Orchestrator.NodeManager.ManualApproval"),
            join_secret: Some(secret).filter(|secret| !secret.is_empty()),
            store: store?,
            scheduler: scheduler::Settings {
                timeout_grace: settings.duration("Orchestrator.Scheduler.HousekeepingTimeout"),
                queue_backoff: settings.duration("Orchestrator.Scheduler.QueueBackoff"),
                silence: settings.duration("Orchestrator.NodeManager.DisconnectTimeout"),
                ..scheduler::Settings::default()
            },
            defaults: Defaults {
                batch: defaults(settings, "Batch"),
                ops: defaults(settings, "Ops"),
                service: defaults(settings, "Service"),
                daemon: defaults(settings, "Daemon"),
            },
            shown: document::redacted(settings),
        })
    }
}

fn address(
    settings: &Settings,
    host_key: &str,
    port_key: &str,
    problems: &mut Vec<String>,
) -> Option<SocketAddr> {
    let (host, port) = (settings.text(host_key), settings.integer(port_key));
    let port = u16::try_from(port)
        .map_err(|_| problems.push(format!("{port_key}: {port} is no port; expected 0 to 65535")))
        .ok();
    let ip = resolve_host(&host).map_err(|problem| problems.push(format!("{host_key}: {problem}"))).ok();
    Some(SocketAddr::new(ip?, port?))
}

/// An address, a kind of address, or a name.
fn resolve_host(host: &str) -> Result<IpAddr, String> {
    if let Some(kind) = AddressKind::parse(host) {
        return kind
            .find()
            .ok_or_else(|| format!("this machine has no {} address", host.to_ascii_lowercase()));
    }
    let text = host.trim_start_matches("https://").trim_start_matches("http://");
    let text = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let found = (text, 0).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.map(|address| address.ip()).ok_or_else(|| {
        format!(
            "{host:?} is no address of this machine; expected an IP address, a host name, or one of loopback, private, \
             public, linklocal and any"
        )
    })
}

/// What older versions kept in one file is a directory here.
fn store(settings: &Settings) -> Result<Option<PathBuf>, String> {
    let key = "Orchestrator.StorePath";
    let path = PathBuf::from(settings.text(key));
    match path.metadata() {
        _ if path.as_os_str().is_empty() => Ok(None),
        Ok(found) if !found.is_dir() => {
            Err(format!("{key}: {} is a file; the store is a directory, name another place", path.display()))
        }
        _ => Ok(Some(path)),
    }
}

fn name(settings: &Settings) -> Result<NameChoice, String> {
    let chosen = settings.text("NodeName");
    if !chosen.is_empty() {
        let id = NodeId::parse(&chosen).map_err(|error| format!("NodeName: {chosen:?}: {error}"))?;
        return Ok(NameChoice::Chosen(id));
    }
    match settings.text("NameProvider").as_str() {
        "puuid" => Ok(NameChoice::PrefixedUuid),
        "uuid" => Ok(NameChoice::Uuid),
        "hostname" => Ok(NameChoice::Hostname),
        other => Err(format!(
            "NameProvider: {other} is not supported; expected puuid, uuid or hostname, or the name itself in NodeName, \
             such as -c NodeName=\"$(curl -s http://169.254.169.254/latest/meta-data/instance-id)\""
        )),
    }
}

fn defaults(settings: &Settings, job_type: &str) -> TypeDefaults {
    let key = |name: &str| format!("JobDefaults.{job_type}.{name}");
    let text = |name: &str| settings.text(&key(&format!("Task.Resources.{name}")));
    let mut defaults = TypeDefaults {
        priority: i32::try_from(settings.integer(&key("Priority"))).unwrap_or(i32::MAX),
        cpu: text("CPU"),
        memory: text("Memory"),
        disk: text("Disk"),
        gpu: text("GPU"),
        ..TypeDefaults::default()
    };
    if matches!(job_type, "Batch" | "Ops") {
        let params = settings.map(&key("Task.Publisher.Params"));
        defaults.publisher = SpecConfig {
            kind: settings.text(&key("Task.Publisher.Type")),
            params: if params.is_empty() { String::new() } else { serde_json::json!(params).to_string() },
        };
        defaults.execution_timeout_s = settings.duration(&key("Task.Timeouts.ExecutionTimeout")).as_secs();
        defaults.total_timeout_s = settings.duration(&key("Task.Timeouts.TotalTimeout")).as_secs();
    }
    defaults
}

fn resolve_agent(
    settings: &Settings,
    problems: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> Option<agent::Config> {
    match agent::Config::resolve(&agent_settings(settings)) {
        Ok((config, heard)) => {
            warnings.extend(heard);
            Some(config)
        }
        Err(mistakes) => {
            let mut told = Problems(std::mem::take(problems));
            told.add(Problems(mistakes.0));
            *problems = told.0;
            None
        }
    }
}

/// The same keys as the agent's own program reads, with a directory of its own below this node's.
pub fn agent_settings(settings: &Settings) -> agent::Settings {
    let mut handed = agent::Settings::default();
    for (key, value) in settings.explicit() {
        match value {
            Value::Text(text) => handed.set(key, text, agent::Origin::Program),
            Value::Bool(flag) => handed.set(key, &flag.to_string(), agent::Origin::Program),
            Value::List(items) => items.iter().for_each(|item| handed.add(key, item, agent::Origin::Program)),
            Value::Map(entries) => {
                let pairs: Vec<String> =
                    entries.iter().map(|(name, value)| format!("{name}={value}")).collect();
                handed.set(key, &pairs.join(","), agent::Origin::Program);
            }
            Value::Integer(number) => handed.set(key, &number.to_string(), agent::Origin::Program),
            Value::Duration(time) => handed.set(key, &duration::format(*time), agent::Origin::Program),
            // The agent has no keys of this kind.
            Value::Structure(_) => {}
        }
    }
    let directory = settings.data_dir().join("compute").display().to_string();
    handed.set("DataDir", &directory, agent::Origin::Program);
    handed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Invocation, load};

    fn settings(config: &[&str]) -> Settings {
        let invocation = Invocation {
            config: config.iter().map(ToString::to_string).collect(),
            environment: [("HOME".to_owned(), "/home/ann".to_owned())].into(),
            ..Invocation::default()
        };
        load(&invocation, &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap()
    }

    #[test]
    fn without_a_role_a_node_is_an_orchestrator_that_only_this_machine_reaches() {
        let (config, warnings) = ServeConfig::resolve(&settings(&[])).unwrap();
        let orchestrator = config.orchestrator.unwrap();
        assert_eq!(orchestrator.api.to_string(), "127.0.0.1:1234");
        assert_eq!(orchestrator.fleet.to_string(), "0.0.0.0:4222");
        assert!(
            !orchestrator.manual_approval && orchestrator.join_secret.is_none() && config.compute.is_none()
        );
        assert!(warnings[0].starts_with("neither --compute nor --orchestrator"));
    }

    #[test]
    fn keys_reach_the_parts_they_are_for() {
        let config = settings(&[
            "Orchestrator.Enabled",
            "Compute.Enabled",
            "API.Host=any",
            "Orchestrator.NodeManager.ManualApproval",
            "JobDefaults.Ops.Task.Timeouts.ExecutionTimeout=5m",
            "JobDefaults.Ops.Task.Publisher.Type=local",
            "NodeName=gateway-7",
            "Labels=zone=a,tier=edge",
            "Compute.AllowListedLocalPaths=/var/log:ro,/data/{a,b}:rw",
        ]);
        let (config, warnings) = ServeConfig::resolve(&config).unwrap();
        assert_eq!(warnings, [] as [String; 0]);
        let (orchestrator, compute) = (config.orchestrator.unwrap(), config.compute.unwrap());
        assert_eq!(orchestrator.api.ip().to_string(), "0.0.0.0");
        assert_eq!(orchestrator.defaults.ops.execution_timeout_s, 300);
        assert_eq!(orchestrator.defaults.ops.publisher.kind, "local");
        assert_eq!(orchestrator.name, NameChoice::Chosen(NodeId::parse("gateway-7").unwrap()));
        assert!(orchestrator.manual_approval);
        assert_eq!(compute.data_dir, PathBuf::from("/home/ann/.bacalhau/compute"));
        assert_eq!(compute.labels["zone"], "a");
        assert_eq!(compute.allowed_paths.len(), 2);
    }

    #[test]
    fn mistakes_of_both_roles_are_told_together() {
        let settings = settings(&[
            "Orchestrator.Enabled",
            "Compute.Enabled",
            "API.Host=no such host",
            "Orchestrator.Host=no such host",
            "Compute.AllowListedLocalPaths=relative",
            "NameProvider=aws",
        ]);
        let text = ServeConfig::resolve(&settings).unwrap_err().to_string();
        for part in [
            "API.Host: \"no such host\"",
            "Orchestrator.Host: \"no such host\"",
            "Compute.AllowListedLocalPaths",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(text.matches("NameProvider").count(), 1, "told once: {text}");
    }

    #[test]
    fn stores_may_lie_elsewhere_and_are_directories() {
        let (config, _) = ServeConfig::resolve(&settings(&[
            "Orchestrator.Enabled",
            "Compute.Enabled",
            "Orchestrator.StorePath=/fast/jobs",
            "Compute.StorePath=/fast/executions",
        ]))
        .unwrap();
        assert_eq!(config.orchestrator.unwrap().store, Some(PathBuf::from("/fast/jobs")));
        assert_eq!(config.compute.unwrap().store, Some(PathBuf::from("/fast/executions")));
        let file = tempfile::NamedTempFile::new().unwrap();
        let named = format!("Orchestrator.StorePath={}", file.path().display());
        let refused = ServeConfig::resolve(&settings(&["Orchestrator.Enabled", &named])).unwrap_err();
        assert!(refused.to_string().contains("is a file; the store is a directory"), "{refused}");
    }

    #[test]
    fn the_agent_knows_every_key_or_leaves_it_to_others() {
        let config: Vec<String> = crate::config::keys::KEYS
            .iter()
            .filter(|key| !key.default.is_empty())
            .map(|key| format!("{}={}", key.name, key.default))
            .collect();
        let config: Vec<&str> = config.iter().map(String::as_str).collect();
        let settings = settings(&config);
        assert!(agent::Config::resolve(&agent_settings(&settings)).is_ok());
    }
}
