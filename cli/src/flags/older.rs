//! Flags of `serve` and `devstack` that older versions had (cli.md 4.5): hidden, and still understood.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{Flag, value};

/// Flags of older versions that were given. A devstack never had all of them.
#[derive(Clone, Debug, Default)]
pub struct OlderFlags<const DEVSTACK: bool> {
    given: Vec<(&'static Older, String)>,
}

/// A flag of older versions.
#[derive(Debug)]
struct Older {
    /// As typed.
    flag: &'static str,
    shape: Shape,
    /// The keys that took its place; none where nothing did.
    keys: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `--flag` or `--flag=false`.
    Switch,
    /// `--flag VALUE`; given several times, the values are a list.
    Value,
}

impl<const DEVSTACK: bool> OlderFlags<DEVSTACK> {
    /// The keys they stand for.
    pub fn flags(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        for (older, text) in &self.given {
            for key in older.keys {
                let value = if older.flag == NODE_TYPE { role(key, text) } else { text.clone() };
                flags.push(Flag { name: older.flag, key, value });
            }
        }
        flags
    }

    /// What to write instead.
    pub fn advice(&self) -> Vec<String> {
        let advice = |(older, text): &(&'static Older, String)| match older.keys {
            [] => format!("Flag {} has been deprecated and has no effect", older.flag),
            keys => {
                let instead: Vec<String> = keys.iter().map(|key| format!("-c {key}={text}")).collect();
                let instead = if older.flag == NODE_TYPE {
                    "--orchestrator and --compute".to_owned()
                } else {
                    instead.join(" ")
                };
                format!("Flag {} has been deprecated, use {instead}", older.flag)
            }
        };
        self.given.iter().map(advice).collect()
    }
}

/// `requester,compute` as the value of one of the two roles.
fn role(key: &str, text: &str) -> String {
    let (orchestrator, compute) = value::roles(&text.into()).unwrap_or_default();
    let enabled = if key.starts_with("Orchestrator") { orchestrator } else { compute };
    enabled.to_string()
}

fn known_roles(text: &str) -> Result<String, String> {
    value::roles(&text.into()).map(|_| text.to_owned())
}

fn known(devstack: bool) -> impl Iterator<Item = &'static Older> {
    OLDER.iter().filter(move |older| !devstack || !NOT_OF_DEVSTACKS.contains(&older.flag))
}

impl<const DEVSTACK: bool> Args for OlderFlags<DEVSTACK> {
    fn augment_args(command: Command) -> Command {
        command.args(known(DEVSTACK).map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const DEVSTACK: bool> FromArgMatches for OlderFlags<DEVSTACK> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = known(DEVSTACK).filter_map(|older| {
            let values: Vec<&str> = matches.get_many::<String>(older.flag)?.map(String::as_str).collect();
            Some((older, values.join(",")))
        });
        Ok(Self { given: given.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(older: &'static Older) -> Arg {
    let argument = Arg::new(older.flag).long(older.flag.trim_start_matches('-')).hide(true);
    match older.shape {
        Shape::Switch => {
            argument.num_args(0..=1).require_equals(true).default_missing_value("true").action(ArgAction::Set)
        }
        Shape::Value if older.flag == NODE_TYPE => {
            argument.action(ArgAction::Append).value_parser(known_roles)
        }
        Shape::Value => argument.action(ArgAction::Append),
    }
}

const fn value_of(flag: &'static str, keys: &'static [&'static str]) -> Older {
    Older { flag, shape: Shape::Value, keys }
}

const fn switch_of(flag: &'static str, keys: &'static [&'static str]) -> Older {
    Older { flag, shape: Shape::Switch, keys }
}

const NODE_TYPE: &str = "--node-type";

/// A devstack decides these itself, or has flags of the same name that mean something else.
const NOT_OF_DEVSTACKS: &[&str] =
    &[NODE_TYPE, "--orchestrators", "--host", "--port", "--name-provider", "--peer"];

#[rustfmt::skip]
const OLDER: &[Older] = &[
    value_of(NODE_TYPE, &["Orchestrator.Enabled", "Compute.Enabled"]),
    value_of("--host", &["API.Host"]),
    value_of("--port", &["API.Port"]),
    value_of("--autocert", &["API.TLS.AutoCert"]),
    value_of("--tlscert", &["API.TLS.CertFile"]),
    value_of("--tlskey", &["API.TLS.KeyFile"]),
    switch_of("--self-signed", &["API.TLS.SelfSigned"]),
    value_of("--allow-listed-local-paths", &["Compute.AllowListedLocalPaths"]),
    value_of("--labels", &["Labels"]),
    value_of("--orchestrators", &["Compute.Orchestrators"]),
    value_of("--network-host", &["Orchestrator.Host"]),
    value_of("--network-port", &["Orchestrator.Port"]),
    value_of("--advertised-address", &["Orchestrator.Advertise"]),
    value_of("--cluster-name", &["Orchestrator.Cluster.Name"]),
    value_of("--cluster-host", &["Orchestrator.Cluster.Host"]),
    value_of("--cluster-port", &["Orchestrator.Cluster.Port"]),
    value_of("--cluster-advertised-address", &["Orchestrator.Cluster.Advertise"]),
    value_of("--cluster-peers", &["Orchestrator.Cluster.Peers"]),
    value_of("--job-selection-data-locality", &["JobAdmissionControl.Locality"]),
    switch_of("--job-selection-reject-stateless", &["JobAdmissionControl.RejectStatelessJobs"]),
    switch_of("--job-selection-accept-networked", &["JobAdmissionControl.AcceptNetworkedJobs"]),
    value_of("--job-selection-probe-http", &["JobAdmissionControl.ProbeHTTP"]),
    value_of("--job-selection-probe-exec", &["JobAdmissionControl.ProbeExec"]),
    value_of("--limit-total-cpu", &["Compute.AllocatedCapacity.CPU"]),
    value_of("--limit-total-memory", &["Compute.AllocatedCapacity.Memory"]),
    value_of("--limit-total-gpu", &["Compute.AllocatedCapacity.GPU"]),
    value_of("--limit-job-cpu", &[]),
    value_of("--limit-job-memory", &[]),
    value_of("--limit-job-gpu", &[]),
    value_of("--default-job-execution-timeout", &["JobDefaults.Batch.Task.Timeouts.ExecutionTimeout", "JobDefaults.Ops.Task.Timeouts.ExecutionTimeout"]),
    value_of("--max-job-execution-timeout", &[]),
    value_of("--min-job-execution-timeout", &[]),
    value_of("--job-negotiation-timeout", &[]),
    value_of("--job-execution-timeout-bypass-client-id", &[]),
    switch_of("--ignore-physical-resource-limits", &[]),
    value_of("--disable-engine", &["Engines.Disabled"]),
    value_of("--disable-storage", &["InputSources.Disabled"]),
    value_of("--disabled-publisher", &["Publishers.Disabled"]),
    value_of("--ipfs-connect", &["InputSources.Types.IPFS.Endpoint", "Publishers.Types.IPFS.Endpoint", "ResultDownloaders.Types.IPFS.Endpoint"]),
    switch_of("--web-ui", &["WebUI.Enabled"]),
    value_of("--web-ui-listen", &["WebUI.Listen"]),
    value_of("--local-publisher-address", &["Publishers.Types.Local.Address"]),
    value_of("--local-publisher-port", &["Publishers.Types.Local.Port"]),
    value_of("--default-publisher", &["JobDefaults.Batch.Task.Publisher.Type", "JobDefaults.Ops.Task.Publisher.Type"]),
    value_of("--name-provider", &["NameProvider"]),
    value_of("--docker-manifest-cache-size", &["Engines.Types.Docker.ManifestCache.Size"]),
    value_of("--docker-manifest-cache-duration", &["Engines.Types.Docker.ManifestCache.TTL"]),
    value_of("--docker-manifest-cache-frequency", &["Engines.Types.Docker.ManifestCache.Refresh"]),
    switch_of("--requires-manual-approval", &["Orchestrator.NodeManager.ManualApproval"]),
    value_of("--requester-job-store-path", &[]),
    value_of("--requester-job-store-type", &[]),
    value_of("--compute-execution-store-path", &[]),
    value_of("--compute-execution-store-type", &[]),
    value_of("--peer", &[]),
    value_of("--swarm-port", &[]),
    switch_of("--private-internal-ipfs", &[]),
];

#[cfg(test)]
mod tests {

    use super::*;
    use crate::config::keys;
    use crate::flags::parsed::parsed;

    fn parse(arguments: &[&str]) -> OlderFlags<false> {
        parsed(arguments).unwrap()
    }

    #[test]
    fn every_key_exists() {
        for key in OLDER.iter().flat_map(|older| older.keys) {
            assert!(keys::find(key).is_some(), "{key}");
        }
        for flag in NOT_OF_DEVSTACKS {
            assert!(OLDER.iter().any(|older| older.flag == *flag), "{flag}");
        }
    }

    #[test]
    fn flags_stand_for_keys() {
        let older = parse(&[
            "--node-type",
            "requester,compute",
            "--labels",
            "a=b",
            "--labels",
            "c=d",
            "--web-ui=false",
        ]);
        let found: Vec<(&str, String)> =
            older.flags().into_iter().map(|flag| (flag.key, flag.value)).collect();
        let expected = [
            ("Orchestrator.Enabled", "true"),
            ("Compute.Enabled", "true"),
            ("Labels", "a=b,c=d"),
            ("WebUI.Enabled", "false"),
        ];
        assert_eq!(found, expected.map(|(key, value)| (key, value.to_owned())));
        assert_eq!(older.advice()[1], "Flag --labels has been deprecated, use -c Labels=a=b,c=d");
        assert!(parse(&["--peer", "none"]).advice()[0].ends_with("has no effect"));
    }

    #[test]
    fn a_role_nobody_knows_is_refused() {
        let error = parsed::<OlderFlags<false>>(&["--node-type", "requester,boss"]).unwrap_err().to_string();
        assert!(error.contains("requester or compute"), "{error}");
    }
}
