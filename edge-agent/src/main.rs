//! `bacalhau-agent`: reads its configuration, runs one agent, drains it.

mod arguments;
mod logging;
mod service_manager;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bacalhau_agent::config::{Config, Mistakes};
use bacalhau_agent::executor::wasm::{ChildCompiler, CompileLimits, LocalCompiler};
use bacalhau_agent::{Agent, COMPILE_ARGUMENT, own_program, program_text};
use clap::Parser;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use arguments::Arguments;

/// Exit status for a configuration that cannot be used, as for wrong arguments.
const USAGE: u8 = 2;
/// Threads for files and name look-ups; none while the agent is idle.
const MAX_BLOCKING_THREADS: usize = 8;
/// How long such a thread waits for more work.
const BLOCKING_THREAD_KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Stack of such a thread, bytes: enough for the C library's name look-ups.
const BLOCKING_THREAD_STACK: usize = 512 * 1024;

/// How long work nobody waits for may hold up the end: a thread may hang on a network file system that is gone.
const LAST_WORK_PATIENCE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    #[cfg(feature = "compiler")]
    if std::env::args_os().nth(1).is_some_and(|argument| argument == COMPILE_ARGUMENT) {
        return bacalhau_agent::executor::wasm::compile_child();
    }
    if let Some(code) = own_program::in_container(std::env::args_os()) {
        return code;
    }
    let arguments = Arguments::parse();
    let config = match arguments.config() {
        Ok((mut config, warnings)) => {
            logging::start(&config.logging);
            config.compiler = compiler();
            config.runs_in_containers = true;
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            config
        }
        Err(mistakes) => {
            eprintln!("Error: {mistakes}");
            return ExitCode::from(USAGE);
        }
    };
    match run(config, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Modules are compiled by this program in a process of its own, if it was built with a compiler.
fn compiler() -> LocalCompiler {
    match std::env::current_exe() {
        Ok(program) if cfg!(feature = "compiler") => LocalCompiler::Child(ChildCompiler {
            program,
            arguments: vec![COMPILE_ARGUMENT.to_owned()],
            limits: CompileLimits::default(),
        }),
        _ => LocalCompiler::None,
    }
}

/// One thread is enough for an agent, and costs the least memory and wake-ups.
fn run(config: Config, arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_THREAD_KEEP_ALIVE)
        .thread_stack_size(BLOCKING_THREAD_STACK)
        // Whatever needed files has been over for a while.
        .on_thread_stop(program_text::give_back)
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(serve(config, arguments));
    runtime.shutdown_timeout(LAST_WORK_PATIENCE);
    served
}

/// Runs until SIGTERM or SIGINT; SIGHUP reads the configuration again.
async fn serve(config: Config, arguments: &Arguments) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let agent = Agent::start(config).await?;
    service_manager::notify("READY=1");
    let mut watchdog = service_manager::Watchdog::from_environment();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reload(&agent, arguments.config()).await,
            () = watchdog.due() => service_manager::notify("WATCHDOG=1"),
        }
    }
    service_manager::notify("STOPPING=1");
    agent.shutdown().await;
    Ok(())
}

async fn reload(agent: &Agent, read: Result<(Config, Vec<String>), Mistakes>) {
    match read {
        Ok((config, warnings)) => {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            agent.reload(&config).await;
        }
        Err(mistakes) => tracing::error!(%mistakes, "configuration is not reloaded"),
    }
}
