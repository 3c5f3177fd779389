use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::api;
use crate::model::NetworkType;
use crate::spec::inline::blob_of;

fn accept(job: Value) -> Decoded {
    decode(&job, &Defaults::default()).unwrap_or_else(|error| panic!("refused:\n{error}"))
}

fn refuse(job: Value) -> Vec<String> {
    let error = decode(&job, &Defaults::default()).expect_err("should be refused");
    error.errors.iter().map(FieldError::to_string).collect()
}

fn with_task(task: Value) -> Value {
    json!({"Name": "x", "Type": "batch", "Tasks": [task]})
}

#[test]
fn what_the_go_client_sends_is_accepted_and_completed() {
    let decoded = accept(json!({
        "ID": "", "Name": "", "Namespace": "default", "Type": "batch", "Priority": 0, "Count": 1,
        "Constraints": null, "Meta": null, "Labels": {},
        "Tasks": [{
            "Name": "main",
            "Engine": {"Type": "docker", "Params": {"Entrypoint": null, "Image": "ubuntu", "Parameters": ["echo"]}},
            "Publisher": {"Type": ""}, "Resources": {}, "Timeouts": {}
        }],
        "State": {"StateType": "Undefined"}, "Version": 0, "Revision": 0, "CreateTime": 0, "ModifyTime": 0
    }));
    assert_eq!(decoded.warnings, Vec::<String>::new());
    assert_eq!((decoded.name, decoded.namespace.as_str(), decoded.custom_id), (None, "default", None));
    let task = api::Task::from(&decoded.spec.task);
    let expected = concat!(
        r#"{"Name":"main","Engine":{"Type":"docker","Params":{"Entrypoint":null,"Image":"ubuntu","Parameters":["echo"]}},"#,
        r#""Publisher":{"Type":""},"Resources":{"CPU":"500m","Memory":"512mb"},"Network":{"Type":"Default"},"#,
        r#""Timeouts":{}}"#
    );
    assert_eq!(serde_json::to_string(&task).unwrap(), expected);
    assert_eq!(decoded.spec.task.resources.memory_bytes, 512_000_000);
}

#[test]
fn keys_are_read_in_any_case_and_null_means_absent() {
    let decoded = accept(json!({
        "type": "service", "COUNT": null, "name": "web", "id": "web-1", "namespace": null,
        "constraints": [{"key": "region", "operator": "IN", "values": ["eu"]}],
        "tasks": [{"name": "t", "engine": {"type": "noop", "params": null}, "network": {"type": "http",
                   "domains": [" .Example.COM "]}, "inputsources": null, "publisher": null}]
    }));
    assert_eq!(decoded.spec.count, 1);
    assert_eq!(decoded.custom_id.unwrap().as_str(), "web-1");
    assert_eq!(decoded.spec.constraints[0].to_string(), "region in (eu)");
    assert_eq!(decoded.spec.task.network.network_type, NetworkType::Http);
    assert_eq!(decoded.spec.task.network.domains, [".example.com"]);
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let errors = refuse(json!({
        "Type": "Batch", "Count": -1, "Priority": 1.5,
        "Constraints": [{"Key": " ", "Operator": "exists"}, {"Key": "a", "Operator": "~"}],
        "Tasks": [{
            "Engine": {"Params": []},
            "Env": {"path": "x", "BACALHAU_X": "y"},
            "InputSources": [{"Source": {"Type": "localDirectory", "Params": {"SourcePath": "var"}}}],
            "ResultPaths": [{"Name": "out", "Path": "out"}],
            "Resources": {"CPU": "fast", "Memory": 5},
            "Network": {"Type": "Foo"},
            "Timeouts": {"ExecutionTimeout": -1}
        }]
    }));
    let expected = [
        r#"Type: invalid job type: "Batch" (expected batch, ops, service or daemon)"#,
        "Priority: expected a whole number, found the number 1.5",
        "Count: job count must be >= 0 (found -1)",
        "Constraints[0].Key: selector key cannot be blank",
        r#"Constraints[1].Operator: invalid operator "~" (expected in, notin, exists, !, =, ==, !=, gt or lt)"#,
        r#"Tasks[0].Name: missing task name (expected text, e.g. "main")"#,
        "Tasks[0].Env: environment variable 'BACALHAU_X' cannot start with BACALHAU_",
        "Tasks[0].Env: environment variable 'path' must be uppercase",
        r#"Tasks[0].InputSources[0].Source.Params.SourcePath: expected an absolute path such as "/var/log", found "var""#,
        "Tasks[0].InputSources[0].Target: invalid input sources: input source is missing a target (expected a path in the task)",
        "Tasks[0].Resources.Memory: expected text, found the number 5",
        r#"Tasks[0].Resources.CPU: invalid resources: invalid CPU value: fast (expected cores such as "0.5" or thousandths of a core such as "500m")"#,
        "Tasks[0].ResultPaths[0].Path: invalid output: result path `out` must be absolute",
        "Tasks[0].Network.Type: models.Network: unknown type 'Foo' (expected Default, None, Host, Full, HTTP or Bridge)",
        "Tasks[0].Timeouts.ExecutionTimeout: invalid timeouts: invalid execution timeout value: -1s (expected 0 or more)",
        r#"Tasks[0].Engine.Type: invalid engine: missing spec type (expected text, e.g. "wasm")"#,
        "Tasks[0].Engine.Params: expected an object, found a list",
        "Tasks[0].Publisher: publisher must be set if result paths are set (for example Type: local)",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn slips_in_types_are_told_and_places_that_cannot_be_are_refused() {
    let source = |target: &str| json!({"Target": target, "Source": {"Type": "locaDirectory", "Params": {"SourcePath": "/var"}}});
    let decoded =
        accept(with_task(json!({"Name": "a", "Engine": {"Type": "wsm"}, "InputSources": [source("/in")],
        "Publisher": {"Type": "ftp"}})));
    let waits = "The job waits for a node that offers it";
    let expected = [
        format!(
            r#"Tasks[0].InputSources[0].Source.Type: unknown input source "locaDirectory", did you mean localDirectory? {waits}"#
        ),
        format!(r#"Tasks[0].Engine.Type: unknown engine "wsm", did you mean wasm? {waits}"#),
        format!(
            r#"Tasks[0].Publisher.Type: unknown publisher "ftp", known are local, s3, s3managed, ipfs, noop. {waits}"#
        ),
    ];
    assert_eq!(decoded.warnings, expected);
    let errors = refuse(with_task(
        json!({"Name": "a", "Engine": {"Type": "noop"}, "Publisher": {"Type": "local"},
        "InputSources": [source("/a/../b"), source("/out")], "ResultPaths": [{"Name": "o", "Path": "/out"}, {"Name": "p", "Path": "/x/.."}]}),
    ));
    let expected = [
        r#"Tasks[0].InputSources[0].Target: "/a/../b" leads upwards; expected a path in the task without "..""#,
        r#"Tasks[0].ResultPaths[1].Path: "/x/.." leads upwards; expected a path in the task without "..""#,
        r#"Tasks[0].ResultPaths[0].Path: an input source has the target "/out", too"#,
    ];
    assert_eq!(errors, expected);
}

#[test]
fn what_is_missing_altogether_is_named() {
    assert_eq!(refuse(Value::Null), ["empty/nil job"]);
    assert_eq!(refuse(json!([])), ["expected an object, found a list"]);
    let expected = [
        "Type: missing job type (expected batch, ops, service or daemon)",
        "Tasks: missing job tasks (expected a list with one task)",
    ];
    assert_eq!(refuse(json!({})), expected);
    assert_eq!(refuse(json!({"Type": "ops", "Tasks": [null]})), ["Tasks[0]: expected a task, found null"]);
    let engine = refuse(with_task(json!({"Name": "a"})));
    assert_eq!(engine, ["Tasks[0].Engine: invalid engine: nil spec config (expected Type and Params)"]);
}

#[test]
fn what_users_may_not_set_is_ignored_with_the_words_of_bacalhau() {
    let decoded = accept(json!({
        "ID": "j-1", "Type": "ops", "State": {"StateType": "Running"}, "Revision": 3, "Version": 2, "CreateTime": 5,
        "ModifyTime": 6, "Meta": {"bacalhau.org/x": "1", "mine": "2"},
        "Tasks": [{"Name": "a", "Engine": {"Type": "noop"}}, {"Name": "b"}]
    }));
    let expected = [
        "only one task is supported per job",
        "job state is ignored when submitting a job",
        "job revision is ignored when submitting a job",
        "job version is ignored when submitting a job",
        "job create time is ignored when submitting a job",
        "job modify time is ignored when submitting a job",
        "job ID is ignored when submitting a batch job",
        r#"job meta key "bacalhau.org/x" is reserved and will be ignored"#,
    ];
    assert_eq!(decoded.warnings, expected);
    assert_eq!((decoded.spec.count, decoded.spec.meta.len()), (0, 1));
}

#[test]
fn unknown_fields_are_named_with_what_was_meant() {
    let decoded = accept(json!({
        "Type": "batch", "Lables": {}, "Tasks": [{
            "Name": "a", "Engine": {"Type": "wasm", "Params": {"EntryModule": "m", "Entrypont": "x"}},
            "InputSources": [{"Alias": "m", "Target": "/m", "Source": {"Type": "local", "Params":
                {"SourcePath": "/m", "Mode": 1}}}]
        }]
    }));
    let expected = [
        "Tasks[0].InputSources[0].Source.Params.Mode: unknown field",
        "Tasks[0].Engine.Params.Entrypont: unknown field, did you mean Entrypoint?",
        "Lables: unknown field, did you mean Labels?",
    ];
    assert_eq!(decoded.warnings, expected);
    assert_eq!(decoded.unknown_fields.len(), 3);
}

#[test]
fn old_wasm_specifications_become_inputs_of_the_task() {
    let inline = |text: &str| json!({"Type": "inline", "Params": {"URL": format!("data:,{text}")}});
    let decoded = accept(with_task(json!({
        "Name": "main",
        "Engine": {"Type": "wasm", "Params": {
            "entryModule": {"Source": inline("main")},
            "ImportModules": [{"Source": inline("lib"), "Alias": "lib"}, "other"],
            "EnvironmentVariables": {"lower": "1", "SET": "engine"}, "Parameters": ["-v"]
        }},
        "Env": {"SET": "task"},
        "InputSources": [{"Alias": "other", "Target": "/o", "Source": inline("other")}]
    })));
    let task = &decoded.spec.task;
    let params = r#"{"entryModule":"/wasm/entry.wasm","ImportModules":["/wasm/imports/module_0.wasm","other"],"Parameters":["-v"]}"#;
    assert_eq!(task.engine.params, params);
    let targets: Vec<_> =
        task.inputs.iter().map(|input| (input.alias.as_str(), input.target.as_str())).collect();
    let expected = [("other", "/o"), ("", "/wasm/entry.wasm"), ("lib", "/wasm/imports/module_0.wasm")];
    assert_eq!(targets, expected);
    assert_eq!((task.env["lower"].as_str(), task.env["SET"].as_str()), ("1", "task"));
}

#[test]
fn a_module_nobody_brings_is_named() {
    let errors =
        refuse(with_task(json!({"Name": "a", "Engine": {"Type": "WASM", "Params": {"EntryModule": "m"}}})));
    assert!(
        errors[0]
            .starts_with("Tasks[0].Engine.Params.EntryModule: no input source has the alias or target \"m\"")
    );
    let errors = refuse(with_task(json!({"Name": "a", "Engine": {"Type": "wasm"}})));
    assert!(errors[0].starts_with("Tasks[0].Engine.Params.EntryModule: missing; expected an input source"));
    let errors =
        refuse(with_task(json!({"Name": "a", "Engine": {"Type": "wasm", "Params": {"EntryModule": 5}}})));
    assert_eq!(errors, ["Tasks[0].Engine.Params.EntryModule: expected text, found the number 5"]);
}

#[test]
fn large_inline_data_becomes_a_blob_and_other_large_parameters_are_refused() {
    let data = format!("data:,{}", "x".repeat(100_000));
    let source = json!({"Target": "/d", "Source": {"Type": "Inline", "Params": {"url": data}}});
    let decoded =
        accept(with_task(json!({"Name": "a", "Engine": {"Type": "noop"}, "InputSources": [source]})));
    let reference = blob_of(&decoded.spec.task.inputs[0].source).unwrap();
    assert_eq!(decoded.blobs[&reference.hash].len(), 100_000);
    let errors = refuse(with_task(
        json!({"Name": "a", "Engine": {"Type": "docker", "Params": {"Image": "a", "Parameters": [data]}}}),
    ));
    assert_eq!(errors, ["Tasks[0].Engine.Params: 100037 bytes of parameters, the limit is 65536"]);
    let env: serde_json::Map<_, _> = (0..40).map(|i| (format!("V{i}"), "x".repeat(10_000).into())).collect();
    let errors = refuse(with_task(json!({"Name": "a", "Engine": {"Type": "noop"}, "Env": env})));
    assert!(errors[0].starts_with("the job has 40"), "{errors:?}");
}

#[test]
fn defaults_fill_what_is_left_out_and_contradict_nothing() {
    let mut defaults = Defaults::default();
    defaults.batch.publisher.kind = "local".into();
    defaults.batch.execution_timeout_s = 60;
    defaults.batch.total_timeout_s = 100;
    defaults.batch.gpu = "1".into();
    let job = |timeouts: Value| {
        with_task(json!({"Name": "a", "Engine": {"Type": "noop"}, "Timeouts": timeouts,
                         "ResultPaths": [{"Name": "o", "Path": "/o"}]}))
    };
    let seconds = |timeouts| {
        let timeouts = decode(&job(timeouts), &defaults).unwrap().spec.task.timeouts;
        (timeouts.execution_s, timeouts.queue_s, timeouts.total_s)
    };
    assert_eq!(seconds(json!({})), (60, 0, 100));
    assert_eq!(seconds(json!({"QueueTimeout": 70})), (30, 70, 100));
    assert_eq!(seconds(json!({"ExecutionTimeout": 500})), (500, 0, 0));
    let errors = refuse(job(json!({"ExecutionTimeout": 5, "QueueTimeout": 6, "TotalTimeout": 10})));
    assert!(
        errors[0].contains("execution timeout 5s and queue timeout 6s should be less than total timeout 10s")
    );
    let decoded = decode(&job(json!(null)), &defaults).unwrap();
    assert_eq!((decoded.spec.task.publisher.kind.as_str(), decoded.spec.task.resources.gpu), ("local", 1));
}

#[test]
fn ports_and_domains_follow_their_mode() {
    let errors = |network: Value| {
        refuse(with_task(json!({"Name": "a", "Engine": {"Type": "noop"}, "Network": network})))
    };
    let domains = errors(json!({"Type": "Host", "Domains": ["a b"]}));
    assert!(domains[0].contains("invalid domain \"a b\""));
    assert!(domains[1].contains("domains can only be set for HTTP network mode"));
    let none = errors(json!({"Type": "HTTP"}));
    assert_eq!(none, ["Tasks[0].Network.Domains: at least one domain is required for HTTP network mode"]);
    let ports = errors(json!({"Type": "Host", "Ports": [
        {"Name": "http", "Static": 80, "Target": 70000}, {"Name": "http", "HostNetwork": "home"}, {"Name": "1x"}, {}
    ]}));
    for (place, text) in [
        ("Ports[0].Static", "static port 80 is in privileged port range (1-1023)"),
        ("Ports[0].Target", "invalid port 70000"),
        ("Ports[1].HostNetwork", "invalid host network IP address"),
        ("Ports[2].Name", "must be a valid environment variable name"),
        ("Ports[3].Name", "port mapping name is required"),
        ("Ports", "duplicate port mapping name 'http'"),
    ] {
        let found = ports
            .iter()
            .any(|error| error.starts_with(&format!("Tasks[0].Network.{place}: ")) && error.contains(text));
        assert!(found, "{place}: {text} not in {ports:#?}");
    }
}

#[test]
fn names_of_results_cannot_leave_their_folder() {
    let results = ["..", "a/b", "stdout"].map(|name| json!({"Name": name, "Path": format!("/{name}x")}));
    let errors =
        refuse(with_task(json!({"Name": "a", "Engine": {"Type": "noop"}, "Publisher": {"Type": "local"},
                                         "ResultPaths": results})));
    assert_eq!(errors.len(), 3, "{errors:?}");
}

#[test]
fn what_describe_shows_can_be_submitted_again() {
    let decoded =
        accept(with_task(json!({"Name": "a", "Engine": {"Type": "noop", "Params": {"x": [1, null]}}})));
    let job = crate::model::Job {
        id: JobId::parse("j-1").unwrap(),
        name: "x".into(),
        namespace: "default".into(),
        submitter: String::new(),
        job_type: JobType::Batch,
        version: 1,
        state: crate::model::JobState::Running,
        message: String::new(),
        details: Default::default(),
        revision: 1,
        history: 0,
        created: Default::default(),
        version_created: Default::default(),
        modified: Default::default(),
        ended: None,
        targets_fixed: false,
    };
    let shown = serde_json::to_value(api::Job::from_model(&job, &decoded.spec)).unwrap();
    assert_eq!(accept(shown).spec, decoded.spec);
}

fn any_json() -> impl Strategy<Value = Value> {
    let words =
        ["ops", "wasm", "inline", "exists", "data:,x", "5m", "/x", "HTTP", "", "\0", "é", "blob:sha256:;;"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    let keys = [
        "Type",
        "type",
        "Name",
        "Count",
        "Tasks",
        "Engine",
        "Params",
        "EntryModule",
        "ImportModules",
        "InputSources",
        "Source",
        "Target",
        "Alias",
        "Constraints",
        "Key",
        "Operator",
        "Values",
        "Resources",
        "CPU",
        "Network",
        "Ports",
        "Domains",
        "Timeouts",
        "Env",
        "Meta",
        "Labels",
        "State",
        "Publisher",
        "ResultPaths",
        "Path",
        "URL",
        "Static",
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let key = prop::sample::select(keys.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_accepted_or_refused_with_reasons(job in any_json(), task in any_json()) {
        for job in [job, json!({"Type": "batch", "Tasks": [task]})] {
            match decode(&job, &Defaults::default()) {
                Ok(decoded) => prop_assert!(!decoded.spec.task.name.is_empty()),
                Err(error) => prop_assert!(!error.errors.is_empty()),
            }
        }
    }
}

#[test]
fn labels_are_those_that_selectors_can_name() {
    let errors = refuse(json!({
        "Type": "batch", "Labels": {"": "x", "a b": "", "env": "prod:1", "team/sub": "a", "tier": ""},
        "Tasks": [{"Name": "main", "Engine": {"Type": "docker", "Params": {"Image": "ubuntu"}}}]
    }));
    let places: Vec<&str> =
        errors.iter().map(|error| error.split_once(": expected").unwrap_or_default().0).collect();
    assert_eq!(
        places,
        [
            r#"Labels: invalid label key """#,
            r#"Labels: invalid label key "a b""#,
            r#"Labels: invalid value "prod:1" of label "env""#,
        ]
    );
}
