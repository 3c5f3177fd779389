//! What the system is about: jobs, tasks, executions, nodes.
//!
//! These types double as version 1 of the wire and of stored values (see [`crate::wire`]): their postcard form is
//! frozen by golden files. The first change to a released type moves the old one to `wire::v1` with conversions.

pub mod execution;
pub mod job;
pub mod node;
pub mod resources;

pub use execution::{
    ComputeState, DesiredState, Event, Execution, Observation, ObservedState, RunOutput, topic,
};
pub use job::{
    Constraint, InputSource, Job, JobSpec, JobState, JobType, Network, NetworkType, Operator, PortMapping,
    ResourcesText, ResultPath, SpecConfig, Task, Timeouts, may_change,
};
pub use node::{BuildInfo, Membership, NodeInfo, NodeUsage};
pub use resources::{Gpu, Resources};
