//! What the node must do for an execution.

use bacalhau_protocol::model::Observation;

use super::StopCause;

/// One thing to do. Effects of a step are begun in the order given, without waiting for one another, with two
/// exceptions that make power cuts harmless:
///
/// - [`Effect::Start`] waits until every earlier [`Effect::Journal`] is durable: what may have run is on disk first.
/// - [`Effect::Observe`] waits for a [`Effect::Journal`] that stands before it in the same step. A final observation
///   stands before its record, so that both happen at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Look whether the node takes it; answered by `Admitted` or `Refused`.
    Admit,
    /// Put it into the local queue; answered by `SlotGranted`, or by `MustWait` and later `SlotGranted`.
    Queue,
    /// Take it out of the local queue and give back its capacity. Comes only after `Queue` or `Occupy`, once.
    LeaveQueue,
    /// Write the record of the execution as it stands after this step.
    Journal,
    /// Bring the inputs here; answered by `InputsReady` or `TaskEnded`. May come again for a task that is tried again.
    PrepareInputs,
    /// Take capacity without waiting in the local queue, for a task that may run already. Stands for `Queue` and is not
    /// answered.
    Occupy,
    /// Take over the task that an earlier agent process started; answered by `Adopted` and later `TaskEnded`, or by
    /// `NothingToAdopt`.
    Adopt,
    /// Stop looking after the task, which goes on.
    LetGo,
    /// Start the task; answered by `Started` and later `TaskEnded`, or by `TaskEnded` or `NotWritten` alone.
    Start,
    /// End what `PrepareInputs`, `Start` or `Publish` began; answered by `TaskEnded`.
    Stop(StopCause),
    /// Send the results; answered by `Published` or `PublishFailed`.
    Publish,
    /// Tell the control plane.
    Observe(Box<Observation>),
    /// Remove what the task used; its output stays readable for a while. What still runs is abandoned.
    CleanUp,
    /// Drop the execution and its record. The last effect there is.
    Forget,
}
