//! Steps of a command, each with how it ended and how long it took, on stderr.

use std::future::Future;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::status_line::is_watched;

/// Tells of steps as they are taken.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    is_quiet: bool,
}

/// Names stand right-aligned in a column of so many characters.
const NAME_WIDTH: usize = 21;
const DOTS: &str = "................";
/// How often a dot is added.
const TICK: Duration = Duration::from_millis(100);

impl Steps {
    /// Begins with a heading. The quiet ones say nothing at all.
    pub fn begin(heading: &str, is_quiet: bool) -> Self {
        if !is_quiet {
            super::note(&format!("{heading}\n"));
        }
        Self { is_quiet }
    }

    /// Takes a step and tells of it.
    pub async fn step<T>(
        &self,
        name: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        if self.is_quiet {
            return work.await;
        }
        let bar = animation(name);
        let done = work.await;
        let took = bar.elapsed();
        bar.finish_and_clear();
        super::note(&line(name, done.is_ok(), took));
        done
    }

    /// Leaves room between the steps and what follows.
    pub fn end(&self) {
        if !self.is_quiet {
            super::note("");
        }
    }
}

fn line(name: &str, is_done: bool, took: Duration) -> String {
    let end = if is_done { "done ✅" } else { "err  ❌" };
    format!("\t{name:>NAME_WIDTH$}  {DOTS}  {end}  {:.1}s", took.as_secs_f32())
}

/// The dots grow while the step is taken, where somebody looks on.
fn animation(name: &str) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let dots: Vec<&str> = (0..=DOTS.len()).map(|length| &DOTS[..length]).collect();
    let style = ProgressStyle::with_template("\t{prefix}  {spinner}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_strings(&dots);
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
    bar.set_prefix(format!("{name:>NAME_WIDTH$}"));
    bar.enable_steady_tick(TICK);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_line_up_and_the_end_is_seen() {
        let took = Duration::from_millis(140);
        assert_eq!(
            line("Connecting to network", true, took),
            "\tConnecting to network  ................  done ✅  0.1s"
        );
        assert_eq!(
            line("Stopping job", false, took),
            "\t         Stopping job  ................  err  ❌  0.1s"
        );
    }
}
