//! The JSON of api.md section 2, byte for byte where its order is Bacalhau's.

use serde_json::{Value, json};

use super::*;
use crate::ids::{EvaluationId, ExecutionId, JobId, NodeId};
use crate::model;
use crate::time::Timestamp;

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn spec() -> model::JobSpec {
    let engine =
        model::SpecConfig { kind: "docker".into(), params: r#"{"Image":"ubuntu","Entrypoint":null}"#.into() };
    model::JobSpec {
        job_type: model::JobType::Batch,
        priority: 0,
        count: 1,
        constraints: vec![],
        meta: Default::default(),
        labels: Default::default(),
        task: model::Task {
            name: "main".into(),
            engine,
            publisher: model::SpecConfig::default(),
            env: Default::default(),
            meta: Default::default(),
            inputs: vec![],
            results: vec![],
            resources_text: model::job::ResourcesText { cpu: "500m".into(), ..Default::default() },
            resources: model::Resources { cpu_millis: 500, ..Default::default() },
            network: model::Network::default(),
            timeouts: model::Timeouts::default(),
        },
    }
}

fn execution() -> model::Execution {
    model::Execution {
        id: ExecutionId::parse("e-1").unwrap(),
        job_id: JobId::parse("j-1").unwrap(),
        job_version: 1,
        node_id: NodeId::parse("n-1").unwrap(),
        evaluation_id: EvaluationId::parse("3d1c").unwrap(),
        partition: 0,
        attempt: 0,
        resources: model::Resources { cpu_millis: 500, memory_bytes: 512_000_000, ..Default::default() },
        desired: model::DesiredState::Stopped,
        desired_message: "execution completed".into(),
        generation: 2,
        observed: model::ObservedState::Completed,
        observed_message: String::new(),
        observed_sequence: 4,
        published: None,
        output: Some(model::RunOutput { stdout: "hello\n".into(), ..Default::default() }),
        revision: 6,
        created: Timestamp(1_730_801_533_223_456_789),
        modified: Timestamp(1_730_801_535_123_456_789),
    }
}

#[test]
fn a_task_is_written_as_bacalhau_does() {
    let text = text(&Task::from(&spec().task));
    let expected = concat!(
        r#"{"Name":"main","Engine":{"Type":"docker","Params":{"Image":"ubuntu","Entrypoint":null}},"#,
        r#""Publisher":{"Type":""},"Resources":{"CPU":"500m"},"Network":{"Type":"Default"},"Timeouts":{}}"#,
    );
    assert_eq!(text, expected);
}

#[test]
fn an_execution_is_written_as_bacalhau_does() {
    let text = text(&Execution::from_model(&execution(), "default", "main"));
    let expected = concat!(
        r#"{"ID":"e-1","Namespace":"default","EvalID":"3d1c","Name":"","NodeID":"n-1","JobID":"j-1","JobVersion":1,"#,
        r#""AllocatedResources":{"Tasks":{"main":{"CPU":0.5,"Memory":512000000}}},"#,
        r#""DesiredState":{"StateType":2,"Message":"execution completed"},"ComputeState":{"StateType":9},"#,
        r#""PublishedResult":{"Type":""},"RunOutput":{"Stdout":"hello\n","StdoutTruncated":false,"stderr":"","#,
        r#""StderrTruncated":false,"ExitCode":0,"ErrorMsg":""},"PreviousExecution":"","NextExecution":"","#,
        r#""FollowupEvalID":"","Revision":6,"CreateTime":1730801533223456789,"ModifyTime":1730801535123456789}"#,
    );
    assert_eq!(text, expected);
}

#[test]
fn an_empty_node_has_the_keys_of_bacalhau() {
    let value = serde_json::to_value(NodeState::default()).unwrap();
    let expected = json!({
        "Info": {
            "NodeID": "", "NodeType": "", "Labels": {}, "SupportedProtocols": [],
            "ComputeNodeInfo": {
                "ExecutionEngines": null, "Publishers": null, "StorageSources": null,
                "MaxCapacity": {}, "QueueCapacity": {}, "AvailableCapacity": {}, "MaxJobRequirements": {},
                "RunningExecutions": 0, "EnqueuedExecutions": 0, "address": ""
            },
            "BacalhauVersion": {"GitVersion": "", "GitCommit": "", "BuildDate": "", "GOOS": "", "GOARCH": ""}
        },
        "Membership": "",
        "Connection": "DISCONNECTED",
        "ConnectionState": {
            "Status": "DISCONNECTED", "LastHeartbeat": "0001-01-01T00:00:00Z",
            "ConnectedSince": "0001-01-01T00:00:00Z", "DisconnectedSince": "0001-01-01T00:00:00Z"
        }
    });
    assert_eq!(value, expected);
}

#[test]
fn empty_warnings_are_null_and_empty_lists_are_not() {
    assert_eq!(text(&PutJobResponse::default()), r#"{"JobID":"","EvaluationID":"","Warnings":null}"#);
    assert_eq!(text(&ListResponse::<Job>::default()), r#"{"NextToken":"","Items":[]}"#);
    assert_eq!(text(&NodeActionResponse { success: true, ..Default::default() }), r#"{"Success":true}"#);
    let frame = LogFrame { value: LogLine { stream: 1, line: "hello\n".into() }, ..Default::default() };
    assert_eq!(text(&frame), r#"{"value":{"Type":1,"Line":"hello\n"}}"#);
    let body = ErrorBody { status: 404, code: code::NOT_FOUND.into(), ..Default::default() };
    assert_eq!(text(&body), r#"{"Status":404,"Message":"","RequestID":"","Code":"NotFound","Component":""}"#);
}

#[test]
fn null_and_unknown_fields_are_read() {
    let job: Job = serde_json::from_value(json!({
        "ID": "j-1", "Constraints": null, "Meta": null, "Labels": null, "State": null, "Fresh": 1,
        "Tasks": [{"Name": "main", "Engine": {"Type": "wasm", "Params": {"entrypoint": "_start"}}, "Publisher": null,
                   "Network": null, "Resources": null, "Timeouts": null, "InputSources": null}]
    }))
    .unwrap();
    assert_eq!(job.tasks[0].engine.param("EntryPoint"), Some(&Value::from("_start")));
    assert_eq!(job.tasks[0].network.network_type, "Default");
    let execution: Execution =
        serde_json::from_value(json!({"RunOutput": null, "PublishedResult": null})).unwrap();
    assert_eq!(execution, Execution::default());
}
