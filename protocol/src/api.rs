//! The JSON of the REST API, exactly as Bacalhau clients know it, and its way to and from the model.
//!
//! Keys, their case, what is left out when empty and how each enumeration is written are facts other programs rely
//! on. Reading is tolerant: absent fields, `null` and unknown fields are accepted. Nothing else in the system uses
//! these types; records and wire messages have their own (see [`crate::wire`]).

mod agent;
mod auth;
pub mod decode;
mod error;
mod execution;
mod history;
mod job;
mod node;
mod requests;
mod resources;
mod rfc3339;
mod state;
#[cfg(test)]
mod tests;
mod tolerant;

pub use agent::{AgentNode, Alive, BuildVersionInfo};
pub use auth::{
    AuthMethod, AuthMethodsResponse, AuthenticateRequest, Authentication, AuthenticationResponse,
    ChallengeParams, ChallengeReply,
};
pub use error::{ErrorBody, code};
pub use execution::{AllocatedResources, Execution, RunOutput};
pub use history::{Event, HistoryItem, HistoryType};
pub use job::{
    Constraint, InputSource, Job, Network, PortMapping, ResourcesConfig, ResultPath, SpecConfig, Task,
    Timeouts,
};
pub use node::{ComputeNodeInfo, Connection, ConnectionState, NodeInfo, NodeState};
pub use requests::{
    DiffJobResponse, GetJobResponse, GetNodeResponse, ListNodesResponse, ListResponse, LogFrame, LogLine,
    NodeActionRequest, NodeActionResponse, PutJobRequest, PutJobResponse, RerunJobRequest, RerunJobResponse,
    StopJobRequest, StopJobResponse,
};
pub use resources::{Gpu, Resources};
pub use state::{ComputeStateNumber, DesiredStateNumber, JobStateWord, State};
