//! Environment variables that are not spelled after their key (config.md 1.3).

/// What such a variable does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alias {
    /// Sets these keys.
    Sets(&'static [&'static str]),
    /// Sets this key of a node, but not of a client.
    SetsOfServers(&'static str),
    /// Nothing any more, for this reason.
    Nothing(&'static str),
}

/// The alias of this name. Where a key has several, the first in this table wins, and its own variable over all.
pub(super) fn find(variable: &str) -> Option<Alias> {
    ALIASES.iter().find(|(name, _)| *name == variable).map(|(_, alias)| *alias)
}

/// All aliases, weakest first.
pub(super) fn weakest_first() -> impl Iterator<Item = &'static str> {
    ALIASES.iter().rev().map(|(name, _)| *name)
}

const STORE: &str = "there is one kind of store";
const IPFS: &[&str] = &[
    "InputSources.Types.IPFS.Endpoint",
    "Publishers.Types.IPFS.Endpoint",
    "ResultDownloaders.Types.IPFS.Endpoint",
];
const OBSOLETE: &str = "there is no embedded IPFS node";

const ALIASES: &[(&str, Alias)] = &[
    ("BACALHAU_DIR", Alias::Sets(&["DataDir"])),
    ("BACALHAU_PATH", Alias::Sets(&["DataDir"])),
    ("BACALHAU_JOIN", Alias::Sets(&["Compute.Auth.Token"])),
    ("LOG_LEVEL", Alias::Sets(&["Logging.Level"])),
    ("LOG_TYPE", Alias::Sets(&["Logging.Mode"])),
    ("BACALHAU_SERVER_HOST", Alias::SetsOfServers("API.Host")),
    ("BACALHAU_SERVER_PORT", Alias::SetsOfServers("API.Port")),
    ("BACALHAU_AUTO_TLS", Alias::Sets(&["API.TLS.AutoCert"])),
    ("BACALHAU_TLS_CERT", Alias::Sets(&["API.TLS.CertFile"])),
    ("BACALHAU_TLS_KEY", Alias::Sets(&["API.TLS.KeyFile"])),
    ("BACALHAU_TLS_SELFSIGNED", Alias::Sets(&["API.TLS.SelfSigned"])),
    ("BACALHAU_API_CACERT", Alias::Sets(&["API.TLS.CAFile"])),
    ("BACALHAU_API_INSECURE", Alias::Sets(&["API.TLS.Insecure"])),
    ("BACALHAU_API_TLS", Alias::Sets(&["API.TLS.UseTLS"])),
    ("BACALHAU_IPFS_CONNECT", Alias::Sets(IPFS)),
    ("BACALHAU_JOB_STORE_PATH", Alias::Sets(&["Orchestrator.StorePath"])),
    ("BACALHAU_JOB_STORE_TYPE", Alias::Nothing(STORE)),
    ("BACALHAU_COMPUTE_STORE_PATH", Alias::Sets(&["Compute.StorePath"])),
    ("BACALHAU_COMPUTE_STORE_TYPE", Alias::Nothing(STORE)),
    ("BACALHAU_IPFS_SWARM_ADDRESSES", Alias::Nothing(OBSOLETE)),
    ("BACALHAU_SERVE_IPFS_PATH", Alias::Nothing(OBSOLETE)),
    ("BACALHAU_ENVIRONMENT", Alias::Nothing("there are no public servers to choose from; give --api-host")),
    ("BACALHAU_PREFERRED_ADDRESS", Alias::Nothing("give Orchestrator.Advertise")),
    ("BACALHAU_UPDATE_CHECKER_ENDPOINT", Alias::Nothing("this program asks nobody for a newer version")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn aliases_set_keys_that_exist_and_are_no_key_s_own_variable() {
        for (name, alias) in ALIASES {
            assert!(keys::find_by_variable(name).is_none(), "{name}");
            let set: &[&str] = match alias {
                Alias::Sets(set) => set,
                Alias::SetsOfServers(key) => &[key],
                Alias::Nothing(_) => &[],
            };
            assert!(set.iter().all(|key| keys::find(key).is_some()), "{name}");
        }
        assert_eq!(find("BACALHAU_DIR"), Some(Alias::Sets(&["DataDir"])));
    }
}
