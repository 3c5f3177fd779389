//! `bacalhau sql`: questions to devices about their log files, on a Docker engine of the tests' own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bacalhau_protocol::api::Connection;
use bacalhau_tests::duckdb;
use bacalhau_tests::engine::Engine;
use serde_json::{Value, json};

use crate::harness::{Cluster, Said};

/// An image with DuckDB.
pub(crate) const IMAGE: &str = "duckdb:test";

/// A cluster whose agents find DuckDB at their engine.
struct Site {
    cluster: Cluster,
    /// Holds what the agents use.
    _engine: Arc<Engine>,
}

impl Site {
    /// Agents with these names and further settings. Their logs are what lies in the folder of the cluster.
    async fn start(agents: &[(&str, &[&str])]) -> Self {
        let engine = Engine::shared();
        let mut cluster = Cluster::start(&[]).await;
        import_duckdb(&engine, &cluster.path("image"));
        for (name, settings) in agents {
            cluster.set_variable(name, "DOCKER_HOST", engine.host());
            cluster.add_agent(name, settings).await;
        }
        for (name, _) in agents {
            cluster.node_is(name, "APPROVED", Connection::Connected).await;
        }
        Self { cluster, _engine: engine }
    }

    fn log(&self, name: &str, content: &str) {
        fs::write(self.cluster.host().join(name), content).unwrap();
    }

    async fn ask(&self, query: &str, flags: &[&str]) -> Said {
        let over = format!("{}/**", self.cluster.host().display());
        let given = if flags.contains(&"--over") { vec![] } else { vec!["--over", &over] };
        self.cluster.cli(&[&["sql", query, "--image", IMAGE], &given[..], flags].concat()).await
    }

    /// Nodes and counts of an answer that the client's own DuckDB made a Parquet file of.
    async fn parquet(&self, query: &str) -> String {
        let over = format!("{}/**", self.cluster.host().display());
        let asked = ["sql", query, "--image", IMAGE, "--over", &over, "--output", "parquet"];
        let mut command = self.cluster.command(&asked);
        command.env("PATH", duckdb::program().parent().unwrap());
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        let file = self.cluster.path("answers.parquet");
        fs::write(&file, output.stdout).unwrap();
        let read = format!("SELECT node, n FROM '{}' ORDER BY node", file.display());
        let read = Command::new(duckdb::program()).args(["-csv", "-noheader", "-c", &read]).output().unwrap();
        String::from_utf8(read.stdout).unwrap()
    }

    async fn rows(&self, query: &str, flags: &[&str]) -> Vec<Value> {
        let said = self.ask(query, &[&["--output", "json"], flags].concat()).await;
        assert_eq!(said.code, 0, "{query}: {said:?}");
        serde_json::from_str(&said.stdout).unwrap()
    }
}

/// An image of the program and the libraries it needs. All tests make the same one.
pub(crate) fn import_duckdb(engine: &Engine, root: &Path) {
    let listing = Command::new("ldd").arg(duckdb::program()).output().unwrap().stdout;
    let listing = String::from_utf8(listing).unwrap();
    let libraries = listing.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    let files = libraries.map(|library| (library.clone(), library));
    for (file, place) in files.chain([(duckdb::program(), "/usr/local/bin/duckdb".into())]) {
        let place = root.join(place.strip_prefix("/").unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(file, place).unwrap();
    }
    let archive = root.with_extension("tar");
    let packed = Command::new("tar").arg("-C").arg(root).arg("-cf").arg(&archive).arg(".").status();
    assert!(packed.unwrap().success());
    engine.docker(&["import", archive.to_str().unwrap(), IMAGE]);
}

const SYSLOG: &str = "Nov 15 10:00:01 h sshd[1]: error: bad password\n\
    Nov 15 10:05:01 h cron[2]: fine\n\
    Nov 15 10:10:01 h sshd[1]: error: again\n";
const BY_UNIT: &str = "SELECT unit, count(*) AS n FROM logs WHERE level = 'error' GROUP BY 1";

#[tokio::test(flavor = "multi_thread")]
async fn one_question_to_three_devices_is_one_table() {
    let site = Site::start(&[("sql-a", &[]), ("sql-b", &[]), ("sql-c", &[])]).await;
    site.log("syslog", SYSLOG);
    let said = site.ask(BY_UNIT, &[]).await;
    assert_eq!(said.stdout, "node   unit  n\nsql-a  sshd  2\nsql-b  sshd  2\nsql-c  sshd  2\n");
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));

    let rows = site.rows(BY_UNIT, &["--selector", "site in (sql-a, sql-b)"]).await;
    let expected = ["sql-a", "sql-b"].map(|node| json!({"node": node, "unit": "sshd", "n": 2}));
    assert_eq!(rows, expected);

    let later = ["--start-time", "11-15 10:10", "--output", "csv"];
    let refused = site.ask("SELECT 1", &later).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("START_TIME is 11-15 10:10"), "{refused:?}");

    let reduced = site
        .rows(BY_UNIT, &["--reduce", "SELECT count(DISTINCT node) AS nodes, sum(n) AS n FROM answers"])
        .await;
    assert_eq!(reduced, [json!({"nodes": 3, "n": 6})]);

    let csv = site.ask(BY_UNIT, &["--selector", "site=sql-c", "--output", "csv"]).await;
    assert_eq!(csv.stdout, "node,unit,n\nsql-c,sshd,2\n", "{csv:?}");
    assert_eq!(site.parquet(BY_UNIT).await, "sql-a,2\nsql-b,2\nsql-c,2\n");

    let nothing = site.ask("SELECT time FROM logs WHERE unit = 'nobody'", &[]).await;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (0, "node  time\n"));
    assert!(nothing.stderr.contains("No rows"), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machines_own_logs_are_read_by_three_agents() {
    let readable: &[&str] = &["Compute.AllowListedLocalPaths=/var/log:ro"];
    let site = Site::start(&[("sql-v1", readable), ("sql-v2", readable), ("sql-v3", readable)]).await;
    let rows = site
        .rows(
            "SELECT count(*) AS files, count_if(file LIKE '/var/log/%') AS here FROM files",
            &["--over", "/var/log/**"],
        )
        .await;
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row["files"] == row["here"]), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_the_question_is_told_once() {
    let site = Site::start(&[("sql-m1", &[]), ("sql-m2", &[])]).await;
    site.log("syslog", SYSLOG);
    let said = site.ask("SELECT nope FROM logs", &[]).await;
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert_eq!(said.stderr.matches("Referenced column \"nope\" not found").count(), 1, "{said:?}");
    assert!(said.stderr.contains("2 nodes (sql-m1, sql-m2)"), "{said:?}");
    assert!(!said.stderr.contains("CREATE VIEW"), "{said:?}");

    let reduced = site.ask("SELECT 1 AS one", &["--reduce", "SELECT two FROM answers"]).await;
    assert_eq!((reduced.code, reduced.stdout.as_str()), (1, ""));
    assert!(reduced.stderr.contains("\"two\" not found"), "{reduced:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_do_not_answer_are_named_and_the_others_are_shown() {
    let closed: &[&str] = &["Compute.AllowListedLocalPaths=/nothing:ro"];
    let site = Site::start(&[("sql-open", &[]), ("sql-closed", closed)]).await;
    site.log("syslog", SYSLOG);
    let said = site.ask(BY_UNIT, &["--output", "csv"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (1, "node,unit,n\nsql-open,sshd,2\n"), "{said:?}");
    assert!(said.stderr.contains("sql-closed: ") && said.stderr.contains("not allowlisted"), "{said:?}");

    let nobody = site.ask(BY_UNIT, &["--selector", "site=nowhere"]).await;
    assert_eq!((nobody.code, nobody.stdout.as_str()), (1, ""));
    assert!(nobody.stderr.contains("no node was asked"), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_can_be_asked_now_and_read_later() {
    let site = Site::start(&[("sql-later", &[])]).await;
    site.log("syslog", SYSLOG);
    let id = site.ask(BY_UNIT, &["--id-only"]).await.stdout;
    site.cluster.ended(id.trim()).await;
    let said = site.cluster.cli(&["sql", "--job", id.trim(), "--output", "csv"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (0, "node,unit,n\nsql-later,sshd,2\n"), "{said:?}");
}
