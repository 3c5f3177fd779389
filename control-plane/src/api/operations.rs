//! Every operation of the API: who serves it, and what the document says.

use bacalhau_protocol::api::{
    AgentNode, Alive, AuthMethod, AuthMethodsResponse, AuthenticateRequest, AuthenticationResponse,
    BuildVersionInfo, DiffJobResponse, Execution, GetJobResponse, GetNodeResponse, HistoryItem, Job,
    ListNodesResponse, ListResponse, NodeActionRequest, NodeActionResponse, PutJobRequest, PutJobResponse,
    RerunJobRequest, RerunJobResponse, SpecConfig, StopJobRequest, StopJobResponse,
};
use serde_json::{Map, Value};

use super::openapi::schema_of;
use super::operation::Kind::{Flag, Number, Text, Texts, Word};
use super::operation::{Gives, Operation, Query};
use super::{agent, archive, auth, jobs, nodes};

/// All of them.
pub(super) fn all() -> Vec<Operation> {
    [about_jobs(), of_one_job(), about_nodes(), about_this_server(), about_callers()]
        .into_iter()
        .flatten()
        .collect()
}

type Any = Map<String, Value>;

const NAMESPACE: Query = Query("namespace", Text, "where a name is looked up; `default` when empty");
const VERSION: Query = Query("job_version", Number, "of this version; 0 for the latest");
const ALL_VERSIONS: Query = Query("all_job_versions", Flag, "of all versions, unless `job_version` is given");
const LIMIT: Query = Query("limit", Number, "most items of a page; 0 for as many as there may be");
const TOKEN: Query = Query("next_token", Text, "go on where another page ended; wins over order and limit");
const REVERSE: Query = Query("reverse", Flag, "the other way round");
const JOB_ORDER: &[&str] = &["created_at", "modified_at", "id"];
const EXECUTION_ORDER: &[&str] = &["created_at", "modified_at"];
const NODE_ORDER: &[&str] = &[
    "id",
    "type",
    "available_cpu",
    "available_memory",
    "available_disk",
    "available_gpu",
    "approval",
    "status",
];

fn about_jobs() -> Vec<Operation> {
    const JOBS: &str = "/api/v1/orchestrator/jobs";
    const LIST: &[Query] = &[
        Query("namespace", Text, "only of this namespace; empty or `*` for all"),
        Query("labels", Texts, "a selector, as in Kubernetes; terms may be spread over several"),
        Query("order_by", Word(JOB_ORDER), "`created_at` when empty"),
        REVERSE,
        LIMIT,
        TOKEN,
    ];
    vec![
        Operation::get(JOBS, "List jobs", jobs::list::list).query(LIST).gives::<ListResponse<Job>>(),
        Operation::put(JOBS, "Submit a job, or the next version of one", jobs::submit::submit)
            .takes::<PutJobRequest>()
            .gives::<PutJobResponse>(),
        Operation::post(JOBS, "The same as PUT", jobs::submit::submit)
            .takes::<PutJobRequest>()
            .gives::<PutJobResponse>(),
        Operation::put("/api/v1/orchestrator/jobs/diff", "What a submission would change", jobs::diff::diff)
            .takes::<PutJobRequest>()
            .gives::<DiffJobResponse>(),
    ]
}

const EXECUTIONS: &[Query] = &[
    NAMESPACE,
    VERSION,
    ALL_VERSIONS,
    Query("order_by", Word(EXECUTION_ORDER), "`created_at` when empty"),
    REVERSE,
    LIMIT,
    TOKEN,
];
const HISTORY: &[Query] = &[
    NAMESPACE,
    VERSION,
    ALL_VERSIONS,
    Query("event_type", Word(&["all", "job", "execution"]), "only of this level"),
    Query("execution_id", Text, "only of this execution; the start of its id is enough"),
    Query("since", Number, "Unix seconds of the earliest"),
    Query("wait", Number, "seconds to wait, at most 10, while there is nothing new and something may happen"),
    Query("limit", Number, "most items of a page; 100 when 0"),
    TOKEN,
];
const LOGS: &[Query] = &[
    NAMESPACE,
    VERSION,
    ALL_VERSIONS,
    Query("execution_id", Text, "of this execution; of the one changed last when empty"),
    Query("follow", Flag, "until the execution ends"),
    Query("tail", Flag, "only what is printed from now on"),
];

fn of_one_job() -> Vec<Operation> {
    const JOB: &str = "/api/v1/orchestrator/jobs/{id}";
    const GET: &[Query] =
        &[NAMESPACE, VERSION, Query("include", Text, "`executions`, `history`, or both with a comma")];
    const STOP: &[Query] = &[NAMESPACE, Query("reason", Text, "why; the body's wins")];
    let archive = Gives::Bytes("application/gzip");
    vec![
        Operation::get(JOB, "A job by name, id, or the start of an id", jobs::get::get)
            .query(GET)
            .gives::<GetJobResponse>(),
        Operation::delete(JOB, "Stop a job", jobs::stop::stop)
            .query(STOP)
            .takes::<StopJobRequest>()
            .gives::<StopJobResponse>(),
        Operation::get("/api/v1/orchestrator/jobs/{id}/executions", "Its executions", jobs::executions::list)
            .query(EXECUTIONS)
            .gives::<ListResponse<Execution>>(),
        Operation::get(
            "/api/v1/orchestrator/jobs/{id}/executions/{execution}/results.tar.gz",
            "What an execution published; `Range` is understood",
            archive::download,
        )
        .or(200, "The archive.", archive)
        .or(206, "A part of it.", Gives::Bytes("application/gzip")),
        Operation::get("/api/v1/orchestrator/jobs/{id}/history", "What happened to it", jobs::history::list)
            .query(HISTORY)
            .gives::<ListResponse<HistoryItem>>(),
        Operation::get("/api/v1/orchestrator/jobs/{id}/logs", "Its output, by WebSocket", jobs::logs::follow)
            .query(LOGS)
            .or(101, "The socket; each message is a JSON object with `value` or `error`.", Gives::Nothing),
        Operation::put("/api/v1/orchestrator/jobs/{id}/rerun", "Run it again", jobs::rerun::rerun)
            .takes::<RerunJobRequest>()
            .gives::<RerunJobResponse>(),
        Operation::get(
            "/api/v1/orchestrator/jobs/{id}/results",
            "Where its results are",
            jobs::results::list,
        )
        .query(&[NAMESPACE])
        .gives::<ListResponse<SpecConfig>>(),
        Operation::get("/api/v1/orchestrator/jobs/{id}/versions", "Its versions", jobs::versions::list)
            .query(&[NAMESPACE, LIMIT, TOKEN])
            .gives::<ListResponse<Job>>(),
    ]
}

fn about_nodes() -> Vec<Operation> {
    const LIST: &[Query] = &[
        Query("labels", Texts, "a selector, as in Kubernetes"),
        Query("filter-approval", Text, "`APPROVED`, `PENDING` or `REJECTED`"),
        Query("filter-status", Text, "`CONNECTED` or `DISCONNECTED`"),
        Query("order_by", Word(NODE_ORDER), "`id` when empty"),
        REVERSE,
        LIMIT,
    ];
    const NODE: &str = "/api/v1/orchestrator/nodes/{id}";
    vec![
        Operation::get("/api/v1/orchestrator/nodes", "List nodes", nodes::list)
            .query(LIST)
            .gives::<ListNodesResponse>(),
        Operation::get(NODE, "A node by its id or the start of it", nodes::get).gives::<GetNodeResponse>(),
        Operation::put(NODE, "Approve, reject or delete a node", nodes::change)
            .takes::<NodeActionRequest>()
            .gives::<NodeActionResponse>(),
    ]
}

fn about_this_server() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/agent/alive", "Whether it answers", agent::alive).gives::<Alive>(),
        Operation::get("/api/v1/agent/version", "Its version", agent::version).gives::<BuildVersionInfo>(),
        Operation::get("/api/v1/agent/node", "It as a node", agent::node).gives::<AgentNode>(),
        Operation::get("/api/v1/agent/config", "Its settings, secrets replaced", agent::config)
            .gives::<Any>(),
        Operation::get("/api/v1/agent/debug", "Its inner state, in short", agent::debug).gives::<Any>(),
        Operation::get("/api/v1/agent/authconfig", "Its single sign-on: none", agent::auth_config)
            .gives::<Any>(),
        Operation::get("/api/v1/healthz", "The same as agent/alive", agent::alive).gives::<Alive>(),
    ]
}

fn about_callers() -> Vec<Operation> {
    const METHOD: &str = "/api/v1/auth/{name}";
    vec![
        Operation::get("/api/v1/auth", "Ways to authenticate", auth::list).gives::<AuthMethodsResponse>(),
        Operation::get(METHOD, "One way to authenticate", auth::get).gives::<AuthMethod>(),
        Operation::post(METHOD, "Authenticate", auth::authenticate)
            .takes::<AuthenticateRequest>()
            .gives::<AuthenticationResponse>()
            .or(401, "Refused.", Gives::Json(schema_of::<AuthenticationResponse>)),
    ]
}
