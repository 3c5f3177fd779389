//! Mistakes of people and their programs: every one named, nothing lost.

use std::fs;
use std::net::TcpListener;

use bacalhau_cli::client::{Client, Error, JobListQuery};
use bacalhau_cli::config::client::ClientConfig;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Cluster, guests, job};

fn malformed() -> Value {
    json!({
        "Type": "Batch", "Count": -1, "Priority": 1.5,
        "Tasks": [{
            "Engine": {"Params": []},
            "Resources": {"CPU": "fast", "Memory": 5},
            "ResultPaths": [{"Name": "out", "Path": "out"}],
            "Timeouts": {"ExecutionTimeout": -1}
        }]
    })
}

const FIELDS: [&str; 9] = [
    "Type: invalid job type",
    "Count: ",
    "Priority: ",
    "Tasks[0].Name: ",
    "Tasks[0].Engine.Params: ",
    "Tasks[0].Resources.CPU: ",
    "Tasks[0].Resources.Memory: ",
    "Tasks[0].ResultPaths[0].Path: ",
    "Tasks[0].Timeouts.ExecutionTimeout: ",
];

#[tokio::test]
async fn every_bad_field_of_a_job_is_named_at_once() {
    let cluster = Cluster::start(&[]).await;
    let Error::Api(error) = cluster.client.submit(&malformed(), false).await.unwrap_err() else {
        panic!("the server answered")
    };
    assert_eq!(error.status, 400);
    let file = cluster.path("job.json");
    fs::write(&file, malformed().to_string()).unwrap();
    let said = cluster.cli(&["job", "run", file.to_str().unwrap()]).await;
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    for field in FIELDS {
        assert!(error.message.contains(field), "{field:?} is not in {}", error.message);
        assert!(said.stderr.contains(field), "{field:?} is not in {}", said.stderr);
    }
    let jobs = cluster.client.jobs(&JobListQuery::default()).await.unwrap().items;
    assert!(jobs.is_empty(), "{jobs:?}");
}

#[tokio::test]
async fn unknown_fields_are_a_warning_of_the_api_and_an_error_in_a_file() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let mut job = job::of("batch", &guests::hello("x"));
    job["Lables"] = json!({});
    let answer = cluster.client.submit(&job, false).await.unwrap();
    assert_eq!(answer.warnings, ["Lables: unknown field, did you mean Labels?"]);
    assert_eq!(cluster.ended(&answer.job_id).await.state.state_type.as_str(), "Completed");
    let file = cluster.path("job.json");
    fs::write(&file, job.to_string()).unwrap();
    let said = cluster.cli(&["job", "run", file.to_str().unwrap()]).await;
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("Lables") && said.stderr.contains("Labels"), "{}", said.stderr);
}

#[tokio::test]
async fn files_that_hold_no_job_are_named() {
    let cluster = Cluster::start(&[]).await;
    let broken = cluster.path("broken.yaml");
    fs::write(&broken, "Name: [").unwrap();
    for file in [broken.to_str().unwrap(), "no-such-file.yaml"] {
        let said = cluster.cli(&["job", "run", file]).await;
        assert_eq!(said.code, 1);
        assert!(said.stderr.contains("Error: "), "{}", said.stderr);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let cluster = Cluster::start(&[]).await;
    // Bound and released: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let said = cluster.cli(&["--api-port", &port, "node", "list"]).await;
    assert_eq!(said.code, 1);
    let expected = format!("server is not running or not reachable at http://127.0.0.1:{port}");
    assert!(said.stderr.contains(&expected) && said.stderr.contains("Hint: "), "{}", said.stderr);
    let endpoint = format!("http://127.0.0.1:{port}").parse().unwrap();
    let client = Client::new(ClientConfig::plain(endpoint));
    assert!(matches!(client.alive().await, Err(Error::Unreachable { .. })));
}

#[tokio::test]
async fn ids_of_nothing_are_not_found() {
    let cluster = Cluster::start(&[]).await;
    for arguments in [
        &["job", "describe", "j-nothing"][..],
        &["job", "executions", "j-nothing"],
        &["job", "history", "j-nothing"],
        &["job", "logs", "j-nothing"],
        &["job", "get", "j-nothing"],
        &["job", "stop", "j-nothing"],
        &["node", "describe", "n-nothing"],
        &["node", "approve", "n-nothing"],
        &["node", "reject", "n-nothing"],
        &["node", "delete", "n-nothing"],
    ] {
        let said = cluster.cli(arguments).await;
        assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{arguments:?}");
        assert!(
            said.stderr.contains("not found") && said.stderr.contains("nothing"),
            "{arguments:?}: {said:?}"
        );
    }
    let error = cluster.client.job("j-nothing", 0, "").await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test]
async fn requests_that_are_no_requests_are_refused_politely() {
    let cluster = Cluster::start(&[]).await;
    let http = bacalhau_tests::http::client();
    let jobs = format!("{}/api/v1/orchestrator/jobs", cluster.endpoint());
    for (method, url, body, status) in [
        (Method::PUT, jobs.clone(), "{", 400),
        (Method::PUT, jobs.clone(), "[]", 400),
        (Method::PUT, jobs.clone(), "{\"Job\": null}", 400),
        (Method::GET, format!("{jobs}?limit=many"), "", 400),
        (Method::GET, format!("{jobs}?next_token=rubbish"), "", 400),
        (Method::GET, format!("{}/api/v1/nothing", cluster.endpoint()), "", 404),
        (Method::PATCH, jobs.clone(), "", 405),
    ] {
        let request = http.request(method.clone(), &url).header("Content-Type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {url} {body}");
        let error: Value = answer.json().await.unwrap();
        assert!(error["Message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    }
}
