//! The environment variables of a task (semantics.md 4.9).

use std::collections::BTreeMap;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::wire::Work;
use globset::{Glob, GlobSet, GlobSetBuilder};

/// In front of a value that names a variable of the host.
const FORWARDED: &str = "env:";

/// Why a variable of the host is not given to a task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The operator does not allow it.
    #[error("environment variable '{0}' is not on the allow-list Compute.Env.AllowList")]
    NotAllowed(String),
    /// The host does not have it.
    #[error("required environment variable '{0}' not found")]
    NotFound(String),
}

/// Which variables of the host tasks may see.
#[derive(Clone, Debug)]
pub struct HostVariables {
    allowed: GlobSet,
}

impl HostVariables {
    /// With the operator's globs, each against the whole name.
    pub fn new(allow_list: &[String]) -> Self {
        let mut builder = GlobSetBuilder::new();
        for glob in allow_list.iter().filter_map(|text| Glob::new(text).ok()) {
            builder.add(glob);
        }
        Self { allowed: builder.build().unwrap_or_else(|_| GlobSet::empty()) }
    }

    /// Whether a task's value may be used; does not look whether the host has the variable.
    pub fn check(&self, value: &str) -> Result<(), Error> {
        match value.strip_prefix(FORWARDED) {
            Some(name) if !self.allowed.is_match(name) => Err(Error::NotAllowed(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// A task's value, forwarded from the host where it says so.
    fn resolve(&self, value: &str, host: &dyn Fn(&str) -> Option<String>) -> Result<String, Error> {
        self.check(value)?;
        match value.strip_prefix(FORWARDED) {
            Some(name) => host(name).ok_or_else(|| Error::NotFound(name.to_owned())),
            None => Ok(value.to_owned()),
        }
    }
}

/// Everything a task finds in its environment; what the node sets wins over what the task says.
pub fn of(
    execution_id: &ExecutionId,
    work: &Work,
    variables: &HostVariables,
    host: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Error> {
    let resolved =
        work.task.env.iter().map(|(name, value)| Ok((name.clone(), variables.resolve(value, host)?)));
    let mut environment = resolved.collect::<Result<BTreeMap<_, _>, Error>>()?;
    let own = [
        ("BACALHAU_EXECUTION_ID", execution_id.to_string()),
        ("BACALHAU_JOB_ID", work.job_id.to_string()),
        ("BACALHAU_JOB_TYPE", work.job_type.as_str().to_owned()),
        ("BACALHAU_PARTITION_INDEX", work.partition.to_string()),
        ("BACALHAU_PARTITION_COUNT", work.count.to_string()),
    ];
    environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::JobType;

    use super::*;
    use crate::execution::fixtures::work;

    fn environment(env: &[(&str, &str)]) -> Result<BTreeMap<String, String>, Error> {
        let mut work = work(JobType::Daemon);
        work.task.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let variables = HostVariables::new(&["AWS_*".to_owned(), "FOO".to_owned()]);
        let host = |name: &str| (name == "AWS_REGION").then(|| "eu".to_owned());
        of(&ExecutionId::parse("e-1").unwrap(), &work, &variables, &host)
    }

    #[test]
    fn the_node_sets_its_own_and_forwards_what_is_allowed() {
        let environment =
            environment(&[("REGION", "env:AWS_REGION"), ("BACALHAU_JOB_ID", "forged")]).unwrap();
        let shown: Vec<_> = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            shown,
            [
                "BACALHAU_EXECUTION_ID=e-1",
                "BACALHAU_JOB_ID=j-01010101-0101-4101-8101-010101010101",
                "BACALHAU_JOB_TYPE=daemon",
                "BACALHAU_PARTITION_COUNT=0",
                "BACALHAU_PARTITION_INDEX=0",
                "REGION=eu",
            ]
        );
    }

    #[test]
    fn globs_cover_the_whole_name() {
        assert_eq!(environment(&[("A", "env:XFOO")]), Err(Error::NotAllowed("XFOO".into())));
        assert_eq!(environment(&[("A", "env:FOO1")]), Err(Error::NotAllowed("FOO1".into())));
        assert_eq!(environment(&[("A", "env:FOO")]), Err(Error::NotFound("FOO".into())));
    }
}
