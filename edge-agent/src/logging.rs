//! The log, on stderr.

use std::io::{self, IsTerminal};

use bacalhau_agent::config::Logging;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

/// Starts the log of this process. The journal of systemd stamps its lines itself.
pub(crate) fn start(logging: &Logging) {
    let filter: Targets =
        logging.level.parse().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if logging.json {
        lines.json().boxed()
    } else if std::env::var_os("JOURNAL_STREAM").is_some() {
        lines.without_time().boxed()
    } else {
        lines.boxed()
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
}
