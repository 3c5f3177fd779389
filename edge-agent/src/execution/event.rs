//! What can happen to an execution.

use std::time::Duration;

use bacalhau_protocol::model::{DesiredState, Event as Happening, RunOutput, SpecConfig};

/// What happened. Answers to effects that were overtaken by other events may still come and change nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The control plane's wish changed.
    Wished {
        /// Older ones than the newest are ignored.
        generation: u64,
        /// What is wanted.
        desired: DesiredState,
        /// Why; may be empty.
        reason: String,
    },
    /// The node is no longer a member, so nothing of it is wanted.
    StopWanted(String),
    /// The control plane does not know the execution.
    Disowned,
    /// Answer to [`super::Effect::Admit`]: the node takes it.
    Admitted,
    /// Answer to [`super::Effect::Admit`]: it does not, for these reasons, already joined.
    Refused(String),
    /// Answer to [`super::Effect::Queue`]: the capacity is set aside.
    SlotGranted,
    /// Answer to [`super::Effect::Queue`]: there is none now; `SlotGranted` comes later.
    MustWait,
    /// Answer to [`super::Effect::PrepareInputs`].
    InputsReady,
    /// Something worth telling about a start that goes on.
    Noted {
        /// One of [`bacalhau_protocol::model::topic`].
        topic: &'static str,
        /// A sentence for people.
        message: String,
        /// Nobody waits for it: it travels with the next observation.
        can_wait: bool,
    },
    /// Answer to [`super::Effect::Start`].
    Started,
    /// Answer to [`super::Effect::Start`]: the record that stands before it is not on disk, for this reason, so the task
    /// was not started.
    NotWritten(String),
    /// Answer to [`super::Effect::Adopt`]: the task is there, running or ended meanwhile; `TaskEnded` comes later.
    Adopted {
        /// For how long it has run.
        ran_for: Duration,
    },
    /// Answer to [`super::Effect::Adopt`]: nothing of the task is left.
    NothingToAdopt,
    /// What was prepared, started or stopped is over.
    TaskEnded(TaskEnd),
    /// Answer to [`super::Effect::Publish`], with where the results are.
    Published(Option<SpecConfig>),
    /// Answer to [`super::Effect::Publish`]: it did not work.
    PublishFailed(String),
    /// The time of [`super::Execution::wakes_at`] has come.
    Woken,
    /// The agent ends, and the task with it.
    AgentStopping,
    /// The agent ends; a task that runs goes on without it.
    AgentLeaving,
    /// The control plane has the newest observation that was sent, with these happenings.
    Acknowledged(Vec<Happening>),
}

/// What to do about a failed start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Kind of failure as `component:code`.
    pub code: String,
    /// What people may try.
    pub hint: String,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskEnd {
    /// By itself, with the exit code in its output.
    Exited(RunOutput),
    /// Broken off by its own doing, such as a trap.
    Broken {
        /// What went wrong.
        message: String,
        /// What it had written.
        output: RunOutput,
    },
    /// It never ran.
    NotStarted {
        /// The stage that failed, one of [`bacalhau_protocol::model::topic`].
        topic: &'static str,
        /// What went wrong.
        message: String,
        /// For programs and for whoever has to mend it; may be empty.
        advice: Advice,
    },
    /// It was told to end. `None` when it had not run.
    Stopped(Option<RunOutput>),
}
