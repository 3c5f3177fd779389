//! The agent's configuration in two stages: [`Settings`] are texts from files, environment and command line;
//! [`Config`] is what they mean, typed and checked once, before anything starts.

mod keys;
mod reader;
mod settings;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::quantity::Share;

use crate::capacity::Allocation;
use crate::executor::wasm::LocalCompiler;
use crate::{labels, ports};
use reader::Reader;

pub use bacalhau_protocol::join::JoinToken;
pub(crate) use bacalhau_protocol::join::{fingerprint_text, parse_fingerprint};
pub use settings::{Origin, Settings};
pub use values::{Access, AllowedPath, DEFAULT_PORT, Orchestrator};

/// Everything an agent needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything durable lives. Default: `~/.bacalhau`. Another directory is another node.
    pub data_dir: PathBuf,
    /// Directory of the journal. Default: `journal` in the data directory.
    pub store: Option<PathBuf>,
    /// How a node without a name gets one; a name once kept in the data directory wins.
    pub name: Name,
    /// Labels of the operator's choice; automatic ones of the same key win.
    pub labels: BTreeMap<String, String>,
    /// Control planes, tried in turn. Empty: those joined last, else `127.0.0.1:4222`.
    pub orchestrators: Vec<Orchestrator>,
    /// Names the authority to trust and lets the agent ask for membership. None is needed once an authority is pinned.
    pub join: Option<JoinToken>,
    /// What is offered to jobs. Default: 80 % of CPU, memory and free disk, every GPU.
    pub allocation: Allocation,
    /// Host paths jobs may mount. Default: none, and then local sources are not offered.
    pub allowed_paths: Vec<AllowedPath>,
    /// Globs of host environment variables jobs may receive. Default: none.
    pub env_allow_list: Vec<String>,
    /// Ports of this node for tasks that do not name one. Default: 20000 to 32000.
    pub port_range: RangeInclusive<u16>,
    /// Engines, in lower case, that are switched off.
    pub disabled_engines: Vec<String>,
    /// Kinds of input source, in lower case, that are switched off.
    pub disabled_sources: Vec<String>,
    /// How inputs are fetched from elsewhere.
    pub inputs: Inputs,
    /// Publishers, in lower case, that are switched off.
    pub disabled_publishers: Vec<String>,
    /// Which jobs are refused.
    pub admission: Admission,
    /// What the log holds.
    pub logging: Logging,
    /// This program's `main` calls [`crate::own_program::in_container`], without which there is no HTTP networking and
    /// files of containers stay theirs. Set by the program, not by settings.
    pub runs_in_containers: bool,
    /// Compiler of WASM modules on this node; without one the control plane compiles. Set by the program, not by
    /// settings.
    pub compiler: LocalCompiler,
}

/// How a node gets its name on first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// This one.
    Chosen(NodeId),
    /// `n-` and a random UUID.
    PrefixedUuid,
    /// A random UUID.
    Uuid,
    /// The host's name, dots as dashes.
    Hostname,
}

/// `JobAdmissionControl`: which jobs a node refuses, whatever it could run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Refuse a job unless all its inputs are on this node already. Default: no.
    pub local_data_only: bool,
    /// Refuse jobs without any input. Default: no.
    pub reject_stateless: bool,
    /// Take jobs that ask for a network. Default: no.
    pub accept_networked: bool,
    /// Shell command that decides, by its exit status.
    pub probe_exec: Option<String>,
    /// URL that decides.
    pub probe_http: Option<String>,
}

/// `InputSources`: how inputs are fetched from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Longest silence of a service in the middle of a transfer. Default: 5 minutes.
    pub read_timeout: Duration,
    /// Attempts in a row that bring nothing, after which an input is given up. Default: 3.
    pub attempts: NonZeroU32,
}

/// `Logging`: what the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// Filter as `tracing` understands it: a level, or directives. Default: `info`.
    pub level: String,
    /// One JSON object a line instead of text. Default: no.
    pub json: bool,
}

/// Something that does no harm but is not what its author meant.
pub type Warning = String;

/// Every setting that cannot be used, all at once. Never holds a secret.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mistakes(pub Vec<String>);

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the configuration has {} mistake{}",
            self.0.len(),
            if self.0.len() == 1 { "" } else { "s" }
        )?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl Config {
    /// The defaults, for a data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            store: None,
            name: Name::PrefixedUuid,
            labels: BTreeMap::new(),
            orchestrators: Vec::new(),
            join: None,
            allocation: Allocation::default(),
            allowed_paths: Vec::new(),
            env_allow_list: Vec::new(),
            port_range: ports::DEFAULT_RANGE,
            disabled_engines: Vec::new(),
            disabled_sources: Vec::new(),
            inputs: Inputs::default(),
            disabled_publishers: Vec::new(),
            admission: Admission::default(),
            logging: Logging::default(),
            runs_in_containers: false,
            compiler: LocalCompiler::None,
        }
    }

    /// Turns settings into a configuration, or says everything that is wrong with them.
    pub fn resolve(settings: &Settings) -> Result<(Self, Vec<Warning>), Mistakes> {
        let mut reader = Reader::new(settings);
        let mut config = Self::new(PathBuf::new());
        config.read_identity(&mut reader);
        config.read_compute(&mut reader);
        config.read_policies(&mut reader);
        reader.finish().map(|warnings| (config, warnings))
    }

    fn read_identity(&mut self, reader: &mut Reader<'_>) {
        self.data_dir = data_dir(reader);
        self.store = reader.parsed("Compute.StorePath", values::store);
        self.name = name(reader);
        self.labels = reader.map("Labels", labels::check);
        for key in self.labels.keys().filter(|key| labels::is_automatic(key)) {
            reader.warn(format!("label {key} is ignored: the agent sets it itself"));
        }
    }

    fn read_compute(&mut self, reader: &mut Reader<'_>) {
        let orchestrators = reader.list("Compute.Orchestrators", values::orchestrator);
        let embedded = orchestrators.iter().find_map(|(_, token)| token.clone());
        self.orchestrators = orchestrators.into_iter().map(|(address, _)| address).collect();
        self.join = reader.parsed("Compute.Auth.Token", JoinToken::parse).or(embedded);
        let allocation = &mut self.allocation;
        for (share, key, parse) in [
            (&mut allocation.cpu, "CPU", Share::cpu as fn(&str) -> Result<Share, _>),
            (&mut allocation.memory, "Memory", Share::memory),
            (&mut allocation.disk, "Disk", Share::disk),
            (&mut allocation.gpu, "GPU", Share::gpu),
        ] {
            *share = reader.parsed(&format!("Compute.AllocatedCapacity.{key}"), parse).unwrap_or(*share);
        }
        self.allowed_paths = reader.list("Compute.AllowListedLocalPaths", AllowedPath::parse);
        self.env_allow_list = reader.list("Compute.Env.AllowList", values::glob);
        self.port_range = port_range(reader);
    }

    fn read_policies(&mut self, reader: &mut Reader<'_>) {
        let lower = |text: &str| Ok::<_, String>(text.to_ascii_lowercase());
        self.disabled_engines = reader.list("Engines.Disabled", lower);
        self.disabled_sources = reader.list("InputSources.Disabled", lower);
        if let Some(limit) = reader.parsed("InputSources.ReadTimeout", values::time_limit) {
            self.inputs.read_timeout = limit;
        }
        if let Some(attempts) = reader.parsed("InputSources.MaxRetryCount", values::attempts) {
            self.inputs.attempts = attempts;
        }
        self.disabled_publishers = reader.list("Publishers.Disabled", lower);
        self.admission = admission(reader);
        if let Some(level) = reader.parsed("Logging.Level", values::log_level) {
            self.logging.level = level;
        }
        self.logging.json = reader.parsed("Logging.Mode", values::log_mode).unwrap_or(false);
    }
}

impl Default for Inputs {
    fn default() -> Self {
        let attempts = NonZeroU32::new(3).expect("3 is not 0");
        Self { read_timeout: Duration::from_secs(300), attempts }
    }
}

impl Default for Logging {
    fn default() -> Self {
        Self { level: "info".to_owned(), json: false }
    }
}

fn data_dir(reader: &mut Reader<'_>) -> PathBuf {
    let home = reader.home().map(Path::to_owned);
    let written = reader.parsed("DataDir", |text| values::data_dir(text, home.as_deref()));
    if let Some(path) = written {
        return path;
    }
    let Some(home) = home else {
        reader
            .mistake("DataDir: not given, and there is no home directory; say --data-dir /var/lib/bacalhau");
        return PathBuf::new();
    };
    home.join(".bacalhau")
}

fn name(reader: &mut Reader<'_>) -> Name {
    let provider = reader.parsed("NameProvider", |text| match text.to_ascii_lowercase().as_str() {
        "puuid" => Ok(Name::PrefixedUuid),
        "uuid" => Ok(Name::Uuid),
        "hostname" => Ok(Name::Hostname),
        _ => {
            Err(format!("unknown node name provider: {text}. Supported providers are: [hostname puuid uuid]; or give NodeName"))
        }
    });
    let chosen = reader.parsed("NodeName", values::node_name);
    chosen.map(Name::Chosen).or(provider).unwrap_or(Name::PrefixedUuid)
}

fn port_range(reader: &mut Reader<'_>) -> RangeInclusive<u16> {
    let start = reader.parsed("Compute.Network.PortRangeStart", values::port);
    let end = reader.parsed("Compute.Network.PortRangeEnd", values::port);
    let (start, end) =
        (start.unwrap_or(*ports::DEFAULT_RANGE.start()), end.unwrap_or(*ports::DEFAULT_RANGE.end()));
    if start > end {
        reader.mistake(format!(
            "Compute.Network.PortRangeStart: the range {start} to {end} holds no port; give both ends"
        ));
    }
    start..=end
}

/// The newer `RejectNetworkedJobs` only ever refuses; accepting must be asked for by `AcceptNetworkedJobs`, or by
/// writing `RejectNetworkedJobs: false`.
fn admission(reader: &mut Reader<'_>) -> Admission {
    let accept = reader.flag("JobAdmissionControl.AcceptNetworkedJobs");
    let reject = reader.flag("JobAdmissionControl.RejectNetworkedJobs");
    Admission {
        local_data_only: reader.parsed("JobAdmissionControl.Locality", values::locality).unwrap_or(false),
        reject_stateless: reader.flag("JobAdmissionControl.RejectStatelessJobs").unwrap_or(false),
        accept_networked: match (accept, reject) {
            (_, Some(true)) => false,
            (Some(accept), _) => accept,
            (None, Some(false)) => true,
            (None, None) => false,
        },
        probe_exec: reader.parsed("JobAdmissionControl.ProbeExec", |text| Ok::<_, String>(text.to_owned())),
        probe_http: reader.parsed("JobAdmissionControl.ProbeHTTP", values::http_url),
    }
}

#[cfg(test)]
mod tests;
