use bacalhau_protocol::model::JobType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::execution::fixtures::work;

async fn refusals(exec: Option<&str>, http: Option<String>) -> Vec<String> {
    let policy = config::Admission {
        probe_exec: exec.map(str::to_owned),
        probe_http: http,
        ..config::Admission::default()
    };
    let node = NodeId::parse("node-1").unwrap();
    Probes::new(&policy, Clock::new(None)).refusals(&node, &work(JobType::Batch)).await
}

#[tokio::test]
async fn a_command_takes_the_job_by_its_exit_status() {
    assert_eq!(refusals(None, None).await, [] as [String; 0]);
    assert_eq!(refusals(Some("exit 0"), None).await, [] as [String; 0]);
    let told = refusals(Some("echo image not signed >&2; exit 3"), None).await;
    assert_eq!(told, ["accept this job (JobAdmissionControl.ProbeExec): image not signed"]);
    let silent = refusals(Some("exit 3"), None).await;
    assert!(silent[0].ends_with("the command ended with exit status: 3"), "{silent:?}");
}

#[tokio::test]
async fn a_command_is_given_the_job_and_nothing_of_the_agent() {
    let on_stdin =
        r#"grep -q '"Type":"batch"' && [ -n "$BACALHAU_JOB_SELECTION_PROBE_DATA" ] && [ -z "$HOME" ]"#;
    assert_eq!(refusals(Some(on_stdin), None).await, [] as [String; 0]);
    let older = r#"grep -q '"node_id":"node-1"'"#;
    assert_eq!(refusals(Some(older), None).await, [] as [String; 0]);
}

/// Answers one request, and gives back what it was.
async fn answering(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/check", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = String::new();
        while !request.contains("\"spec\"") || !request.ends_with('}') {
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).await.unwrap();
            request.push_str(std::str::from_utf8(&piece[..length]).unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        request
    });
    (url, serving)
}

#[tokio::test]
async fn a_url_is_posted_the_job_and_decides() {
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"shouldBid\":false,\"reason\":\"busy\"}";
    let (url, serving) = answering(answer).await;
    let told = refusals(None, Some(url)).await;
    assert_eq!(told, ["accept this job (JobAdmissionControl.ProbeHTTP): busy"]);
    let request = serving.await.unwrap();
    assert!(request.starts_with("POST /check HTTP/1.0\r\n") && request.contains("{\"Job\":{"), "{request}");
    let (url, _) = answering("HTTP/1.1 200 OK\r\n\r\n").await;
    assert_eq!(refusals(None, Some(url)).await, [] as [String; 0]);
}

#[tokio::test]
async fn a_url_that_does_not_answer_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let told = refusals(None, Some(format!("http://{address}/"))).await;
    assert!(told[0].contains("cannot be asked"), "{told:?}");
}
