//! Who asks, and what they may do.
//!
//! No access control is configured in this version, so every caller is anonymous and may do what the seeds' anonymous
//! mode allows and what an administrator needs: read everything, submit, change and stop what was submitted anonymously or
//! by themselves, and decide about nodes. The API listens on the loopback interface unless told otherwise. Every handler
//! asks [`authorize`] all the same, so that users, keys and policies change this file. One thing is asked elsewhere too,
//! by the same rule ([`may_change`]): which job an update changes is known only to the orchestrator, when it makes it.

use std::collections::BTreeSet;

use bacalhau_protocol::model::may_change;

use super::error::ApiError;

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// Empty for an anonymous caller.
    pub(super) client_id: String,
    /// What the caller may do.
    pub(super) grants: BTreeSet<Grant>,
    /// Version the caller's program claims, if any.
    pub(super) version: Option<ClientVersion>,
}

/// Major, minor and patch number of a client.
pub(super) type ClientVersion = (u64, u64, u64);

/// Something a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grant {
    ReadJobs,
    WriteJobs,
    ReadNodes,
    WriteNodes,
    ReadAgent,
}

/// What an action is done to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resource<'a> {
    /// Jobs in general, or one that is about to be made.
    Jobs,
    /// A job, with the client id of its submitter.
    Job { submitter: &'a str },
    /// Nodes.
    Nodes,
    /// This server.
    Agent,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    Write,
}

impl Caller {
    /// A caller who did not say who they are.
    pub(super) fn anonymous(version: Option<ClientVersion>) -> Self {
        use Grant::{ReadAgent, ReadJobs, ReadNodes, WriteJobs, WriteNodes};
        let grants = BTreeSet::from([ReadJobs, WriteJobs, ReadNodes, WriteNodes, ReadAgent]);
        Self { client_id: String::new(), grants, version }
    }

    /// Whether the caller's program is older than this.
    pub(super) fn is_older_than(&self, version: ClientVersion) -> bool {
        self.version.is_some_and(|own| own < version)
    }
}

/// The one place that says who may do what.
pub(super) fn authorize(caller: &Caller, action: Action, resource: Resource<'_>) -> Result<(), ApiError> {
    let (grant, capability) = match (action, resource) {
        (Action::Read, Resource::Jobs | Resource::Job { .. }) => (Grant::ReadJobs, "read:job"),
        (Action::Write, Resource::Jobs | Resource::Job { .. }) => (Grant::WriteJobs, "write:job"),
        (Action::Read, Resource::Nodes) => (Grant::ReadNodes, "read:node"),
        (Action::Write, Resource::Nodes) => (Grant::WriteNodes, "write:node"),
        (_, Resource::Agent) => (Grant::ReadAgent, "read:agent"),
    };
    if !caller.grants.contains(&grant) {
        let who = if caller.client_id.is_empty() { "anonymous" } else { &caller.client_id };
        return Err(ApiError::forbidden(format!(
            "user '{who}' does not have the required capability '{capability}'"
        )));
    }
    match resource {
        Resource::Job { submitter }
            if action == Action::Write && !may_change(submitter, &caller.client_id) =>
        {
            Err(ApiError::forbidden("the job was submitted by another client"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_and_ownership_decide() {
        let anonymous = Caller::anonymous(None);
        assert!(authorize(&anonymous, Action::Write, Resource::Job { submitter: "" }).is_ok());
        assert!(authorize(&anonymous, Action::Read, Resource::Job { submitter: "alice" }).is_ok());
        let refused = authorize(&anonymous, Action::Write, Resource::Job { submitter: "alice" }).unwrap_err();
        assert_eq!(refused.0.status, 403);
        let reader = Caller { grants: BTreeSet::from([Grant::ReadJobs]), ..anonymous };
        assert!(authorize(&reader, Action::Read, Resource::Jobs).is_ok());
        let refused = authorize(&reader, Action::Write, Resource::Nodes).unwrap_err();
        let expected = "user 'anonymous' does not have the required capability 'write:node'";
        assert_eq!(refused.0.details["reason"], expected);
    }
}
