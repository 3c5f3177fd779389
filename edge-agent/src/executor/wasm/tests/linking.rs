//! Modules that import modules.

use super::*;
use fixtures::{assemble, hello};

const ANSWER: &str = r#"(module (func (export "answer") (result i32) (i32.const 42)))"#;

fn exits_with(module: &str) -> String {
    format!(
        r#"(module
          (import "{module}" "answer" (func $answer (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (func (export "_start") (call $exit (call $answer))))"#
    )
}

#[tokio::test]
async fn an_import_is_found_by_alias() {
    let node = Node::new();
    let mut task = node.task(&exits_with("lib"));
    task.inputs.push(node.module("lib", &assemble(ANSWER)));
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(42));
}

#[tokio::test]
async fn an_import_is_found_by_path() {
    let node = Node::new();
    let mut task = node.task(&exits_with("/wasm/lib.wasm"));
    task.inputs.push(node.module("lib", &assemble(ANSWER)));
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(42));
}

#[tokio::test]
async fn a_module_under_two_names_is_one_instance() {
    let node = Node::new();
    let counter = r#"(module (global $n (mut i32) (i32.const 0))
        (func (export "answer") (result i32)
          (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"#;
    let main = r#"(module
        (import "lib" "answer" (func $one (result i32)))
        (import "/wasm/lib.wasm" "answer" (func $two (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (drop (call $one)) (call $exit (call $two))))"#;
    let mut task = node.task(main);
    task.inputs.push(node.module("lib", &assemble(counter)));
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(2));
}

#[tokio::test]
async fn imports_of_imports_come_first_and_are_set_up() {
    let node = Node::new();
    let middle = r#"(module
        (import "base" "answer" (func $answer (result i32)))
        (global $kept (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $kept (call $answer)))
        (func (export "answer") (result i32) (global.get $kept)))"#;
    let mut task = node.task(&exits_with("middle"));
    task.inputs.push(node.module("middle", &assemble(middle)));
    task.inputs.push(node.module("base", &assemble(ANSWER)));
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(42));
}

#[tokio::test]
async fn listed_modules_are_loaded_even_if_nobody_imports_them() {
    let node = Node::new();
    let mut task = node.task(&hello("x"));
    task.params = r#"{"EntryModule": "main", "ImportModules": ["/wasm/lib.wasm"]}"#.to_owned();
    assert!(node.refusal(&task).await.contains("/wasm/lib.wasm"));
    task.inputs.push(node.module("lib", &assemble(ANSWER)));
    assert_eq!(node.run(&task).await.stdout, "x");
}

#[tokio::test]
async fn a_missing_import_names_the_module_and_who_wants_it() {
    let node = Node::new();
    let refusal = node.refusal(&node.task(&exits_with("wasi:http/requests"))).await;
    assert!(refusal.contains("\"wasi:http/requests\"") && refusal.contains("/wasm/main.wasm"), "{refusal}");
}

#[tokio::test]
async fn a_missing_function_names_the_function() {
    let node = Node::new();
    let mut task = node.task(&exits_with("lib"));
    task.inputs.push(node.module("lib", &assemble("(module)")));
    match node.run(&task).await.outcome {
        Outcome::Failed(failure) => assert!(failure.message.contains("lib::answer"), "{}", failure.message),
        other => panic!("expected a failure, got {other:?}"),
    }
}

#[tokio::test]
async fn modules_that_import_each_other_are_refused() {
    let node = Node::new();
    let mut task = node.task(&exits_with("lib"));
    let circular =
        r#"(module (import "main" "x" (func)) (func (export "answer") (result i32) (i32.const 1)))"#;
    task.inputs.push(node.module("lib", &assemble(circular)));
    assert!(node.refusal(&task).await.contains("imports itself"));
}

#[tokio::test]
async fn an_entry_point_with_parameters_is_refused() {
    let node = Node::new();
    let mut task = node.task(r#"(module (func (export "run") (param i32)) (func (export "ready")))"#);
    task.params = r#"{"EntryModule": "main", "Entrypoint": "run"}"#.to_owned();
    assert!(node.refusal(&task).await.contains("takes parameters"));
    task.params = r#"{"EntryModule": "main", "Entrypoint": "ready"}"#.to_owned();
    assert_eq!(node.run(&task).await.outcome, Outcome::Exited(0));
}
