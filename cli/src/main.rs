//! The `bacalhau` program.

use std::process::ExitCode;

fn main() -> ExitCode {
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
    runtime.block_on(bacalhau_cli::app::run(arguments, environment))
}
