//! How far a transfer has come: one line on a terminal's stderr, gone when the transfer is over.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use super::status_line::is_watched;

/// The line. Clones are the same line.
#[derive(Clone, Debug)]
pub struct Meter(ProgressBar);

const WITH_TOTAL: &str =
    " {decimal_bytes} of {decimal_total_bytes} [{bar:30}] {decimal_bytes_per_sec}, {eta} left";
const WITHOUT_TOTAL: &str = " {decimal_bytes}, {decimal_bytes_per_sec}";
/// How often a line is written again when nothing arrives, so that its rate is true.
const TICK: Duration = Duration::from_millis(500);

impl Meter {
    /// A line about so many bytes, where a person looks on. It has no colours.
    pub fn new(total: Option<u64>) -> Self {
        if !is_watched() {
            return Self::silent();
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr())
            .with_style(style(total.is_some()))
            .with_finish(ProgressFinish::AndClear);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// No line.
    pub fn silent() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So many bytes have arrived.
    pub fn arrived(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// So many bytes are here already and will not be fetched.
    pub fn kept(&self, bytes: u64) {
        if let Some(total) = self.0.length() {
            self.0.set_length(total.saturating_sub(bytes));
        }
    }

    /// So many bytes are fetched once more.
    pub fn again(&self, bytes: u64) {
        if let Some(total) = self.0.length() {
            self.0.set_length(total.saturating_add(bytes));
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

fn style(with_total: bool) -> ProgressStyle {
    let template = if with_total { WITH_TOTAL } else { WITHOUT_TOTAL };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_understood_by_the_library() {
        for template in [WITH_TOTAL, WITHOUT_TOTAL] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
