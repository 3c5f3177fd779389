//! The `bacalhau` program.

mod allocator;

use std::process::ExitCode;

use bacalhau_agent::executor::wasm::compile_child;
use bacalhau_agent::{COMPILE_ARGUMENT, own_program};
use bacalhau_cli::app;

fn main() -> ExitCode {
    // The compiler limits its own process before it looks at a module, so there must be no other threads yet.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == COMPILE_ARGUMENT) {
        return compile_child();
    }
    if let Some(code) = own_program::in_container(std::env::args_os()) {
        return code;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Arguments and variables that are no text can name nothing this program knows.
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    runtime.block_on(app::run(arguments, environment))
}
