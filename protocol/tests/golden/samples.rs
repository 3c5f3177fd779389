//! Values with every field set, so that a change to any of them shows.

use std::collections::BTreeMap;

use bacalhau_protocol::ids::{EvaluationId, ExecutionId, JobId, NodeId};
use bacalhau_protocol::model::job::ResourcesText;
use bacalhau_protocol::model::resources::Gpu;
use bacalhau_protocol::model::{
    BuildInfo, Constraint, DesiredState, Event, Execution, InputSource, Job, JobSpec, JobState, JobType,
    Network, NetworkType, NodeInfo, NodeUsage, Observation, ObservedState, Operator, PortMapping, Resources,
    ResultPath, RunOutput, SpecConfig, Task, Timeouts,
};
use bacalhau_protocol::time::Timestamp;

pub(crate) fn execution_id() -> ExecutionId {
    ExecutionId::parse("e-11111111-2222-4333-8444-555555555555").expect("a plain id")
}

pub(crate) fn job_id() -> JobId {
    JobId::parse("j-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee").expect("a plain id")
}

pub(crate) fn node_id() -> NodeId {
    NodeId::parse("gateway-7").expect("a plain id")
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn config(kind: &str, params: &str) -> SpecConfig {
    SpecConfig { kind: kind.to_owned(), params: params.to_owned() }
}

pub(crate) fn resources() -> Resources {
    let gpu = Gpu {
        index: 1,
        name: "Tesla T4".to_owned(),
        vendor: "NVIDIA".to_owned(),
        memory_mib: 15_360,
        pci_address: "0000:00:1e.0".to_owned(),
    };
    Resources {
        cpu_millis: 500,
        memory_bytes: 512_000_000,
        disk_bytes: 1_000_000_000,
        gpu: 1,
        gpus: vec![gpu],
    }
}

pub(crate) fn task() -> Task {
    Task {
        name: "main".to_owned(),
        engine: config("wasm", r#"{"EntryModule":"/m.wasm"}"#),
        publisher: config("local", ""),
        env: map(&[("LEVEL", "debug")]),
        meta: map(&[("owner", "ops")]),
        inputs: vec![InputSource {
            source: config("localDirectory", r#"{"SourcePath":"/var/log"}"#),
            alias: "logs".to_owned(),
            target: "/logs".to_owned(),
        }],
        results: vec![ResultPath { name: "out".to_owned(), path: "/out".to_owned() }],
        resources_text: ResourcesText {
            cpu: "500m".to_owned(),
            memory: "512mb".to_owned(),
            disk: "1gb".to_owned(),
            gpu: "1".to_owned(),
        },
        resources: resources(),
        network: Network {
            network_type: NetworkType::Bridge,
            domains: vec![".example.com".to_owned()],
            ports: vec![PortMapping {
                name: "http".to_owned(),
                static_port: 8080,
                target: 80,
                host_network: "127.0.0.1".to_owned(),
            }],
        },
        timeouts: Timeouts { execution_s: 300, queue_s: 60, total_s: 900 },
    }
}

pub(crate) fn spec() -> JobSpec {
    JobSpec {
        job_type: JobType::Ops,
        priority: -5,
        count: 3,
        constraints: vec![Constraint {
            key: "region".to_owned(),
            operator: Operator::In,
            values: vec!["eu".to_owned(), "us".to_owned()],
        }],
        meta: map(&[("bacalhau.org/orchestrator.id", "hub")]),
        labels: map(&[("env", "dev")]),
        task: task(),
    }
}

pub(crate) fn job() -> Job {
    Job {
        id: job_id(),
        name: "host-logs".to_owned(),
        namespace: "default".to_owned(),
        submitter: "client".to_owned(),
        job_type: JobType::Ops,
        version: 2,
        state: JobState::Running,
        message: "because".to_owned(),
        details: map(&[("IsError", "true")]),
        revision: 7,
        history: 12,
        created: Timestamp(1_730_801_533_123_456_789),
        version_created: Timestamp(1_730_801_533_223_456_789),
        modified: Timestamp(1_730_801_534_123_456_789),
        ended: Some(Timestamp(1_730_801_535_123_456_789)),
        targets_fixed: true,
    }
}

pub(crate) fn output() -> RunOutput {
    RunOutput {
        stdout: "hello\n".to_owned(),
        stdout_truncated: true,
        stderr: "oops\n".to_owned(),
        stderr_truncated: true,
        exit_code: -1,
        error: "memory limit exceeded".to_owned(),
    }
}

pub(crate) fn execution() -> Execution {
    Execution {
        id: execution_id(),
        job_id: job_id(),
        job_version: 2,
        node_id: node_id(),
        evaluation_id: EvaluationId::parse("3d1c9c34-9c26-4d4c-8a55-1f2b7d0c1f0a").expect("a plain id"),
        partition: 1,
        attempt: 2,
        resources: resources(),
        desired: DesiredState::Stopped,
        desired_message: "execution completed".to_owned(),
        generation: 3,
        observed: ObservedState::Completed,
        observed_message: "exit code 0".to_owned(),
        observed_sequence: 41,
        published: Some(config("urlDownload", r#"{"URL":"/x.tar.gz"}"#)),
        output: Some(output()),
        revision: 6,
        created: Timestamp(1_730_801_533_123_456_789),
        modified: Timestamp(1_730_801_535_123_456_789),
    }
}

pub(crate) fn observation() -> Observation {
    Observation {
        execution_id: execution_id(),
        generation: 3,
        state: ObservedState::Failed,
        message: "exit code 1".to_owned(),
        events: vec![Event {
            topic: "Execution".to_owned(),
            message: "Running".to_owned(),
            at: Timestamp(1_730_801_533_123_456_789),
            details: map(&[("NewState", "Running")]),
        }],
        output: Some(output()),
        published: Some(config("urlDownload", r#"{"URL":"/x.tar.gz"}"#)),
    }
}

pub(crate) fn node_info() -> NodeInfo {
    NodeInfo {
        node_id: node_id(),
        labels: map(&[("region", "eu")]),
        engines: vec!["wasm".to_owned()],
        engines_unavailable: map(&[("docker", "no daemon")]),
        publishers: vec!["local".to_owned()],
        sources: vec!["inline".to_owned()],
        accepts_networked: true,
        capacity: resources(),
        max_job: resources(),
        build: BuildInfo {
            version: "v1.9.0".to_owned(),
            commit: "e28960c".to_owned(),
            date: "2026-11-21T00:00:00Z".to_owned(),
            os: "linux".to_owned(),
            arch: "arm64".to_owned(),
        },
        engine_profile: "profile".to_owned(),
    }
}

pub(crate) fn usage() -> NodeUsage {
    NodeUsage { available: resources(), queued: resources(), running: 2, enqueued: 3 }
}
