//! The commands about jobs and nodes as a person types them, on the real program.

use std::fs;

use crate::harness::{Cluster, guests};

fn module(cluster: &Cluster, name: &str, wat: &str) -> String {
    let path = cluster.path(name);
    fs::write(&path, guests::assemble(wat)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The hint is the last line of what stderr holds.
async fn refused(cluster: &Cluster, arguments: &[&str], message: &str, hint: &str) {
    let said = cluster.cli(arguments).await;
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{arguments:?}: {said:?}");
    assert!(said.stderr.contains(message) && said.stderr.contains(hint), "{arguments:?}: {said:?}");
}

#[tokio::test]
async fn a_job_is_run_watched_rerun_and_its_results_are_fetched() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let hello = module(&cluster, "hello.wasm", &guests::hello("hello"));
    let results = cluster.path("results");
    fs::create_dir(&results).unwrap();
    let into = results.to_str().unwrap();
    let said = cluster
        .ask(&[
            "wasm",
            "run",
            "--name",
            "greet",
            "--download",
            "--output-dir",
            into,
            "--node-details",
            &hello,
        ])
        .await;
    for part in
        ["Job successfully submitted. Job ID: j-", "Completed successfully", "• Node edge-1: hello", into]
    {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(fs::read_to_string(results.join("stdout")).unwrap(), "hello");

    let again = cluster.ask(&["job", "rerun", "greet", "--group-events"]).await;
    assert!(again.contains("Completed successfully"), "{again}");
    let versions = cluster.ask(&["job", "versions", "greet", "--output", "csv"]).await;
    assert_eq!(versions.lines().count(), 3, "{versions}");
    let config = cluster.ask(&["agent", "config", "--output", "json"]).await;
    assert!(config.contains("\n  \"API\": {"), "{config}");
    for list in
        [&["executions", "greet", "--all-versions"][..], &["history", "greet"], &["list", "--labels", ""]]
    {
        let said = cluster.cli(&[&["job"], list, &["--limit", "1", "--output", "csv"]].concat()).await;
        assert_eq!(said.stdout.lines().count(), 2, "{said:?}");
        assert!(list[0] == "list" || said.stderr.contains("--next-token "), "{said:?}");
    }
    let described = cluster.ask(&["job", "describe", "greet", "--output", "table"]).await;
    assert!(described.contains("State         = Completed") && described.contains("hello"), "{described}");
    for alias in [["describe", "greet"], ["logs", "greet"], ["list", "--number=1"]] {
        assert!(!cluster.ask(&alias).await.is_empty(), "{alias:?}");
    }
}

/// The server gives a hundred events when nothing else is asked for.
#[tokio::test]
async fn a_long_history_is_shown_whole_and_from_its_end() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let hello = module(&cluster, "hello.wasm", &guests::hello("hello"));
    cluster.ask(&["wasm", "run", "--name", "many", "--count", "40", &hello]).await;
    let history = ["job", "history", "many", "--output", "csv", "--limit"];
    let all = cluster.ask(&[&history[..], &["1000"]].concat()).await;
    assert!(all.lines().count() > 101, "{all}");
    let newest = cluster.ask(&[&history[..], &["1", "--order-reversed"]].concat()).await;
    assert_eq!(newest.lines().nth(1), all.lines().last());
    let described = cluster.ask(&["job", "describe", "many", "--include-history", "--output", "json"]).await;
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    assert_eq!(described["History"]["Items"].as_array().unwrap().len(), all.lines().count() - 1);
}

#[tokio::test]
async fn a_failed_job_fails_the_command_and_says_why() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let fails = module(&cluster, "fails.wasm", &guests::exits("no luck", 3));
    let said = cluster.cli(&["wasm", "run", "--target", "all", &fails]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stdout.contains("exit code 3") && said.stderr.contains("Error: job failed"), "{said:?}");
    let said = cluster.cli(&["wasm", "run", "--id-only", "--wait=false", &fails]).await;
    assert_eq!((said.code, said.stdout.lines().count(), said.stderr.as_str()), (0, 1, ""), "{said:?}");
}

#[tokio::test]
async fn a_job_that_no_node_can_run_says_so_while_it_waits() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let said = cluster
        .cli(&["docker", "run", "-s", "site=nowhere", "--wait-timeout-secs", "1", "ubuntu", "true"])
        .await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("Job queued"), "{said:?}");
    assert!(
        said.stderr.contains("still running") && said.stderr.contains("bacalhau job stop j-"),
        "{said:?}"
    );
}

#[tokio::test]
async fn stopping_a_job_tells_its_steps_unless_it_is_to_be_quiet() {
    let cluster = Cluster::start(&[]).await;
    let submit = async || {
        let said = cluster.ask(&["docker", "run", "--wait=false", "ubuntu"]).await;
        said.trim().to_owned()
    };
    let id = submit().await;
    let said = cluster.cli(&["job", "stop", &id]).await;
    assert!(said.stdout.starts_with("Job stop successfully submitted with evaluation ID: "), "{said:?}");
    for step in ["Connecting to network", "Verifying job state", "Stopping job"] {
        assert!(said.stderr.contains(&format!("{step}  ................  done ✅")), "{said:?}");
    }
    refused(
        &cluster,
        &["job", "stop", &id],
        "Verifying job state  ................  err  ❌",
        "left to stop",
    )
    .await;
    let said = cluster.cli(&["job", "stop", "--quiet", &id]).await;
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (1, "", ""));
    let said = cluster.cli(&["cancel", "--quiet", &submit().await]).await;
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (0, "", ""));
}

#[tokio::test]
async fn mistakes_are_told_in_one_line_with_what_to_do() {
    let cluster = Cluster::start(&[]).await;
    let file = cluster.path("job.yaml");
    let path = file.to_str().unwrap().to_owned();
    fs::write(&file, "Type: batch\nTasks:\n\t- Name: a\n").unwrap();
    refused(&cluster, &["job", "run", &path], "line 3 is indented with a tab", "spaces").await;
    let task = "{Name: a, Engin: {}, Engine: {Type: docker, Params: {Image: a, Imag: b}}}";
    fs::write(&file, format!("Type: batch\nTasks: [{task}]\n")).unwrap();
    refused(&cluster, &["job", "validate", &path], "Tasks[0].Engin: unknown field", "did you mean Engine?")
        .await;
    refused(&cluster, &["job", "validate", &path], "Params.Imag: unknown field", "did you mean Image?").await;
    refused(&cluster, &["job", "lst"], "unknown command \"lst\" for \"bacalhau job\"", "did you mean list?")
        .await;
    refused(&cluster, &["docker", "run", "a", "ls", "--color"], "unknown flag: --color", "put -- in front")
        .await;
    refused(&cluster, &["docker", "run", "-w", "srv", "a"], "must contain absolute path", "").await;
    refused(&cluster, &["job", "describe", "nope"], "job not found: nope", "").await;
    refused(&cluster, &["node", "approve", "nope"], "nope", "").await;
    for command in ["executions", "history", "get", "versions", "logs", "stop", "describe"] {
        refused(&cluster, &["--api-port", "1", "job", command, "x"], "not reachable", "bacalhau serve").await;
    }
}

#[tokio::test]
async fn labels_are_checked_alike_everywhere() {
    let cluster = Cluster::start(&[]).await;
    let hello = module(&cluster, "hello.wasm", &guests::hello("hello"));
    let file = cluster.path("job.yaml");
    let path = file.to_str().unwrap();
    let task = "{Name: main, Engine: {Type: docker, Params: {Image: ubuntu}}}";
    fs::write(&file, format!("Type: batch\nLabels: {{env: 'prod:1'}}\nTasks: [{task}]\n")).unwrap();
    let label = "env=prod:1";
    for arguments in [
        &["job", "validate", path][..],
        &["job", "run", path],
        &["job", "run", "--dry-run", path],
        &["docker", "run", "-l", label, "ubuntu"],
        &["docker", "run", "--dry-run", "-l", label, "ubuntu"],
        &["wasm", "run", "-l", label, &hello],
    ] {
        refused(&cluster, arguments, "Labels: invalid value \"prod:1\" of label \"env\"", "").await;
    }
}

#[tokio::test]
async fn a_module_is_validated_without_a_server() {
    let cluster = Cluster::start(&[]).await;
    let hello = module(&cluster, "hello.wasm", &guests::hello("hello"));
    let said = cluster.ask(&["--api-port", "1", "wasm", "validate", &hello]).await;
    assert_eq!(said, "OK\n");
    let needy = module(
        &cluster,
        "needy.wasm",
        r#"(module (import "lib" "answer" (func (result i32))) (func (export "run")))"#,
    );
    let library =
        module(&cluster, "lib.wasm", r#"(module (func (export "answer") (result i32) (i32.const 1)))"#);
    refused(&cluster, &["wasm", "validate", &needy], "module \"lib\"", "has no function \"_start\"").await;
    let import = format!("{library}:lib");
    let said = cluster.ask(&["wasm", "validate", "-I", &import, "--entry-point", "run", &needy]).await;
    assert_eq!(said, "OK\n");
    let file = cluster.path("job.yaml");
    let job = cluster.ask(&["wasm", "run", "--dry-run", &hello]).await;
    fs::write(&file, job).unwrap();
    assert_eq!(cluster.ask(&["wasm", "validate", file.to_str().unwrap()]).await, "OK\n");
    refused(&cluster, &["wasm", "validate", "missing.wasm"], "missing.wasm", "No such file").await;
}

#[tokio::test]
async fn a_file_may_hold_several_jobs_also_of_the_oldest_form() {
    let cluster = Cluster::with_agents(&["edge-1"]).await;
    let file = cluster.path("jobs.yaml");
    let new =
        "Name: new\nType: batch\nTasks: [{Name: main, Engine: {Type: docker, Params: {Image: ubuntu}}}]";
    let old = "APIVersion: V1beta1\nSpec: {Engine: Docker, Docker: {Image: ubuntu}, Deal: {Concurrency: 2}}";
    fs::write(&file, format!("\u{feff}{new}\n---\n{old}\n")).unwrap();
    let path = file.to_str().unwrap();
    let shown = cluster.ask(&["job", "run", "--dry-run", path]).await;
    assert_eq!(shown.matches("Image: ubuntu").count(), 2, "{shown}");
    let ids = cluster.ask(&["create", "--wait=false", path]).await;
    let ids: Vec<&str> = ids.lines().collect();
    assert_eq!((ids.len(), cluster.client.job(ids[1], 0, "").await.unwrap().job.count), (2, 2));
    for id in ids {
        cluster.ask(&["cancel", id]).await;
    }
}

/// They are found by their symbol's name, so nobody would be told if they were not.
#[test]
fn the_allocator_reads_its_settings() {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_system-bacalhau"));
    let said = program.arg("--help").env("_RJEM_MALLOC_CONF", "confirm_conf:true").output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("Set conf value: narenas:4"), "{said}");
}
