//! The name of an orchestrator: that of the node beside it, or one that was made once and is kept in its directory.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use bacalhau_agent::Agent;
use bacalhau_control_plane::private_directory;
use bacalhau_protocol::ids::NodeId;

use crate::config::serve::NameChoice;
use crate::entropy;
use crate::output;

/// An orchestrator and the `agent` in its process are one node and have one name.
pub(super) fn of_orchestrator(
    directory: &Path,
    choice: &NameChoice,
    agent: Option<&bacalhau_agent::config::Config>,
) -> anyhow::Result<NodeId> {
    let Some(agent) = agent else { return kept(directory, choice) };
    private_directory(directory).with_context(|| format!("creating {}", directory.display()))?;
    Agent::name(agent).context("naming the node")
}

/// The kept name, or a new one that is kept from now on.
fn kept(directory: &Path, choice: &NameChoice) -> anyhow::Result<NodeId> {
    let file = directory.join("node.id");
    match fs::read_to_string(&file) {
        Ok(text) => {
            let kept = NodeId::parse(text.trim()).with_context(|| format!("reading {}", file.display()))?;
            if matches!(choice, NameChoice::Chosen(other) if *other != kept) {
                output::warn(&format!("this node keeps the name {kept}, which it has from its first start"));
            }
            Ok(kept)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = new(choice)?;
            let written = private_directory(directory).and_then(|()| fs::write(&file, format!("{name}\n")));
            written.with_context(|| format!("writing {}", file.display()))?;
            Ok(name)
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

fn new(choice: &NameChoice) -> anyhow::Result<NodeId> {
    match choice {
        NameChoice::Chosen(name) => Ok(name.clone()),
        NameChoice::PrefixedUuid => Ok(NodeId::from_random(entropy::id_bytes()?)),
        NameChoice::Uuid => {
            let id = NodeId::from_random(entropy::id_bytes()?);
            Ok(NodeId::parse(id.as_str().trim_start_matches(NodeId::PREFIX))?)
        }
        NameChoice::Hostname => Ok(NodeId::parse(&of_host()?.replace('.', "-"))?),
    }
}

/// What this machine calls itself.
pub(super) fn of_host() -> anyhow::Result<String> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").context("asking for the host's name")?;
    Ok(host.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::serve::ServeConfig;
    use crate::config::{Invocation, load};

    #[test]
    fn a_name_is_kept_from_the_first_start_on() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("orchestrator");
        let first = kept(&inner, &NameChoice::PrefixedUuid).unwrap();
        assert!(first.as_str().starts_with("n-"));
        let other = NameChoice::Chosen(NodeId::parse("other").unwrap());
        assert_eq!(kept(&inner, &other).unwrap(), first);
    }

    #[test]
    fn an_orchestrator_has_the_name_of_the_agent_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let invocation = Invocation {
            config: ["Compute.Enabled".to_owned(), format!("DataDir={}", home.path().display())].into(),
            ..Invocation::default()
        };
        let settings = load(&invocation, &|_| Err(io::ErrorKind::NotFound.into())).unwrap();
        let agent = ServeConfig::resolve(&settings).unwrap().0.compute.unwrap();
        let directory = home.path().join("orchestrator");
        let name = of_orchestrator(&directory, &NameChoice::PrefixedUuid, Some(&agent)).unwrap();
        assert_eq!(Agent::name(&agent).unwrap(), name);
        assert!(directory.is_dir());
        assert_ne!(of_orchestrator(&directory, &NameChoice::PrefixedUuid, None).unwrap(), name);
    }

    #[test]
    fn a_damaged_name_is_an_error_and_not_a_new_name() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("node.id"), "a b").unwrap();
        assert!(kept(directory.path(), &NameChoice::Uuid).is_err());
    }
}
