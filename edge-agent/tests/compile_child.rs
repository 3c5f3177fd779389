//! Compiling in a process of its own. The program is its own child, as the agent and the control plane are.

use std::process::ExitCode;

use bacalhau_agent::executor::wasm::{
    ChildCompiler, ChildError, CompileLimits, compile, compile_child, host_profile,
};
use bacalhau_protocol::engine_profile::EngineProfile;

const CHILD: &str = "compile-child";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(CHILD) {
        return compile_child();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        the_child_compiles_like_the_library().await;
        an_invalid_module_is_refused_with_the_reason().await;
        a_child_without_memory_is_told_apart().await;
        an_artifact_above_the_limit_is_refused().await;
        patience_ends().await;
        a_missing_program_is_named().await;
    });
    println!("compile_child: 6 checks passed");
    ExitCode::SUCCESS
}

fn compiler(limits: CompileLimits) -> ChildCompiler {
    let program = std::env::current_exe().expect("the path of this program");
    ChildCompiler { program, arguments: vec![CHILD.to_owned()], limits }
}

fn profile() -> EngineProfile {
    host_profile().expect("a machine that runs WASM")
}

fn module() -> Vec<u8> {
    wat::parse_str(r#"(module (func (export "_start")))"#).expect("valid text")
}

async fn the_child_compiles_like_the_library() {
    let artifact =
        compiler(CompileLimits::default()).compile(&profile(), &module()).await.expect("an artifact");
    assert_eq!(artifact, compile(&profile(), &module()).expect("an artifact"));
}

async fn an_invalid_module_is_refused_with_the_reason() {
    let compiler = compiler(CompileLimits::default());
    for (module, words) in
        [(&b"text"[..], "not a WebAssembly module"), (b"\0asm\x01\0\0\0\x01", "unexpected end")]
    {
        match compiler.compile(&profile(), module).await {
            Err(ChildError::Refused(reason)) => assert!(reason.contains(words), "{reason}"),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
}

async fn a_child_without_memory_is_told_apart() {
    // Less than the program itself has mapped, so that the next allocation fails.
    let limits = CompileLimits { memory_bytes: 1 << 20, ..CompileLimits::default() };
    let failed = compiler(limits).compile(&profile(), &module()).await;
    assert!(matches!(failed, Err(ChildError::Exhausted { memory_bytes: 0x10_0000, .. })), "{failed:?}");
}

async fn an_artifact_above_the_limit_is_refused() {
    let limits = CompileLimits { artifact_bytes: 100, ..CompileLimits::default() };
    let failed = compiler(limits).compile(&profile(), &module()).await;
    assert!(matches!(failed, Err(ChildError::TooLarge(100))), "{failed:?}");
}

async fn patience_ends() {
    let limits = CompileLimits { wall_seconds: 0, ..CompileLimits::default() };
    let failed = compiler(limits).compile(&profile(), &module()).await;
    assert!(matches!(failed, Err(ChildError::TimedOut(0))), "{failed:?}");
}

async fn a_missing_program_is_named() {
    let compiler =
        ChildCompiler { program: "/nonexistent/compiler".into(), ..compiler(CompileLimits::default()) };
    let failed = compiler.compile(&profile(), &module()).await;
    assert!(matches!(failed, Err(ChildError::Io(_))), "{failed:?}");
}
