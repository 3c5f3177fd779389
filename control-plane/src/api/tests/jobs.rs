use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use bacalhau_protocol::api::decode::MAX_SPEC_BYTES;
use bacalhau_protocol::model::{Observation, ObservedState};
use bacalhau_protocol::time::Timestamp;
use serde_json::{Value, json};

use super::world::{JOBS, World, completed, job, only_execution};

#[tokio::test]
async fn a_job_goes_in_and_comes_out_completed() {
    let world = World::start().await;
    let node = world.join("n-1", &[("region", "eu")], false).await;
    let headers = [("X-Bacalhau-InstallationID", "install-1")];
    let answer =
        world.send("POST", JOBS, &headers, Some(json!({"job": job("hello", "ops"), "Extra": 1}))).await.ok();
    assert_eq!(answer["Warnings"], Value::Null);
    let id = answer["JobID"].as_str().unwrap();
    assert_eq!(answer["EvaluationID"].as_str().unwrap().len(), 36);

    let shown = world.get(&format!("{JOBS}/hello?include=executions%2Chistory")).await.ok();
    assert_eq!(
        (shown["Job"]["ID"].as_str(), &shown["Job"]["State"]["StateType"]),
        (Some(id), &json!("Running"))
    );
    assert_eq!(shown["Job"]["Meta"]["bacalhau.org/orchestrator.id"], "hub");
    assert_eq!(shown["Job"]["Meta"]["bacalhau.org/client.installation.id"], "install-1");
    assert_eq!(shown["Job"]["Meta"]["bacalhau.org/server.installation.id"], "installation-of-hub");
    assert_eq!(shown["Job"]["Meta"]["bacalhau.org/server.instance.id"], "instance-of-hub");
    assert_eq!(shown["Job"]["Tasks"][0]["Resources"], json!({"CPU": "500m", "Memory": "512mb"}));
    let execution = &shown["Executions"]["Items"][0];
    assert_eq!((&execution["NodeID"], &execution["DesiredState"]["StateType"]), (&json!("n-1"), &json!(1)));
    assert_eq!(shown["History"]["Items"][0]["Event"]["Message"], "Job submitted");
    assert_ne!(shown["History"]["NextToken"], "");

    world.observe(&node, 1, completed(execution["ID"].as_str().unwrap(), None, "hi\n")).await;
    let shown = world.get(&format!("{JOBS}/{}?include=executions,history", &id[..10])).await.ok();
    assert_eq!(shown["Job"]["State"]["StateType"], "Completed");
    assert_eq!(shown["Executions"]["Items"][0]["RunOutput"]["Stdout"], "hi\n");
    assert_eq!(shown["Executions"]["Items"][0]["ComputeState"]["StateType"], 9);
    assert_eq!(shown["History"]["NextToken"], "");
}

#[tokio::test]
async fn a_bad_job_is_refused_with_every_reason() {
    let world = World::start().await;
    let (status, _, message) =
        world.put(JOBS, json!({"Job": {"Type": "cron", "Count": "3"}})).await.refusal();
    assert_eq!(status, 400);
    let lines: Vec<&str> = message.lines().collect();
    assert!(lines[0].starts_with("Type: invalid job type: \"cron\""), "{message}");
    assert_eq!(lines[1], "Count: expected a whole number, found the text \"3\"");
    assert!(lines[2].starts_with("Tasks: missing job tasks"), "{message}");
    let mut large = job("large", "batch");
    large["Meta"] = json!({"note": "x".repeat(MAX_SPEC_BYTES)});
    assert_eq!(world.put(JOBS, json!({"Job": large})).await.status, 400);
    assert_eq!(world.get(JOBS).await.ok(), json!({"NextToken": "", "Items": []}));
}

#[tokio::test]
async fn unknown_fields_are_warnings() {
    let world = World::start().await;
    let mut odd = job("odd", "batch");
    odd["Lables"] = json!({});
    let answer = world.put(JOBS, json!({"Job": odd})).await.ok();
    assert_eq!(answer["Warnings"], json!(["Lables: unknown field, did you mean Labels?"]));
}

#[tokio::test]
async fn a_name_submitted_again_is_an_update() {
    let world = World::start().await;
    let id = world.submit(job("web", "service")).await;
    let again = world.put(JOBS, json!({"Job": job("web", "service")})).await;
    assert_eq!(again.json()["Hint"], "Use the --force flag to override this warning");
    assert!(
        again.refusal().2.starts_with("no changes detected for new job spec. Job Name: 'web', Job Id: 'j-")
    );
    let forced = world.put(JOBS, json!({"Job": job("web", "service"), "Force": true})).await.ok();
    assert_eq!(forced["JobID"], id);
    let body = Some(json!({"Job": job("web", "service")}));
    let old_client = world.send("PUT", JOBS, &[("X-Bacalhau-Git-Version", "v1.6.0")], body).await;
    assert_eq!(old_client.ok()["JobID"], id);
    let versions = world.get(&format!("{JOBS}/web/versions")).await.ok();
    let numbers = |versions: &Value| -> Vec<Value> {
        versions["Items"].as_array().unwrap().iter().map(|job| job["Version"].clone()).collect()
    };
    assert_eq!(
        (numbers(&versions), &versions["NextToken"]),
        (vec![1.into(), 2.into(), 3.into()], &json!(""))
    );
    let page = world.get(&format!("{JOBS}/web/versions?limit=2")).await.ok();
    assert_eq!(numbers(&page), [1, 2]);
    let token = page["NextToken"].as_str().unwrap();
    let rest = world.get(&format!("{JOBS}/web/versions?next_token={token}")).await.ok();
    assert_eq!((numbers(&rest), &rest["NextToken"]), (vec![3.into()], &json!("")));
    let history = world.get(&format!("{JOBS}/web/history?event_type=job&all_job_versions=true")).await.ok();
    let begun = |version: u64| {
        let begins =
            |event: &&Value| event["JobVersion"] == version && event["Event"]["Topic"] == "Submission";
        history["Items"].as_array().unwrap().iter().find(begins).unwrap()["Time"].clone()
    };
    for (index, version) in [1, 2, 3].into_iter().enumerate() {
        let came = Timestamp(versions["Items"][index]["ModifyTime"].as_i64().unwrap());
        assert_eq!(json!(came.to_string()), begun(version), "version {version}");
    }
    assert_eq!(world.get(&format!("{JOBS}/web?job_version=2")).await.ok()["Job"]["Version"], 2);
    let missing = world.get(&format!("{JOBS}/web?job_version=99")).await.refusal();
    assert_eq!(missing, (404, "NotFound".into(), format!("job version 99 not found for job {id}")));
}

#[tokio::test]
async fn jobs_are_found_by_name_id_and_start_of_id() {
    let world = World::start().await;
    let id = world.submit(job("two words", "batch")).await;
    let found = |path: String| {
        let world = &world;
        async move { world.get(&path).await.ok()["Job"]["ID"].as_str().unwrap().to_owned() }
    };
    assert_eq!(found(format!("{JOBS}/two%20words")).await, id);
    assert_eq!(found(format!("{JOBS}/{id}")).await, id);
    assert_eq!(found(format!("{JOBS}/{}", &id[..7])).await, id);
    world.submit(job("other", "batch")).await;
    let several = world.get(&format!("{JOBS}/j-")).await;
    assert_eq!((several.status, several.json()["Hint"].as_str()), (409, Some("Use full job ID")));
    let nothing = world.get(&format!("{JOBS}/nobody")).await.refusal();
    assert_eq!(nothing, (404, "NotFound".into(), "job not found: nobody".into()));
    assert_eq!(world.get(&format!("{JOBS}/two%20words?namespace=else")).await.status, 404);
}

#[tokio::test]
async fn lists_are_paged_filtered_and_ordered() {
    let world = World::start().await;
    for index in 0..5 {
        let mut listed = job(&format!("job-{index}"), "batch");
        listed["Labels"] =
            if index == 3 { json!({"bacalhau_canary": "true"}) } else { json!({"env": "dev"}) };
        listed["Namespace"] = json!(if index == 4 { "other" } else { "default" });
        world.submit(listed).await;
    }
    assert_eq!(all_pages(&world, "limit=2").await, ["job-0", "job-1", "job-2", "job-3", "job-4"]);
    assert_eq!(
        all_pages(&world, "limit=3&reverse=True").await,
        ["job-4", "job-3", "job-2", "job-1", "job-0"]
    );
    let visible = all_pages(&world, "limit=2&labels=bacalhau_canary%21%3Dtrue&namespace=default").await;
    assert_eq!(visible, ["job-0", "job-1", "job-2"]);
    assert_eq!(all_pages(&world, "labels=env&labels=env+in+%28dev%2Cprod%29&namespace=*").await.len(), 4);
    assert_eq!(all_pages(&world, "order_by=modified_at&limit=4&reverse=true").await[0], "job-4");
    let mut by_id = all_pages(&world, "order_by=id&limit=2").await;
    by_id.sort();
    assert_eq!(by_id.len(), 5);
    for bad in [
        "limit=x",
        "reverse=maybe",
        "labels=a%20in",
        "order_by=mood",
        "next_token=%21",
        "next_token=Y3JlYXRlZF9hdDpOOjEwOjA",
    ] {
        assert_eq!(world.get(&format!("{JOBS}?{bad}")).await.status, 400, "{bad}");
    }
}

/// Names of all jobs, page after page.
async fn all_pages(world: &World, query: &str) -> Vec<String> {
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("{JOBS}?{query}&next_token={token}")).await.ok();
        let items = page["Items"].as_array().unwrap();
        names.extend(items.iter().map(|job| job["Name"].as_str().unwrap().to_owned()));
        token = page["NextToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return names;
        }
        assert!(!items.is_empty(), "an empty page with a token");
    }
}

#[tokio::test]
async fn stopping_is_told_apart_by_state() {
    let world = World::start().await;
    let node = world.join("n-1", &[], false).await;
    let id = world.submit(job("web", "service")).await;
    let path = format!("{JOBS}/{id}");
    let body = Some(json!({"Namespace": "", "Credential": null, "reason": "enough"}));
    assert_eq!(world.send("DELETE", &path, &[], body).await.ok()["EvaluationID"].as_str().unwrap().len(), 36);
    assert_eq!(
        world.get(&path).await.ok()["Job"]["State"],
        json!({"StateType": "Stopped", "Message": "enough"})
    );
    let python = world.send("DELETE", &format!("{path}?reason=None"), &[], Some(json!({}))).await;
    assert_eq!(python.ok(), json!({"EvaluationID": ""}));

    let done = world.submit(job("done", "ops")).await;
    let execution = only_execution(&world, &done).await;
    world.observe(&node, 1, completed(execution["ID"].as_str().unwrap(), None, "")).await;
    let refused = world.send("DELETE", &format!("{JOBS}/{done}"), &[], None).await.refusal();
    assert_eq!(refused, (500, String::new(), "cannot stop job in state Completed".into()));
    let failed = world.submit(job("failed", "ops")).await;
    let execution = only_execution(&world, &failed).await;
    let observation = completed(execution["ID"].as_str().unwrap(), None, "");
    world.observe(&node, 2, Observation { state: ObservedState::Failed, ..observation }).await;
    let refused = world.send("DELETE", &format!("{JOBS}/{failed}"), &[], None).await.refusal();
    assert_eq!(refused, (500, "ConflictJobState".into(), "cannot stop job in state Failed".into()));
    assert_eq!(world.send("DELETE", &format!("{JOBS}/nobody"), &[], None).await.status, 404);
}

#[tokio::test]
async fn history_keeps_its_token_until_nothing_more_can_happen() {
    let world = World::start().await;
    let node = world.join("n-1", &[], false).await;
    let id = world.submit(job("a", "ops")).await;
    let execution = only_execution(&world, &id).await["ID"].as_str().unwrap().to_owned();
    let history = format!("{JOBS}/{id}/history?event_type=all&limit=2");
    let (first, token) = drain(&world, &history, "").await;
    assert!(first >= 2);
    let idle = world.get(&format!("{history}&next_token={token}")).await.ok();
    assert_eq!(
        (idle["Items"].as_array().unwrap().len(), idle["NextToken"].as_str()),
        (0, Some(token.as_str()))
    );
    world.observe(&node, 1, completed(&execution, None, "")).await;
    let (later, token) = drain(&world, &history, &token).await;
    assert!(later > 0 && token.is_empty());

    let of_execution = format!("{JOBS}/{id}/history?execution_id={}", &execution[..10]);
    let items = world.get(&of_execution).await.ok()["Items"].clone();
    assert!(
        items.as_array().unwrap().iter().all(|item| item["ExecutionID"] == execution.as_str()),
        "{items}"
    );
    assert_eq!(world.get(&format!("{JOBS}/{id}/history?event_type=JOB&since=1")).await.status, 200);
    for bad in ["event_type=none", "since=-1", "next_token=x"] {
        assert_eq!(world.get(&format!("{JOBS}/{id}/history?{bad}")).await.status, 400, "{bad}");
    }
    assert_eq!(world.get(&format!("{JOBS}/{id}/history?execution_id=e-x")).await.status, 404);
}

/// Reads until a page is empty or the token is; gives the number of entries and the last token.
async fn drain(world: &World, path: &str, token: &str) -> (usize, String) {
    let (mut count, mut token) = (0, token.to_owned());
    loop {
        let page = world.get(&format!("{path}&next_token={token}")).await.ok();
        let items = page["Items"].as_array().unwrap().len();
        count += items;
        token = page["NextToken"].as_str().unwrap().to_owned();
        if token.is_empty() || items == 0 {
            return (count, token);
        }
    }
}

#[tokio::test]
async fn a_job_is_run_again_as_its_next_version() {
    let world = World::start().await;
    let node = world.join("n-1", &[], false).await;
    let id = world.submit(job("again", "ops")).await;
    let execution = only_execution(&world, &id).await;
    world.observe(&node, 1, completed(execution["ID"].as_str().unwrap(), None, "")).await;
    let answer = world.put(&format!("{JOBS}/again/rerun"), json!({"JobVersion": 1})).await.ok();
    assert_eq!((answer["JobID"].as_str(), &answer["JobVersion"]), (Some(id.as_str()), &json!(2)));
    let all =
        world.get(&format!("{JOBS}/again/executions?all_job_versions=true&order_by=create_time")).await.ok();
    assert_eq!(all["Items"].as_array().unwrap().len(), 2);
    for (order, key) in [("id", "/ID"), ("state", "/ComputeState/StateType")] {
        let path = format!("{JOBS}/again/executions?all_job_versions=true&limit=1&order_by={order}");
        let first = world.get(&path).await.ok();
        let next = first["NextToken"].as_str().unwrap();
        let second =
            world.get(&format!("{JOBS}/again/executions?next_token={next}&all_job_versions=true")).await.ok();
        let of = |page: &Value| page["Items"][0].pointer(key).unwrap().to_string();
        assert!(of(&first) < of(&second), "{order}: {first} {second}");
    }
    assert_eq!(world.put(&format!("{JOBS}/again/rerun"), json!({"JobVersion": 9})).await.status, 404);
}

#[tokio::test]
async fn history_can_be_waited_for() {
    let world = World::start().await;
    let node = world.join("n-1", &[], false).await;
    let id = world.submit(job("a", "ops")).await;
    let execution = only_execution(&world, &id).await["ID"].as_str().unwrap().to_owned();
    let seen = world.get(&format!("{JOBS}/{id}/history")).await.ok();
    let path = format!("{JOBS}/{id}/history?wait=10&next_token={}", seen["NextToken"].as_str().unwrap());
    let end = completed(&execution, None, "");
    let (news, ()) = tokio::join!(world.get(&path), world.observe(&node, 1, end));
    let news = news.ok();
    assert!(!news["Items"].as_array().unwrap().is_empty(), "{news}");
    // There is nothing to wait for when the job has ended.
    let rest = world.get(&format!("{JOBS}/{id}/history?wait=10&limit=1000")).await.ok();
    assert_eq!(rest["NextToken"], "");
    assert_eq!(world.get(&format!("{JOBS}/{id}/history?wait=soon")).await.status, 400);
}

#[tokio::test]
async fn data_that_is_gone_is_missed_at_submit() {
    let world = World::start().await;
    let mut with_data = job("data", "batch");
    let url = format!("data:,{}", "x".repeat(20_000));
    with_data["Tasks"][0]["InputSources"] =
        json!([{"Target": "/d", "Source": {"Type": "inline", "Params": {"URL": url}}}]);
    let id = world.submit(with_data).await;
    let mut shown = world.get(&format!("{JOBS}/{id}")).await.ok()["Job"].take();
    let reference =
        shown["Tasks"][0]["InputSources"][0]["Source"]["Params"]["URL"].as_str().unwrap().to_owned();
    assert!(reference.starts_with("blob:sha256:") && reference.ends_with(";text/plain;20000"), "{reference}");
    world.age(&reference["blob:sha256:".len()..][..64]);
    shown["Name"] = json!("copy");
    world.submit(shown.clone()).await;
    // A sweep that read what is in use before the copy came leaves its data alone.
    let swept = world.blobs.sweep(BTreeSet::new(), UNIX_EPOCH + Duration::from_secs(1)).await.unwrap();
    assert_eq!(swept.files, 0);
    shown["Name"] = json!("broken");
    shown["Tasks"][0]["InputSources"][0]["Source"]["Params"]["URL"] =
        json!(format!("blob:sha256:{};text/plain;5", "0".repeat(64)));
    let (status, _, message) = world.put(JOBS, json!({"Job": shown})).await.refusal();
    assert!(status == 400 && message.contains("not stored here"), "{message}");
}

#[tokio::test]
async fn a_submission_is_compared_with_the_job_that_holds_its_name() {
    let world = World::start().await;
    world.submit(job("nightly", "batch")).await;
    let diff = async |job: Value| world.put(&format!("{JOBS}/diff"), json!({"Job": job})).await;
    assert_eq!(diff(job("nightly", "batch")).await.ok(), json!({"Diff": "", "Warnings": null}));
    let mut changed = job("nightly", "batch");
    changed["Count"] = json!(3);
    let shown = diff(changed).await.ok();
    let shown = shown["Diff"].as_str().unwrap();
    assert!(shown.contains("\n-Count: 1\n+Count: 3\n") && !shown.contains("bacalhau.org/"), "{shown}");
    assert_eq!(world.get(&format!("{JOBS}/nightly")).await.ok()["Job"]["Version"], 1);
    let unknown = diff(job("weekly", "batch")).await.refusal();
    assert_eq!((unknown.0, unknown.2.as_str()), (404, "job name index not found: weekly:default"));
    let mut unnamed = job("", "batch");
    unnamed["Name"] = Value::Null;
    assert!(diff(unnamed).await.refusal().2.starts_with("invalid job spec: name is missing"));
    assert_eq!(diff(Value::Null).await.refusal().2, "empty/nil job");
}

#[tokio::test]
async fn pages_stay_right_while_jobs_come_and_change() {
    let world = World::start().await;
    for index in 0..4 {
        world.submit(job(&format!("job-{index}"), "batch")).await;
    }
    let first = world.get(&format!("{JOBS}?limit=2&order_by=modified_at&reverse=true")).await.ok();
    let names = |page: &Value| -> Vec<String> {
        page["Items"].as_array().unwrap().iter().map(|job| job["Name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&first), ["job-3", "job-2"]);
    world.submit(job("job-4", "batch")).await;
    let mut newer = job("job-3", "batch");
    newer["Priority"] = json!(1);
    world.submit(newer).await;
    let token = first["NextToken"].as_str().unwrap();
    let second = world.get(&format!("{JOBS}?next_token={token}")).await.ok();
    assert_eq!(names(&second), ["job-1", "job-0"]);
    let newest = world.get(&format!("{JOBS}?limit=3&order_by=modified_at&reverse=true")).await.ok();
    assert_eq!(names(&newest), ["job-3", "job-4", "job-2"]);
    let elsewhere = world.get(&format!("{JOBS}?order_by=modified_at&namespace=other")).await.ok();
    assert_eq!(elsewhere, json!({"NextToken": "", "Items": []}));
}

#[tokio::test]
async fn a_misspelt_field_is_told_beside_the_missing_one() {
    let world = World::start().await;
    let (_, _, message) = world.put(JOBS, json!({"Job": {"Type": "batch", "Taks": []}})).await.refusal();
    assert!(message.contains("Tasks: missing job tasks"), "{message}");
    assert!(message.contains("Taks: unknown field, did you mean Tasks?"), "{message}");
}
