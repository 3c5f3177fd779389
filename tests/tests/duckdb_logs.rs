//! `examples/duckdb-logs/logs.sql` in the DuckDB command line that `cargo xtask setup` installs.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its device has to fail")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use bacalhau_tests::duckdb;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A device with a folder of logs, and a folder the answer goes to.
struct Device {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

#[derive(Debug)]
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Device {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["logs", "answer", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, environment: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path("logs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn run(&self, query: &str) -> Said {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/duckdb-logs/logs.sql");
        let mut command = Command::new(duckdb::program());
        command.args(["-batch", "-f"]).arg(script).current_dir(self.path("work")).env_clear();
        command.env("HOME", self.path("work")).env("QUERY", query);
        command.env("OVER", format!("{}/**", self.path("logs").display()));
        command.env("ROOT", self.path("logs")).env("ANSWER", self.path("answer"));
        let output = command.envs(self.environment.iter().cloned()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The rows of an answer that must come.
    fn ask(&self, query: &str) -> Vec<Value> {
        let said = self.run(query);
        assert_eq!(said.code, Some(0), "{query}: {said:?}");
        self.rows("answer.jsonl")
    }

    fn rows(&self, file: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path("answer").join(file)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The values of one column.
    fn column(&self, query: &str) -> Vec<Value> {
        let rows = self.ask(query);
        rows.into_iter().map(|row| row.as_object().unwrap().values().next().unwrap().clone()).collect()
    }
}

fn gzip(content: &str) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(content.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

/// A line and what is read from it: format, time, level, unit, message.
const LINES: [(&str, [&str; 5]); 16] = [
    ("<34>Nov  5 10:00:01 h sshd[12]: hi", ["syslog", "11-05 10:00:01", "critical", "sshd", "hi"]),
    ("Nov 15 10:00:01 h sshd[12]: error: no", ["syslog", "11-15 10:00:01", "error", "sshd", "error: no"]),
    (
        "Nov 15 10:00:01 h kernel: [1.2] x: no errors",
        ["syslog", "11-15 10:00:01", "", "kernel", "[1.2] x: no errors"],
    ),
    (
        "2026-11-21T11:00:01.5+01:00 h cron[9]: (root) CMD",
        ["iso", "11-21 10:00:01.5", "", "cron", "(root) CMD"],
    ),
    ("2026-11-21T10:00:01Z h app: ERROR boom", ["iso", "11-21 10:00:01", "error", "app", "ERROR boom"]),
    (
        "<165>1 2026-11-21T10:00:01.003Z h evntslog - ID47 [a@1 b=\"c\\]\"] An entry",
        ["rfc5424", "11-21 10:00:01.003", "notice", "evntslog", "An entry"],
    ),
    (
        "2026-11-21 10:00:03,123 - app.db - WARNING - slow",
        ["plain", "11-21 10:00:03.123", "warning", "", "app.db - WARNING - slow"],
    ),
    (
        "2026-11-21 10:00:04 status installed libgpg-error:amd64 1",
        ["plain", "11-21 10:00:04", "", "", "status installed libgpg-error:amd64 1"],
    ),
    (
        "[2026-11-21 10:00:05] [info] hello \"you\", all",
        ["plain", "11-21 10:00:05", "info", "", "[info] hello \"you\", all"],
    ),
    (
        "2026/11/21 10:00:06 for more info see below",
        ["plain", "11-21 10:00:06", "", "", "for more info see below"],
    ),
    (
        r#"{"time":"2026-11-21T10:00:07Z","level":"error","msg":"bad","unit":"api"}"#,
        ["json", "11-21 10:00:07", "error", "api", "bad"],
    ),
    (
        r#"{"ts":1795255208.5,"lvl":40,"message":"m","logger":"db"}"#,
        ["json", "11-21 10:00:08.5", "warning", "db", "m"],
    ),
    (
        r#"{"__REALTIME_TIMESTAMP":"1795255209000000","PRIORITY":"3","MESSAGE":"j","SYSLOG_IDENTIFIER":"s"}"#,
        ["json", "11-21 10:00:09", "error", "s", "j"],
    ),
    (
        "9.9.9.9 - - [21/Nov/2026:10:00:10 +0000] \"GET / HTTP/1.1\" 200 5",
        ["access", "11-21 10:00:10", "info", "", ""],
    ),
    (
        "9.9.9.9 - b [21/Nov/2026:12:00:10 +0200] \"\\x16\\x03\" 500 - \"-\" \"x\"",
        ["access", "11-21 10:00:10", "error", "", ""],
    ),
    ("  at Foo.bar(Foo.java:7)", ["text", "", "", "", "  at Foo.bar(Foo.java:7)"]),
];

#[test]
fn lines_of_every_format_are_understood() {
    let device = Device::new();
    // Each in a file of its own, last changed at the end of November.
    for (number, (line, _)) in LINES.iter().enumerate() {
        device.log(&format!("{number:02}.log"), format!("{line}\n"));
        let file =
            fs::File::options().append(true).open(device.path(&format!("logs/{number:02}.log"))).unwrap();
        let changed = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_796_000_000);
        file.set_modified(changed).unwrap();
    }
    let rows = device.ask("SELECT format, strftime(time, '%Y-%m-%d %H:%M:%S.%g') AS time, level, unit, message, line FROM logs ORDER BY file");
    assert_eq!(rows.len(), LINES.len());
    for ((line, [format, time, level, unit, message]), row) in LINES.into_iter().zip(rows) {
        let said = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let padded = if time.is_empty() {
            String::new()
        } else {
            let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
            format!("2026-{whole}.{fraction:0<3}")
        };
        assert_eq!(said("line"), line);
        assert_eq!((said("format").as_str(), said("time")), (format, padded), "{line}");
        assert_eq!((said("level").as_str(), said("unit").as_str()), (level, unit), "{line}");
        let whole = if format == "access" { line } else { message };
        assert_eq!(said("message"), whole, "{line}");
    }
}

#[test]
fn a_day_of_syslog_that_is_still_to_come_was_last_year() {
    let device = Device::new();
    device.log("syslog", "Dec 31 23:59:59 h a: old\nJan  1 00:00:01 h a: new\n");
    let file = fs::File::options().append(true).open(device.path("logs/syslog")).unwrap();
    // 2026-01-01T00:00:02Z
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_225_602)).unwrap();
    assert_eq!(device.column("SELECT year(time) FROM logs ORDER BY time"), [json!(2025), json!(2026)]);
}

#[test]
fn plain_and_packed_files_are_one_table() {
    let device = Device::new();
    device.log("syslog", "Nov 15 10:00:01 h a: one\n");
    device.log("old/syslog.2.gz", gzip("Nov 14 10:00:01 h a: two\nNov 14 10:00:02 h a: three\n"));
    assert_eq!(device.column("SELECT count(*) FROM logs"), [json!(3)]);
    let files = device.column("SELECT file FROM files ORDER BY 1");
    assert_eq!(files, [json!("/old/syslog.2.gz"), json!("/syslog")]);
}

#[test]
fn start_and_end_choose_lines_by_their_time() {
    let lines = "2026-11-21 10:00:00 a\n2026-11-21 10:05:00 b\n2026-11-21 10:10:00 c\nwithout a time\n";
    for (start, end, expected) in [
        ("", "", 4),
        ("2026-11-21T10:05:00Z", "", 2),
        ("", "2026-11-21 10:05:00", 1),
        ("2026-11-21T11:05:00+01:00", "2026-11-21T10:10:00Z", 1),
        ("2026-11-22", "", 0),
    ] {
        let device = Device::new().with("START_TIME", start).with("END_TIME", end);
        device.log("a.log", lines);
        assert_eq!(device.column("SELECT count(*) FROM logs"), [json!(expected)], "{start} {end}");
    }
}

#[test]
fn a_time_may_be_told_back_from_now() {
    let device = Device::new();
    let minutes_ago = "(now() - INTERVAL 30 MINUTE)::VARCHAR";
    // DuckDB's own clock dates the line.
    fs::create_dir_all(device.path("logs")).unwrap();
    let file = device.path("logs/a.log");
    let said = Command::new(duckdb::program())
        .args(["-batch", "-csv", "-noheader", "-c"])
        .arg(format!("SET TimeZone='UTC'; COPY (SELECT replace({minutes_ago}, ' ', 'T') || ' h app: x') TO '{}' (HEADER false)", file.display()))
        .status();
    assert!(said.unwrap().success());
    for (start, end, expected) in [
        ("-1h", "", 1),
        ("-5m", "", 0),
        ("", "-10m", 1),
        ("", "1h", 0),
        ("-1h30m", "-90s", 1),
        ("-1w", "-1d", 0),
    ] {
        let device = Device { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
            .with("OVER", &file.display().to_string())
            .with("START_TIME", start)
            .with("END_TIME", end);
        for name in ["answer", "work"] {
            fs::create_dir(device.path(name)).unwrap();
        }
        assert_eq!(device.column("SELECT count(*) FROM logs"), [json!(expected)], "{start} {end}");
    }
}

#[test]
fn what_is_no_log_takes_nothing_else_with_it() {
    let device = Device::new();
    device.log("good.log", "Nov 15 10:00:01 h a: good\n");
    device.log("nul.log", b"a\0b\0c\nfine\n\xff\xfe not text\n");
    device.log(
        "noise.log",
        (0..100_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect::<Vec<_>>(),
    );
    device.log("long.log", [vec![b'x'; 3_000_000], b"\nafter it\n".to_vec()].concat());
    device.log("damaged.gz", b"not gzip at all");
    device.log("cut.gz", &gzip(&"Nov 15 10:00:01 h a: cut\n".repeat(10_000))[..100]);
    device.log("empty.log", "");
    device.log("wtmp", "binary by its name");
    device.log("it's.log", "Nov 15 10:00:01 h a: quoted name\n");
    fs::create_dir(device.path("logs/empty")).unwrap();
    std::os::unix::fs::symlink("nowhere", device.path("logs/dangling.log")).unwrap();
    assert!(Command::new("mkfifo").arg(device.path("logs/pipe.log")).status().unwrap().success());
    let query = "SELECT message FROM logs WHERE file IN ('/good.log', '/nul.log', '/long.log', '/it''s.log', '/wtmp') ORDER BY 1";
    assert_eq!(device.column(query), [json!("after it"), json!("fine"), json!("good"), json!("quoted name")]);
}

#[test]
fn files_that_cannot_be_opened_are_named_and_left_out() {
    let device = Device::new();
    device.log("open.log", "Nov 15 10:00:01 h a: open\n");
    device.log("damaged.gz", "not gzip");
    device.log("closed.log", "Nov 15 10:00:01 h a: closed\n");
    fs::set_permissions(device.path("logs/closed.log"), fs::Permissions::from_mode(0o000)).unwrap();
    let said = device.run("SELECT message FROM logs");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stderr.contains("damaged.gz"), "{said:?}");
    // Nothing is closed to root.
    let is_root = fs::read(device.path("logs/closed.log")).is_ok();
    assert_eq!(said.stderr.contains("closed.log"), !is_root, "{said:?}");
    assert_eq!(device.rows("answer.jsonl").len(), if is_root { 2 } else { 1 });
}

/// The question waits at a gate, a pipe, until the file is gone. The second attempt finds the gate open.
#[test]
fn a_file_that_is_rotated_away_in_between_is_not_missed() {
    let device = Device::new();
    device.log("a.log", "Nov 15 10:00:01 h a: stays\n");
    device.log("b.log", "Nov 15 10:00:01 h a: goes\n");
    let (gate, log) = (device.path("gate"), device.path("logs/b.log"));
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let query = format!(
        "WITH gate AS MATERIALIZED (SELECT count(*) FROM read_csv('{}', columns = {{'n': 'INTEGER'}}, auto_detect = false, \
         delim = ',', header = false, parallel = false)) SELECT message FROM gate, logs",
        gate.display()
    );
    let keeper = std::thread::spawn(move || {
        let mut waiting = fs::File::options().write(true).open(&gate).unwrap();
        fs::remove_file(&log).unwrap();
        fs::remove_file(&gate).unwrap();
        fs::write(&gate, "1\n").unwrap();
        waiting.write_all(b"1\n").unwrap();
    });
    let said = device.run(&query);
    keeper.join().unwrap();
    assert!(said.stderr.contains("b.log"), "the first attempt fails: {said:?}");
    assert_eq!((said.code, device.rows("answer.jsonl")), (Some(0), vec![json!({"message": "stays"})]));
}

#[test]
fn no_files_are_no_rows_with_all_columns() {
    let device = Device::new().with("OVER", "/nothing/here/**\n/nor/here/*.log");
    assert!(device.ask("SELECT time, unit FROM logs").is_empty());
    let expected = [
        json!({"name": "time", "type": "TIMESTAMP WITH TIME ZONE"}),
        json!({"name": "unit", "type": "VARCHAR"}),
    ];
    assert_eq!(device.rows("columns.jsonl"), expected);
}

#[test]
fn a_mistake_is_told_and_leaves_no_answer() {
    for (query, part) in [
        ("SELEC 1", "Parser Error: syntax error"),
        ("SELECT nope FROM logs", "Referenced column \"nope\" not found"),
        ("SELECT 1; SELECT 2", "single SELECT"),
        ("SELECT message::INTEGER FROM logs", "Conversion Error"),
        ("", "Error"),
    ] {
        let device = Device::new();
        device.log("a.log", "some text\n");
        let said = device.run(query);
        assert_eq!(said.code, Some(1), "{query}: {said:?}");
        assert!(said.stderr.contains(part), "{query}: {said:?}");
        assert!(!device.path("answer/answer.jsonl").exists());
    }
    let said = Device::new().with("START_TIME", "yesterday").run("SELECT 1");
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("START_TIME is yesterday: expected a time such as"), "{said:?}");
}

#[test]
fn without_a_folder_for_the_answer_it_is_printed() {
    let device = Device::new().with("ANSWER", "");
    device.log("a.log", "Nov 15 10:00:01 h a: one\n");
    device.log("damaged.gz", "not gzip");
    let said = device.run("SELECT unit, count(*) AS lines FROM logs GROUP BY 1 -- with a comment\n;");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("| a    | 1     |"), "{said:?}");
    assert_eq!(device.run("SELECT error('late') FROM logs").code, Some(1));
}

#[test]
fn the_question_of_the_documentation_works() {
    let device = Device::new();
    device.log(
        "access.log",
        "9.9.9.9 - - [21/Nov/2026:10:00:10 +0000] \"GET /a?b=1 HTTP/1.1\" 200 5\n\
         9.9.9.8 - - [21/Nov/2026:10:00:11 +0000] \"POST /c HTTP/1.1\" 503 - \"-\" \"curl\"\n",
    );
    assert_eq!(device.column("SELECT status FROM logs WHERE status LIKE '5__'"), [json!("503")]);
    let rows = device.ask("SELECT client, method, path, bytes FROM logs ORDER BY time");
    assert_eq!(rows[0], json!({"client": "9.9.9.9", "method": "GET", "path": "/a?b=1", "bytes": 5}));
    assert_eq!(rows[1], json!({"client": "9.9.9.8", "method": "POST", "path": "/c", "bytes": null}));
}
