use serde_json::json;

use super::world::{JOBS, World, job};
use crate::api::body::MAX_BODY_BYTES;

#[tokio::test]
async fn a_path_that_is_no_text_is_refused_in_the_shape_of_errors() {
    let world = World::start().await;
    for path in ["/api/v1/orchestrator/jobs/%ff", "/api/v1/orchestrator/nodes/%c3%28"] {
        let (status, code, message) = world.get(path).await.refusal();
        assert_eq!((status, code.as_str()), (400, "InternalError"), "{message}");
        assert!(!message.is_empty());
    }
}

#[tokio::test]
async fn every_answer_carries_the_servers_headers_and_a_request_id() {
    let world = World::start().await;
    let reply = world.get("/api/v1/agent/alive").await;
    assert_eq!(reply.ok(), json!({"Status": "OK"}));
    assert!(reply.body.ends_with(b"}\n"));
    assert_eq!(reply.headers["content-type"], "application/json");
    assert!(reply.headers["x-bacalhau-git-version"].starts_with("v1."));
    assert_eq!(reply.headers["x-request-id"].len(), 32);
    let named = world.send("GET", "/nowhere", &[("X-Request-ID", "abc")], None).await;
    assert_eq!(
        (named.headers["x-request-id"].as_str(), named.json()["RequestID"].as_str()),
        ("abc", Some("abc"))
    );
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let world = World::start().await;
    let unknown = world.get("/api/v1/frob").await;
    let expected = (404, "NotFound".to_owned(), "The requested resource/URL was not found.".to_owned());
    assert_eq!(unknown.refusal(), expected);
    assert!(unknown.json()["Details"]["cli_usage"].is_string());
    assert_eq!(unknown.json()["RequestID"], "");
    let wrong = world.send("POST", "/api/v1/agent/alive", &[], None).await;
    assert_eq!(wrong.refusal(), (405, "InternalError".to_owned(), "Method Not Allowed".to_owned()));
    assert!(wrong.headers["allow"].contains("GET"));
    assert_eq!(world.get("/api/v1/requester/list").await.status, 410);
    let moved = world.get("/livez").await;
    assert_eq!((moved.status, moved.headers["location"].as_str()), (301, "/api/v1/agent/alive"));
    let head = world.send("HEAD", "/api/v1/frob", &[], None).await;
    assert_eq!((head.status, head.body.len()), (404, 0));
}

#[tokio::test]
async fn old_and_odd_clients_are_sent_away() {
    let world = World::start().await;
    let ask = async |version: &str| {
        world.send("GET", "/api/v1/agent/version", &[("X-Bacalhau-Git-Version", version)], None).await
    };
    assert_eq!(ask("v1.5.0").await.status, 200);
    let old = ask("v1.3.2").await;
    assert_eq!((old.status, old.json()["ClientVersion"].as_str()), (403, Some("1.3.2")));
    assert_eq!(ask("abc").await.json(), json!({"Error": "Invalid client version abc"}));
}

#[tokio::test]
async fn jobs_may_look_but_not_touch() {
    let world = World::start().await;
    let sent_by_job: &[(&str, &str)] = &[("X-Bacalhau-Job-ID", "j-1")];
    assert_eq!(world.send("GET", "/api/v1/agent/alive", sent_by_job, None).await.status, 200);
    for method in ["PUT", "POST", "DELETE"] {
        let refusal = world.send(method, JOBS, sent_by_job, Some(job("a", "batch"))).await.refusal();
        assert_eq!(refusal, (403, "Forbidden".to_owned(), "Request Forbidden".to_owned()), "{method}");
    }
    assert_eq!(world.get(JOBS).await.ok()["Items"], json!([]));
}

#[tokio::test]
async fn pages_of_others_are_not_answered_whatever_they_call_this_machine() {
    let world = World::start().await;
    let ask = async |host: &str| {
        let request = format!("GET {JOBS} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        world.exchange(request.as_bytes()).await
    };
    assert_eq!(ask("Host: localhost:1234\r\n").await.status, 200);
    assert_eq!(ask("Host: [::1]\r\n").await.status, 200);
    assert_eq!(ask("Host: localhost\r\nOrigin: http://localhost:3000\r\n").await.status, 200);
    for origin in ["null", "https://evil.example"] {
        assert_eq!(ask(&format!("Host: localhost\r\nOrigin: {origin}\r\n")).await.status, 421, "{origin}");
    }
    let (status, code, message) = ask("Host: evil.example:1234\r\n").await.refusal();
    assert_eq!((status, code.as_str()), (421, "Forbidden"));
    assert!(message.contains("does not answer to 'evil.example:1234'"), "{message}");
}

#[tokio::test]
async fn answers_are_indented_on_request() {
    let world = World::start().await;
    assert_eq!(world.get("/api/v1/agent/alive?pretty").await.body, b"{\n  \"Status\": \"OK\"\n}\n");
    assert!(world.get("/api/v1/frob?pretty=1").await.body.starts_with(b"{\n  \"Status\": 404"));
}

#[tokio::test]
async fn bodies_are_checked_before_they_are_read() {
    let world = World::start().await;
    let send = |kind: &str, body: &str| {
        let request = format!(
            "PUT {JOBS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let world = &world;
        async move { world.exchange(request.as_bytes()).await }
    };
    assert_eq!(send("text/xml", "<job/>").await.status, 415);
    let cut = send("application/json", "{\"Job\": ").await.refusal();
    assert!(cut.0 == 400 && cut.2.starts_with("the request body is no JSON"), "{cut:?}");
    assert_eq!(send("application/json", "[1]").await.status, 400);
    assert_eq!(send("application/json; charset=utf-8", "{} x").await.status, 400);
    assert_eq!(send("application/json", "").await.refusal().2, "empty/nil job");
    let endless = format!(
        "PUT {JOBS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 999999999\r\n\r\n"
    );
    assert_eq!(world.exchange(endless.as_bytes()).await.status, 413);
    let large = " ".repeat(MAX_BODY_BYTES + 1);
    assert!(send("application/json", &large).await.refusal().2.ends_with("more than 10000000 bytes"));
}

#[tokio::test]
async fn the_agent_describes_itself_to_old_and_new_clients() {
    let world = World::start().await;
    let node = world.get("/api/v1/agent/node").await.ok();
    assert_eq!((&node["NodeID"], &node["Info"]["NodeID"]), (&json!("hub"), &json!("hub")));
    assert_eq!((&node["Connection"], &node["NodeType"]), (&json!("CONNECTED"), &json!("Requester")));
    assert_eq!(world.get("/api/v1/orchestrator/nodes/hub").await.ok()["Node"]["Info"], node["Info"]);
    assert_eq!(world.get("/api/v1/agent/version").await.ok()["Major"], "1");
    world.submit(job("a", "batch")).await;
    assert_eq!(world.get("/api/v1/agent/authconfig").await.ok()["Version"], "1.0.0");
}
