//! Inputs from S3, on a server of the tests' own.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bacalhau_protocol::api::Connection;
use bacalhau_tests::engine::{Engine, IMAGE};
use bacalhau_tests::s3::{ACCESS_KEY, REGION, SECRET_KEY, Server};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Cluster, eventually, guests, job, seen};
use crate::{clocks, sql};

/// A cluster with one agent, named after the test because the engine is shared, and the server with its objects.
struct Site {
    cluster: Cluster,
    server: Server,
    /// The one service on its own machine that the agent's operator lets jobs reach: the server, or what a test puts in
    /// its place.
    front: Front,
    node: &'static str,
    engine: Arc<Engine>,
}

/// Leads to whatever it is told to.
struct Front {
    endpoint: String,
    target: Arc<Mutex<String>>,
}

impl Front {
    fn to(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let front = Self { endpoint: address, target: Arc::default() };
        front.lead_to(endpoint);
        let target = Arc::clone(&front.target);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, target) = (client.unwrap(), target.lock().unwrap().clone());
                let Ok(server) = TcpStream::connect(target) else { continue };
                let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pour(&up, &down));
                thread::spawn(move || pour(&server, &client));
            }
        });
        front
    }

    fn lead_to(&self, endpoint: &str) {
        endpoint.trim_start_matches("http://").clone_into(&mut self.target.lock().unwrap());
    }
}

/// Until one of them ends; the other then ends, too.
fn pour(mut from: &TcpStream, mut to: &TcpStream) {
    _ = std::io::copy(&mut from, &mut to);
    for stream in [from, to] {
        _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Prints each file with its content, sorted.
const SHOW: &str =
    "cd /in && busybox find . -type f | busybox sort | while read -r f; do echo $f $(cat $f); done";

impl Site {
    /// The agent finds the server's credentials in its environment.
    async fn start(node: &'static str) -> Self {
        let keys = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
        Self::with(node, &keys, &[]).await
    }

    async fn with(node: &'static str, variables: &[(&str, &str)], settings: &[&str]) -> Self {
        let (engine, server) = (Engine::shared(), Server::start().await);
        let front = Front::to(server.endpoint());
        let mut cluster = Cluster::start(&[]).await;
        cluster.set_variable(node, "DOCKER_HOST", engine.host());
        cluster.set_variable(node, "AWS_ENDPOINT_URL_S3", &front.endpoint);
        for (name, value) in variables {
            cluster.set_variable(node, name, value);
        }
        cluster.add_agent(node, settings).await;
        cluster.node_is(node, "APPROVED", Connection::Connected).await;
        Self { cluster, server, front, node, engine }
    }

    /// A job of this type that runs a shell's text over what the source brings to `/in`.
    fn job(&self, job_type: &str, script: &str, source: Value) -> Value {
        let mut job = job::of_bytes(job_type, &[]);
        let params = json!({"Image": IMAGE, "Entrypoint": ["sh", "-c"], "Parameters": [script]});
        *job::task(&mut job, "Engine") = json!({"Type": "docker", "Params": params});
        *job::task(&mut job, "InputSources") = json!([{"Target": "/in", "Source": self.source(source)}]);
        job
    }

    fn source(&self, mut params: Value) -> Value {
        let given = params.as_object_mut().unwrap();
        given.entry("Endpoint").or_insert_with(|| json!(self.front.endpoint));
        given.entry("Region").or_insert_with(|| json!(REGION));
        json!({"Type": "s3", "Params": params})
    }

    /// What a task sees of a source.
    async fn shown(&self, source: Value) -> String {
        let what = source.to_string();
        let id = self.cluster.submit(&self.job("ops", SHOW, source)).await;
        let ended = self.cluster.ended(&id).await;
        let execution = self.cluster.executions(&id).await.remove(0);
        assert_eq!(ended.state.state_type.as_str(), "Completed", "{what}: {execution:?}");
        execution.run_output.stdout
    }

    /// Why a source cannot be brought. Nothing of it stays on the node.
    async fn failure(&self, source: Value) -> String {
        let id = self.cluster.submit(&self.job("ops", SHOW, source)).await;
        self.cluster.ended(&id).await;
        let execution = self.cluster.executions(&id).await.remove(0);
        let work = self.cluster.path(self.node).join("executions/work").join(&execution.id);
        eventually("nothing is left of the input", async || seen(work.exists(), |left| !left)).await;
        execution.compute_state.message
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_of_key_brings_its_objects() {
    let site = Site::start("s3-keys").await;
    let objects = [
        ("a/b.txt", "one"),
        ("a/log-1", "two"),
        ("a/log-2", "three"),
        ("a/sub/log-1", "four"),
        ("other", "five"),
        ("empty", ""),
    ];
    site.server.bucket("things", &objects).await;
    site.server.put("things", "folder/", Vec::new()).await;
    for (params, expected) in [
        (json!({"Key": "a/b.txt"}), "./b.txt one\n"),
        (json!({"Key": "a/"}), "./b.txt one\n./log-1 two\n./log-2 three\n./sub/log-1 four\n"),
        (json!({"Key": "a/log-*"}), "./log-1 two\n./log-2 three\n"),
        (json!({"Key": "a/*", "Filter": "log-1$"}), "./log-1 two\n./sub/log-1 four\n"),
        (json!({"Key": "empty"}), "./empty\n"),
        (json!({"Filter": "^[^/]+$|b"}), "./a/b.txt one\n./a/sub/log-1 four\n./empty\n./other five\n"),
    ] {
        let mut source = params.clone();
        source["Bucket"] = json!("things");
        assert_eq!(site.shown(source).await, expected, "{params}");
    }
    let whole = site.shown(json!({"Bucket": "things"})).await;
    assert_eq!(whole.lines().count(), objects.len(), "{whole}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_object_can_be_pinned_to_a_version_and_a_checksum() {
    let site = Site::start("s3-pinned").await;
    site.server.bucket("pinned", &[]).await;
    let first = site.server.put("pinned", "x", b"first".to_vec()).await;
    let second = site.server.put("pinned", "x", b"second".to_vec()).await;
    let source = |version: &str, checksum: &str| json!({"Bucket": "pinned", "Key": "x", "VersionID": version, "ChecksumSHA256": checksum});
    assert_eq!(site.shown(source("", "")).await, "./x second\n");
    assert_eq!(site.shown(source(&first.version, &first.checksum)).await, "./x first\n");
    assert_eq!(site.shown(source("", &second.checksum)).await, "./x second\n");
    let wrong = site.failure(source("", &first.checksum)).await;
    assert!(wrong.contains(&format!("SHA-256 is {}, not {}", second.checksum, first.checksum)), "{wrong}");
    let unknown = site.failure(source("01BX5ZZKBKACTAV9WEVGEMMVRZ", "")).await;
    assert!(unknown.contains("check VersionID"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_share_the_objects_and_each_is_read_once() {
    let site = Site::start("s3-parts").await;
    let keys: Vec<String> = (0..12).map(|number| format!("logs/2024-01-{:02}/x", number + 1)).collect();
    let objects: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "line")).collect();
    site.server.bucket("parted", &objects).await;
    let whole: BTreeSet<String> = keys.iter().map(|key| key.replace("logs/", "./") + " line").collect();
    for partition in [
        json!({"Type": "object"}),
        json!({"Type": "date", "DateFormat": "2006-01-02"}),
        json!({"Type": "regex", "Pattern": "-(\\d+)/"}),
        json!({"Type": "substring", "StartIndex": 8, "EndIndex": 10}),
    ] {
        let source = json!({"Bucket": "parted", "Key": "logs/", "Partition": partition});
        let mut batch = site.job("batch", SHOW, source);
        batch["Count"] = json!(3);
        let id = site.cluster.submit(&batch).await;
        assert_eq!(site.cluster.ended(&id).await.state.state_type.as_str(), "Completed");
        let parts = site.cluster.executions(&id).await;
        let lines: Vec<String> =
            parts.iter().flat_map(|part| part.run_output.stdout.lines()).map(str::to_owned).collect();
        assert_eq!((parts.len(), lines.len()), (3, 12), "{partition}: {lines:?}");
        assert_eq!(BTreeSet::from_iter(lines), whole);
        assert!(parts.iter().filter(|part| !part.run_output.stdout.is_empty()).count() > 1, "{partition}");
    }
    let source = json!({"Bucket": "parted", "Key": "logs/", "Partition": {"Type": "object"}});
    assert_eq!(site.shown(source.clone()).await.lines().count(), 12, "an ops job has one partition");
    let script = format!("({SHOW}) | busybox wc -l >/data/seen; sleep 3600");
    let mut daemon = site.job("daemon", &script, source);
    let host =
        json!({"Type": "localDirectory", "Params": {"SourcePath": site.cluster.host(), "ReadWrite": true}});
    let inputs = job::task(&mut daemon, "InputSources").as_array_mut().unwrap();
    inputs.push(json!({"Target": "/data", "Source": host}));
    let id = site.cluster.submit(&daemon).await;
    let counted = site.cluster.host().join("seen");
    eventually("the daemon has seen all objects", async || {
        let text = fs::read_to_string(&counted).map_err(|error| error.to_string())?;
        seen(text, |text| text == "12\n").map(drop)
    })
    .await;
    site.cluster.ask(&["job", "stop", "--quiet", &id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_source_is_told_with_what_to_do() {
    let site = Site::start("s3-wrong").await;
    site.server.bucket("things", &[("a/b", "x"), ("a/b2/c", "x")]).await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stranger = stub(|_| ok("<p>hello"));
    let endpoint = &site.front.endpoint;
    for (params, parts) in [
        (
            json!({"Bucket": "nowhere", "Key": "a"}),
            vec![
                r#"bucket "nowhere", key "a", at "#,
                endpoint,
                "no such bucket; check Bucket, Region and Endpoint",
            ],
        ),
        (json!({"Bucket": "nowhere"}), vec![r#"bucket "nowhere", at "#, "no such bucket"]),
        (json!({"Bucket": "things", "Key": "a/x"}), vec![r#"key "a/x""#, "no such object; check Key"]),
        (json!({"Bucket": "things", "Key": "x*"}), vec!["no object has such a key; check Key"]),
        (
            json!({"Bucket": "things", "Key": "a/*", "Filter": "z$"}),
            vec![r#"no object has such a key that Filter "z$" is found in"#],
        ),
        (
            json!({"Bucket": "things", "Key": "a/b", "Region": "mars-1"}),
            vec!["not in mars-1; set Region to eu-north-1"],
        ),
        (
            json!({"Bucket": "things", "Endpoint": stranger}),
            vec![stranger.as_str(), "is this node or its link, which jobs cannot reach"],
        ),
    ] {
        let message = site.failure(params.clone()).await;
        for part in parts {
            assert!(message.contains(part), "{params}: {part:?} is not in {message}");
        }
    }
    for (target, part) in [
        (format!("http://{closed}"), "the service cannot be reached"),
        (stranger, "does not speak like S3; check Endpoint"),
    ] {
        site.front.lead_to(&target);
        let message = site.failure(json!({"Bucket": "things"})).await;
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    site.front.lead_to(site.server.endpoint());
    let mut small = site.job("ops", SHOW, json!({"Bucket": "things", "Key": "big"}));
    site.server.put("things", "big", vec![b'x'; 2_000_000]).await;
    *job::task(&mut small, "Resources") = json!({"CPU": "10m", "Memory": "16Mb", "Disk": "1Mb"});
    let id = site.cluster.submit(&small).await;
    site.cluster.ended(&id).await;
    let message = site.cluster.executions(&id).await.remove(0).compute_state.message;
    assert!(
        message.contains("take 2000000 bytes, and 1000000 are left to this task by Resources.Disk"),
        "{message}"
    );

    let refused = site.cluster.client.submit(&site.job("ops", SHOW, json!({"Filter": "("})), false).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("Params.Bucket") && refused.contains("Params.Filter"), "{refused}");
}

/// The address of a web server that gives these bytes to a request's first line.
fn stub(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), vec![0; 16_384]);
            let bytes = stream.read(&mut head).unwrap_or_default();
            let head = String::from_utf8_lossy(&head[..bytes]);
            // Whoever asked may have gone.
            _ = stream.write_all(&answer(head.lines().next().unwrap_or_default()));
        }
    });
    address
}

fn ok(content: &str) -> Vec<u8> {
    let length = content.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{content}").into_bytes()
}

/// A listing of one object that is said to have one byte.
fn listing(key: &str) -> Vec<u8> {
    ok(&format!(
        "<ListBucketResult><Name>things</Name><Contents><Key>{key}</Key><Size>1</Size></Contents></ListBucketResult>"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_lies_harms_nobody() {
    let site = Site::start("s3-liar").await;
    for key in ["../../escaped", "/escaped", "a/../../escaped"] {
        site.front.lead_to(&stub(move |_| listing(key)));
        let message = site.failure(json!({"Bucket": "things"})).await;
        assert!(message.contains(&format!("object {key:?} cannot become a file")), "{message}");
    }
    site.front.lead_to(&stub(|_| ok(&"<a>".repeat(6 << 20))));
    let message = site.failure(json!({"Bucket": "things"})).await;
    assert!(message.contains("does not speak like S3") || message.contains("cannot be reached"), "{message}");

    let large = stub(|line| if line.contains("list-type") { listing("x") } else { ok(&"x".repeat(3 << 20)) });
    site.front.lead_to(&large);
    let mut job = site.job("ops", SHOW, json!({"Bucket": "things"}));
    *job::task(&mut job, "Resources") = json!({"CPU": "10m", "Memory": "16Mb", "Disk": "1Mb"});
    let id = site.cluster.submit(&job).await;
    site.cluster.ended(&id).await;
    let message = site.cluster.executions(&id).await.remove(0).compute_state.message;
    assert!(message.contains("larger than the service said"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_credentials_reads_what_is_public_and_says_what_it_lacks() {
    // The search goes as far as it does on a device.
    let site = Site::with("s3-nobody", &[("AWS_EC2_METADATA_DISABLED", "false")], &[]).await;
    site.server.bucket("open", &[("a", "x")]).await;
    site.server.publish("open").await;
    site.server.bucket("closed", &[("a", "x")]).await;
    assert_eq!(site.shown(json!({"Bucket": "open"})).await, "./a x\n");
    assert_eq!(site.shown(json!({"Bucket": "open", "Key": "a"})).await, "./a x\n");
    for source in [json!({"Bucket": "closed"}), json!({"Bucket": "closed", "Key": "a"})] {
        let message = site.failure(source).await;
        assert!(message.contains("access is denied without credentials, and this node"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_files_too_and_wrong_ones_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let profile = |name: &str, secret: &str| {
        format!("[{name}]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n")
    };
    fs::write(&file, profile("edge", SECRET_KEY)).unwrap();
    let variables = [("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()), ("AWS_PROFILE", "edge")];
    let site = Site::with("s3-file", &variables, &[]).await;
    site.server.bucket("things", &[("a", "x")]).await;
    assert_eq!(site.shown(json!({"Bucket": "things"})).await, "./a x\n");

    fs::write(&file, "[edge\n").unwrap();
    let message = site.failure(json!({"Bucket": "things"})).await;
    assert!(
        message.contains("access is denied without credentials, and this node's cannot be used: "),
        "{message}"
    );
    fs::write(&file, profile("edge", "wrong")).unwrap();
    let message = site.failure(json!({"Bucket": "things"})).await;
    assert!(
        message.contains("does not accept this node's AWS credentials (403 SignatureDoesNotMatch"),
        "{message}"
    );
    fs::write(&file, profile("edge", SECRET_KEY)).unwrap();
    assert_eq!(site.shown(json!({"Bucket": "things"})).await, "./a x\n", "renewed credentials count at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_in_2099_signs_with_the_control_planes_time() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clocks::build_clock(folder.path());
    let variables = [
        ("LD_PRELOAD", clock.to_str().unwrap()),
        ("TEST_CLOCK_BEGINS", "4070908800"),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ];
    let site = Site::with("s3-2099", &variables, &[]).await;
    site.server.bucket("things", &[("a", "x")]).await;
    assert_eq!(site.shown(json!({"Bucket": "things"})).await, "./a x\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_breaks_off_goes_on_where_it_ended() {
    let site = Site::start("s3-broken").await;
    site.server.bucket("large", &[]).await;
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let stored = site.server.put("large", "x", content.clone()).await;
    let road = BadRoad::to(site.server.endpoint());
    site.front.lead_to(&road.endpoint);
    let source = json!({"Bucket": "large", "Key": "x", "ChecksumSHA256": stored.checksum});
    let id = site.cluster.submit(&site.job("ops", "busybox sha256sum /in/x", source)).await;
    let ended = site.cluster.ended(&id).await;
    let execution = site.cluster.executions(&id).await.remove(0);
    assert_eq!(ended.state.state_type.as_str(), "Completed", "{execution:?}");
    assert!(road.broke.load(Ordering::Relaxed), "the road was good");
    let expected = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(execution.run_output.stdout, format!("{expected}  /in/x\n"));
}

/// Leads to a server, and breaks off the first connection that has carried a megabyte.
struct BadRoad {
    endpoint: String,
    broke: Arc<AtomicBool>,
}

impl BadRoad {
    fn to(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = endpoint.trim_start_matches("http://").to_owned();
        let broke = Arc::new(AtomicBool::new(false));
        let road = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            broke: Arc::clone(&broke),
        };
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&target).unwrap());
                let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut &up, &mut &down));
                let broke = Arc::clone(&broke);
                thread::spawn(move || carry(&server, &client, &broke));
            }
        });
        road
    }
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, broke: &AtomicBool) {
    let mut buffer = vec![0; 65_536];
    let mut carried = 0;
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        carried += bytes;
        if carried > 1_000_000 && !broke.swap(true, Ordering::Relaxed) {
            break;
        }
        if to.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        _ = stream.shutdown(std::net::Shutdown::Both);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_can_come_from_s3() {
    let site = Site::start("s3-module").await;
    site.server.bucket("modules", &[]).await;
    site.server.put("modules", "bin/hello.wasm", guests::assemble(&guests::hello("hello from s3"))).await;
    let mut wasm = job::of_bytes("ops", &[]);
    let source = site.source(json!({"Bucket": "modules", "Key": "bin/hello.wasm"}));
    *job::task(&mut wasm, "Engine") = json!({"Type": "wasm", "Params": {"EntryModule": {"Source": source}}});
    let id = site.cluster.submit(&wasm).await;
    let ended = site.cluster.ended(&id).await;
    let execution = site.cluster.executions(&id).await.remove(0);
    assert_eq!(ended.state.state_type.as_str(), "Completed", "{execution:?}");
    assert_eq!(execution.run_output.stdout, "hello from s3");
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_cannot_be_written() {
    let site = Site::start("s3-ro").await;
    site.server.bucket("things", &[("a", "x")]).await;
    let script = "echo y >/in/a || echo refused";
    let id = site.cluster.submit(&site.job("ops", script, json!({"Bucket": "things"}))).await;
    site.cluster.ended(&id).await;
    assert_eq!(site.cluster.executions(&id).await.remove(0).run_output.stdout, "refused\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_batch_job_of_the_examples_reads_access_logs_with_duckdb() {
    let site = Site::start("s3-duckdb").await;
    sql::import_duckdb(&site.engine, &site.cluster.path("image"));
    let line =
        |status: u16| format!("10.0.0.1 - - [19/Nov/2023:10:00:00 +0000] \"GET /x HTTP/1.1\" {status} 12\n");
    let objects = [
        ("2023-11-19-10-AA", line(200) + &line(503)),
        ("2023-11-19-11-BB", line(200)),
        ("2023-11-19-23-CC", line(404)),
        ("2023-11-20-10-DD", line(500)),
    ];
    let objects: Vec<(&str, &str)> = objects.iter().map(|(key, text)| (*key, text.as_str())).collect();
    site.server.bucket("access-logs", &objects).await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/duckdb-logs/s3-job.yaml");
    let variables = [
        "query=SELECT status, count(*) AS n FROM logs GROUP BY 1 ORDER BY 1".to_owned(),
        "AccessLogBucket=access-logs".to_owned(),
        "AccessLogPrefix=2023-11-19-*".to_owned(),
        "AccessLogPattern=^1[0-2].*".to_owned(),
        format!("AWSRegion={REGION}"),
        format!("Endpoint={}", site.front.endpoint),
        format!("image={}", sql::IMAGE),
    ];
    let mut arguments = vec!["job", "run", "--id-only", "--wait", file];
    for variable in &variables {
        arguments.extend(["-V", variable]);
    }
    let said = site.cluster.cli(&arguments).await;
    let id = said.stdout.trim().to_owned();
    let execution = site.cluster.executions(&id).await.remove(0);
    assert_eq!(said.code, 0, "{said:?} {execution:?}");
    let rows: Vec<&str> = execution.run_output.stdout.lines().collect();
    let answer = rows.join("\n");
    assert!(answer.contains("200") && answer.contains("503") && !answer.contains("404"), "{answer}");
}
