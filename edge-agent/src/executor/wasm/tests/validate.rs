//! What is told of a module that is not run.

use super::super::validate::{Found, problems};
use super::fixtures::{assemble, hello};

fn said(wat: &str, entrypoint: &str, library: Option<&str>) -> Vec<String> {
    let library = library.map(assemble);
    let find = |name: &str| match (&library, name) {
        (Some(wasm), "lib") => Found::Module(wasm),
        (_, "later") => Found::Elsewhere,
        _ => Found::Nowhere,
    };
    problems("main.wasm", &assemble(wat), entrypoint, find).unwrap()
}

#[test]
fn a_program_for_wasi_is_valid() {
    assert_eq!(said(&hello("x"), "_start", None), Vec::<String>::new());
}

#[test]
fn everything_that_is_wrong_is_told() {
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "fork" (func))
        (import "wasi_snapshot_preview1" "proc_exit" (func (param i64)))
        (import "env" "a" (func)) (import "env" "b" (func)) (import "later" "c" (func))
        (func (export "run") (param i32)))"#;
    assert_eq!(
        said(wat, "_start", None),
        [
            "module \"main.wasm\" has no function \"_start\"; it exports run",
            "no export found for 'wasi_snapshot_preview1::fork' required by main.wasm",
            "'wasi_snapshot_preview1::proc_exit' required by main.wasm is wanted as (i64) -> (), but it is (i32) -> ()",
            "module \"env\", needed by main.wasm, does not come along",
        ]
    );
    assert!(said(wat, "run", None)[0].contains("takes parameters"));
}

#[test]
fn modules_that_come_along_are_looked_at_too() {
    let wat = r#"(module (import "lib" "answer" (func (result i32))) (func (export "_start")))"#;
    let with = |library| said(wat, "_start", Some(library));
    assert!(with(r#"(module (func (export "answer") (result i32) (i32.const 1)))"#).is_empty());
    assert_eq!(with("(module)"), ["no export found for 'lib::answer' required by main.wasm"]);
    assert!(with(r#"(module (memory (export "answer") 1))"#)[0].contains("something else"));
    let needy = r#"(module (import "x" "y" (func)) (func (export "answer") (result i32) (i32.const 1)))"#;
    assert_eq!(with(needy), ["module \"x\", needed by lib, does not come along"]);
}

#[test]
fn what_is_no_module_is_told() {
    let problems = |wasm: &[u8]| problems("m", wasm, "_start", |_| Found::Nowhere).unwrap().remove(0);
    assert!(problems(b"#!/bin/sh").contains("begins with"));
    assert!(problems(b"\0asm\x01\0\0\0\xff").contains("module \"m\""));
}
