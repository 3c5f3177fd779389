//! The environment of a task (semantics.md 4.9).

use std::collections::BTreeMap;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::wire::Work;
use globset::{Glob, GlobSet, GlobSetBuilder};

/// Before the name of a host variable that a task asks for.
const FORWARD: &str = "env:";

/// Host variables that tasks may have.
#[derive(Clone, Debug, Default)]
pub struct EnvAllowList {
    patterns: GlobSet,
}

impl EnvAllowList {
    /// From globs, which must match whole names.
    pub fn new(patterns: &[String]) -> Result<Self, globset::Error> {
        let mut builder = GlobSetBuilder::new();
        for pattern in patterns {
            builder.add(Glob::new(pattern)?);
        }
        Ok(Self { patterns: builder.build()? })
    }

    /// Whether tasks may have the variable.
    pub fn allows(&self, name: &str) -> bool {
        self.patterns.is_match(name)
    }
}

/// A host variable is allowed and not there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("required environment variable '{0}' not found")]
pub struct Unset(pub String);

/// Names of the host variables that a task asks for.
pub fn forwarded(env: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    env.values().filter_map(|value| value.strip_prefix(FORWARD))
}

/// The task's variables and the node's; the node's win. `host` looks up a host variable.
pub fn build(
    execution: &ExecutionId,
    work: &Work,
    host: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Unset> {
    let mut env = BTreeMap::new();
    for (name, value) in &work.task.env {
        let value = match value.strip_prefix(FORWARD) {
            Some(host_name) => host(host_name).ok_or_else(|| Unset(host_name.to_owned()))?,
            None => value.clone(),
        };
        env.insert(name.clone(), value);
    }
    let count = if work.job_type.is_everywhere() { 0 } else { work.count };
    let own = [
        ("EXECUTION_ID", execution.to_string()),
        ("JOB_ID", work.job_id.to_string()),
        ("JOB_TYPE", work.job_type.as_str().to_owned()),
        ("PARTITION_INDEX", work.partition.to_string()),
        ("PARTITION_COUNT", count.to_string()),
    ];
    env.extend(own.map(|(name, value)| (format!("BACALHAU_{name}"), value)));
    Ok(env)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::tests::work;

    #[test]
    fn the_nodes_variables_win_and_host_variables_are_forwarded() {
        let mut work = work();
        work.task.env =
            [("A", "1"), ("TOKEN", "env:HOST_TOKEN")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let execution = ExecutionId::parse("e1").unwrap();
        let host = |name: &str| (name == "HOST_TOKEN").then(|| "secret".to_owned());
        let env = build(&execution, &work, host).unwrap();
        assert_eq!(env["TOKEN"], "secret");
        assert_eq!(env["BACALHAU_EXECUTION_ID"], "e1");
        assert_eq!(env["BACALHAU_PARTITION_COUNT"], "0", "ops jobs have no partitions");
        assert_eq!(build(&execution, &work, |_| None), Err(Unset("HOST_TOKEN".to_owned())));
    }

    #[test]
    fn patterns_match_whole_names() {
        let list = EnvAllowList::new(&["AWS_*".to_owned()]).unwrap();
        assert!(list.allows("AWS_REGION"));
        assert!(!list.allows("XAWS_REGION") && !list.allows("AWS"));
        assert!(!EnvAllowList::default().allows("PATH"));
    }
}
