//! The scan over real folders: plain, compressed, binary, damaged, hidden away.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its files has to fail")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use host_logs::{Options, Report, Timestamp, scan};

fn write(folder: &Path, name: &str, content: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("every test file has a parent")).unwrap();
    fs::write(&path, content).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(modified()).unwrap();
}

/// 2026-11-21T10:00:00Z.
fn modified() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_255_200)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn scan_with(folder: &Path, arguments: &[&str]) -> Report {
    let mut words: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    words.push(folder.display().to_string());
    scan(&Options::parse(&words, Timestamp::from(modified())).unwrap()).unwrap()
}

#[test]
fn plain_and_compressed_files_are_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "syslog", b"Nov 21 09:00:00 h sshd[1]: session 7 opened\n");
    write(folder.path(), "syslog.2.gz", &gzip("Nov 20 09:00:00 h sshd[1]: session 6 opened\n"));
    write(folder.path(), "deep/er/app.log", b"2026-11-21 08:00:00 ERROR query took 1.5s\n");
    let report = scan_with(folder.path(), &[]);
    assert_eq!((report.files.read, report.files.gzip, report.lines), (3, 1, 3));
    assert_eq!((report.frequent[0].lines, report.frequent[0].line.as_str()), (2, "sshd: session # opened"));
    assert_eq!((report.slowest[0].ms, report.slowest[0].unit.as_str()), (1_500.0, "deep/er/app"));
    assert_eq!(report.first.unwrap().to_string(), "2026-11-20T09:00:00.000Z");
    assert_eq!(report.last.unwrap().to_string(), "2026-11-21T09:00:00.000Z");
}

#[test]
fn what_is_no_text_is_counted_as_skipped() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "journal", b"LPKSHHRH\0\0\0\0");
    write(folder.path(), "empty", b"");
    std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
    let report = scan_with(folder.path(), &[]);
    assert_eq!((report.files.read, report.lines), (1, 0));
    assert_eq!(report.files.skipped, [("binary", 1), ("link", 1)].into());
}

#[test]
fn of_a_damaged_archive_the_readable_part_counts() {
    let folder = tempfile::tempdir().unwrap();
    let whole = gzip(&(0..50_000).map(|n| format!("line {n} {}\n", n * 7_919)).collect::<String>());
    write(folder.path(), "cut.gz", &whole[..whole.len() / 2]);
    let report = scan_with(folder.path(), &[]);
    assert_eq!((report.files.read, report.files.damaged), (1, 1));
    assert!(report.lines > 10_000 && report.lines < 50_000, "{}", report.lines);
}

#[test]
fn files_last_written_before_since_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "old.log", b"whatever\n");
    let report = scan_with(folder.path(), &["--since", "2026-11-22"]);
    assert_eq!(report.files.skipped, [("older", 1)].into());
}

#[test]
fn a_single_file_can_be_scanned_too() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "dpkg.log", b"2026-11-21 08:00:00 status installed a\n");
    assert_eq!(scan_with(&folder.path().join("dpkg.log"), &[]).units[0].unit, "dpkg");
}

#[test]
fn a_missing_root_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nothing").display().to_string();
    let options = Options::parse(&[missing], Timestamp::from(modified())).unwrap();
    let message = scan(&options).unwrap_err().to_string();
    assert!(message.contains("nothing: ") && message.contains("mount the log folder"), "{message}");
}
