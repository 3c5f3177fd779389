//! What a server tells about itself while it runs, on stderr.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::Settings;
use crate::output;

/// Starts to write log lines. Only once per process.
pub(crate) fn start(settings: &Settings) {
    let filter = EnvFilter::new(directives(&settings.text("Logging.Level")));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if matches!(settings.text("Logging.Mode").as_str(), "json" | "event") {
        builder.json().try_init()
    } else {
        builder.with_ansi(output::stderr_has_colour()).try_init()
    };
    // A program that embeds this one may write logs of its own.
    drop(started);
}

/// Go's levels in the words of `tracing`.
fn directives(level: &str) -> &str {
    match level {
        "fatal" | "panic" => "error",
        other => other,
    }
}
