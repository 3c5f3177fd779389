//! What a guest sees and what it leaves.

use std::fs;

use super::*;
use crate::executor::HostPath;
use fixtures::{cat, command, create, exits, hello};

#[tokio::test]
async fn output_goes_to_the_results_directory() {
    let node = Node::new();
    let ended = node.run(&node.task(&hello("hello"))).await;
    assert_eq!(
        (ended.outcome, ended.stdout.as_str(), ended.stderr.as_str()),
        (Outcome::Exited(0), "hello", "")
    );
}

#[tokio::test]
async fn the_exit_code_is_the_guests() {
    let node = Node::new();
    assert_eq!(node.run(&node.task(&exits(7))).await.outcome, Outcome::Exited(7));
    assert_eq!(node.run(&node.task(&exits(0))).await.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn arguments_follow_an_empty_program_name() {
    let node = Node::new();
    let body = "(drop (call $args_sizes (i32.const 20) (i32.const 24)))
         (drop (call $args_get (i32.const 100) (i32.const 1000)))
         (call $print (i32.const 1000) (i32.load (i32.const 24)))";
    let mut task = node.task(&command("", body));
    task.params = r#"{"EntryModule": "main", "Parameters": ["--level", "x y"]}"#.to_owned();
    assert_eq!(node.run(&task).await.stdout, "\0--level\0x y\0");
}

#[tokio::test]
async fn the_environment_is_the_tasks_and_nothing_of_the_node() {
    let node = Node::new();
    let body = "(drop (call $environ_sizes (i32.const 20) (i32.const 24)))
         (drop (call $environ_get (i32.const 100) (i32.const 1000)))
         (call $print (i32.const 1000) (i32.load (i32.const 24)))";
    let mut task = node.task(&command("", body));
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    task.environment = [set("B", "2"), set("A", "1=1")].into();
    assert_eq!(node.run(&task).await.stdout, "A=1=1\0B=2\0");
}

#[tokio::test]
async fn randomness_differs_between_runs() {
    let node = Node::new();
    // Shown as letters, so that the output is text.
    let body = "(local $i i32)
         (drop (call $random_get (i32.const 100) (i32.const 16)))
         (loop $next
           (i32.store8 (i32.add (i32.const 100) (local.get $i))
             (i32.add (i32.const 65)
               (i32.and (i32.const 15) (i32.load8_u (i32.add (i32.const 100) (local.get $i))))))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $next (i32.lt_u (local.get $i) (i32.const 16))))
         (call $print (i32.const 100) (i32.const 16))";
    let task = node.task(&command("", body));
    node.run(&task).await;
    let both = node.run(&task).await.stdout;
    assert_eq!(both.len(), 32);
    assert_ne!(both[..16], both[16..]);
}

#[tokio::test]
async fn a_read_only_directory_is_read_and_not_written() {
    let node = Node::new();
    fs::create_dir(node.path("logs")).unwrap();
    fs::write(node.path("logs/syslog"), "line").unwrap();
    let input = mount(node.path("logs"), "/var/log", Access::ReadOnly);

    let mut reader = node.task(&cat(3, "syslog"));
    reader.inputs.push(input.clone());
    assert_eq!(node.run(&reader).await.stdout, "line");

    for name in ["new", "syslog"] {
        let mut writer = node.task(&create(3, name, "x"));
        writer.inputs.push(input.clone());
        assert!(matches!(node.run(&writer).await.outcome, Outcome::Exited(error) if error != 0), "{name}");
    }
    assert!(!node.path("logs/new").exists());
    assert_eq!(fs::read_to_string(node.path("logs/syslog")).unwrap(), "line");
}

#[tokio::test]
async fn a_writable_directory_is_written() {
    let node = Node::new();
    fs::create_dir(node.path("data")).unwrap();
    let mut task = node.task(&create(3, "new", "text"));
    task.inputs.push(mount(node.path("data"), "/data", Access::ReadWrite));
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(0));
    assert_eq!(fs::read_to_string(node.path("data/new")).unwrap(), "text");
}

#[tokio::test]
async fn outputs_are_mounted_at_their_path() {
    let node = Node::new();
    fs::create_dir(node.path("results/answers")).unwrap();
    let names = "(call $print (i32.const 2000) (i32.const 8))";
    let body = format!(
        "(drop (call $prestat_name (i32.const 3) (i32.const 2000) (i32.const 8))) {names}
         (call $write (call $open (i32.const 3) (i32.const 100) (i32.const 1) (i32.const 1) (i64.const 64))
           (i32.const 100) (i32.const 1))"
    );
    let wat = command(r#"(data (i32.const 100) "a")"#, &body).replacen(
        "(module",
        r#"(module (import "wasi_snapshot_preview1" "fd_prestat_dir_name"
             (func $prestat_name (param i32 i32 i32) (result i32)))"#,
        1,
    );
    let mut task = node.task(&wat);
    task.outputs.push(mount(node.path("results/answers"), "/outputs", Access::ReadWrite));
    assert_eq!(node.run(&task).await.stdout, "/outputs");
    assert_eq!(fs::read_to_string(node.path("results/answers/a")).unwrap(), "a");
}

#[tokio::test]
async fn what_was_checked_is_what_the_guest_sees() {
    let node = Node::new();
    let (checked, secret) = (node.path("checked"), node.path("secret"));
    for (path, text) in [(&checked, "granted"), (&secret, "secret")] {
        fs::create_dir(path).unwrap();
        fs::write(path.join("f"), text).unwrap();
    }
    let directory = HostPath::pin(checked.canonicalize().unwrap()).unwrap();
    let file = HostPath::pin(checked.join("f").canonicalize().unwrap()).unwrap();
    fs::rename(&checked, node.path("away")).unwrap();
    std::os::unix::fs::symlink(&secret, &checked).unwrap();
    for (host, guest) in [(directory, "/in"), (file, "/in/f")] {
        let reading = Node::new();
        let mut reader = reading.task(&cat(3, "f"));
        reader.inputs.push(Mount { host, ..mount(secret.clone(), guest, Access::ReadOnly) });
        assert_eq!(reading.run(&reader).await.stdout, "granted", "{guest}");
    }
}

#[tokio::test]
async fn a_single_file_is_visible_at_its_path_without_its_neighbours() {
    let node = Node::new();
    fs::write(node.path("in/query.sql"), "select 1").unwrap();
    fs::write(node.path("in/secret"), "s").unwrap();
    let input = mount(node.path("in/query.sql"), "/conf/q.sql", Access::ReadOnly);

    let mut reader = node.task(&cat(3, "q.sql"));
    reader.inputs.push(input.clone());
    assert_eq!(node.run(&reader).await.stdout, "select 1");

    for neighbour in ["secret", "../in/secret", "query.sql"] {
        let mut spy = node.task(&cat(3, neighbour));
        spy.inputs.push(input.clone());
        assert!(matches!(node.run(&spy).await.outcome, Outcome::Exited(error) if error != 0), "{neighbour}");
    }
}

#[tokio::test]
async fn a_writable_file_changes_on_the_node() {
    let node = Node::new();
    fs::write(node.path("in/state"), "old").unwrap();
    let mut task = node.task(&create(3, "state", "new"));
    task.inputs.push(mount(node.path("in/state"), "/state", Access::ReadWrite));
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(0));
    assert_eq!(fs::read_to_string(node.path("in/state")).unwrap(), "new");
    // Again, over what the first run left in the scratch directory.
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn a_file_at_the_root_does_not_show_the_others() {
    let node = Node::new();
    for name in ["a", "b"] {
        fs::write(node.path(name), name).unwrap();
    }
    let inputs =
        [mount(node.path("a"), "/a", Access::ReadOnly), mount(node.path("b"), "/deep/b", Access::ReadOnly)];
    for (path, expected) in
        [("a", Outcome::Exited(0)), ("deep/b", Outcome::Exited(NOENT)), ("0/a", Outcome::Exited(NOENT))]
    {
        let mut task = node.task(&cat(3, path));
        task.inputs.extend(inputs.clone());
        assert_eq!(node.run(&task).await.outcome, expected, "{path}");
    }
}

const NOENT: i32 = 44;

#[tokio::test]
async fn links_and_dots_do_not_lead_out_of_a_mount() {
    let node = Node::new();
    fs::create_dir(node.path("logs")).unwrap();
    fs::write(node.path("secret"), "s").unwrap();
    std::os::unix::fs::symlink(node.path("secret"), node.path("logs/link")).unwrap();
    std::os::unix::fs::symlink("../secret", node.path("logs/relative")).unwrap();
    for path in ["link", "relative", "../secret", "/etc/hostname"] {
        let mut task = node.task(&cat(3, path));
        task.inputs.push(mount(node.path("logs"), "/logs", Access::ReadOnly));
        let ended = node.run(&task).await;
        assert!(matches!(ended.outcome, Outcome::Exited(error) if error != 0), "{path}: {ended:?}");
    }
}

#[tokio::test]
async fn two_mounts_at_one_path_are_refused() {
    let node = Node::new();
    let mut task = node.task(&hello("x"));
    for _ in 0..2 {
        task.inputs.push(mount(node.path("in"), "/data", Access::ReadOnly));
    }
    assert!(node.refusal(&task).await.contains("already there"));
    task.inputs.pop();
    fs::write(node.path("file"), "").unwrap();
    for access in [Access::ReadOnly, Access::ReadWrite] {
        task.inputs.push(mount(node.path("file"), &format!("/d/{access:?}"), access));
    }
    assert!(node.refusal(&task).await.contains("share a directory"));
    task.inputs.pop();
    task.inputs.push(mount(node.path("nowhere"), "/other", Access::ReadOnly));
    assert!(node.refusal(&task).await.contains("nowhere"));
}

#[tokio::test]
async fn output_beyond_the_limit_is_cut_and_the_guest_goes_on() {
    let node = Node::new();
    let body = "(call $print (i32.const 100) (i32.const 5)) (call $print (i32.const 100) (i32.const 5))
         (call $exit (i32.const 3))";
    let mut task = node.task(&command(r#"(data (i32.const 100) "12345")"#, body));
    task.kept = Kept::First(7);
    let mut running = node.start(&task).await.unwrap();
    let progress = running.output();
    let ended = node.ended(running.wait().await);
    assert_eq!((ended.outcome, ended.stdout.as_str()), (Outcome::Exited(3), "1234512"));
    assert!(progress.borrow().stdout_truncated);
}

#[tokio::test]
async fn a_success_whose_output_the_disk_refused_is_none() {
    let node = Node::new();
    fs::create_dir(node.path("results/stdout")).unwrap();
    let outcome = node.start(&node.task(&hello("answer"))).await.unwrap().wait().await;
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.message.starts_with("the task's output cannot be written on this node: "), "{failure:?}");
}
