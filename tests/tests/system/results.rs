//! Logs and results through the link, also of nodes that are away.

use std::fs;

use bacalhau_cli::client::{DownloadError, LogQuery, LogStream, RemoteArchive};
use bacalhau_cli::output::meter::Meter;
use bacalhau_protocol::api::{Connection, SpecConfig};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, RANGE};

use crate::harness::{Cluster, eventually, guests, job, seen};

async fn read(mut stream: LogStream) -> String {
    let mut text = String::new();
    while let Some(line) = stream.next().await {
        text.push_str(&line.unwrap().line);
    }
    text
}

#[tokio::test]
async fn logs_are_followed_to_the_end_and_read_again_after_it() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let id = cluster.submit(&job::of("batch", &guests::counts("tick ", 40))).await;
    cluster
        .executions_when("it is placed", &id, |all| all.iter().any(|e| e.compute_state.state_type.0 >= 6))
        .await;
    let follow = LogQuery { follow: true, ..LogQuery::default() };
    let all = "tick ".repeat(40);
    assert_eq!(read(cluster.client.logs(&id, &follow).await.unwrap()).await, all);
    cluster.ended(&id).await;
    for query in [LogQuery::default(), follow] {
        assert_eq!(read(cluster.client.logs(&id, &query).await.unwrap()).await, all);
    }
    assert_eq!(cluster.ask(&["job", "logs", &id]).await, all);
    assert_eq!(cluster.ask(&["job", "logs", "--follow", &id]).await, all);
}

#[tokio::test]
async fn a_tail_begins_at_the_present_end() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let id = cluster.submit(&job::of("service", &guests::sleeps("early"))).await;
    eventually("it has written", async || {
        let stream =
            cluster.client.logs(&id, &LogQuery::default()).await.map_err(|error| error.to_string())?;
        let mut stream = stream;
        let first = stream.next().await;
        seen(first.and_then(Result::ok).map(|line| line.line), |line| line.as_deref() == Some("early"))
    })
    .await;
    let tail = LogQuery { tail: true, follow: true, ..LogQuery::default() };
    let stream = cluster.client.logs(&id, &tail).await.unwrap();
    cluster.client.stop(&id, "enough", "").await.unwrap();
    assert_eq!(read(stream).await, "");
}

/// The job's only published result.
async fn published(cluster: &Cluster, id: &str) -> RemoteArchive {
    let items = cluster.client.results(id, "").await.unwrap().items;
    let [SpecConfig { params: Some(params), .. }] = &items[..] else { panic!("{items:?}") };
    RemoteArchive {
        url: params["URL"].as_str().unwrap().parse().unwrap(),
        sha256: params["SHA256"].as_str().map(str::to_owned),
        size: params["Size"].as_u64(),
    }
}

/// More than is uploaded before the end is reported: it stays on its node.
const LARGE_KB: u32 = 3000;

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off_and_is_checked() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let id = cluster.submit(&job::of("batch", &guests::noise(LARGE_KB))).await;
    assert_eq!(cluster.ended(&id).await.state.state_type.as_str(), "Completed");
    let archive = published(&cluster, &id).await;
    let whole = cluster.path("whole.tar.gz");
    cluster.client.download(&archive, &whole, &Meter::silent()).await.unwrap();
    let bytes = fs::read(&whole).unwrap();
    assert_eq!(Some(bytes.len() as u64), archive.size);

    let middle = bytes.len() / 2;
    let ask =
        |range: String| bacalhau_tests::http::client().get(archive.url.clone()).header(RANGE, range).send();
    let rest = ask(format!("bytes={middle}-")).await.unwrap();
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    let expected = format!("bytes {middle}-{}/{}", bytes.len() - 1, bytes.len());
    assert_eq!(rest.headers()[CONTENT_RANGE], expected.as_str());
    assert!(rest.bytes().await.unwrap() == bytes[middle..]);
    let beyond = ask(format!("bytes={}-", bytes.len())).await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let resumed = cluster.path("resumed.tar.gz");
    fs::write(cluster.path("resumed.tar.gz.part"), &bytes[..middle]).unwrap();
    cluster.client.download(&archive, &resumed, &Meter::silent()).await.unwrap();
    assert!(fs::read(&resumed).unwrap() == bytes);

    let damaged = cluster.path("damaged.tar.gz");
    fs::write(cluster.path("damaged.tar.gz.part"), vec![0; middle]).unwrap();
    let error = cluster.client.download(&archive, &damaged, &Meter::silent()).await.unwrap_err();
    assert!(matches!(error, DownloadError::Checksum { .. }), "{error}");
    assert!(!damaged.exists());
}

#[tokio::test]
async fn small_answers_outlive_their_node_and_large_ones_wait_for_it() {
    let mut cluster = Cluster::with_agents(&["edge-1"]).await;
    let small = cluster.submit(&job::of("batch", &guests::hello("small"))).await;
    let large = cluster.submit(&job::of("batch", &guests::noise(LARGE_KB))).await;
    for id in [&small, &large] {
        assert_eq!(cluster.ended(id).await.state.state_type.as_str(), "Completed");
    }
    cluster.terminate("edge-1").await;
    cluster.node_is("edge-1", "APPROVED", Connection::Disconnected).await;

    for name in ["small", "large"] {
        fs::create_dir(cluster.path(name)).unwrap();
    }
    let (small_folder, large_folder) = (cluster.path("small"), cluster.path("large"));
    let get_large = ["job", "get", &large, "--output-dir", large_folder.to_str().unwrap()];
    cluster.ask(&["job", "get", &small, "--output-dir", small_folder.to_str().unwrap()]).await;
    assert_eq!(fs::read_to_string(small_folder.join("stdout")).unwrap(), "small");
    assert_eq!(cluster.ask(&["job", "logs", &small]).await, "small");
    let said = cluster.cli(&get_large).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains("edge-1"), "{}", said.stderr);

    cluster.start_again("edge-1").await;
    cluster.node_is("edge-1", "APPROVED", Connection::Connected).await;
    cluster.ask(&get_large).await;
    let length = fs::metadata(large_folder.join("stdout")).unwrap().len();
    assert_eq!(length, u64::from(LARGE_KB) * 1000);
}
