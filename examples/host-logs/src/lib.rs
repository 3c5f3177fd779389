//! Reads the log files of a host and says what is in them: how much of which level from which unit, which lines come
//! again and again, and which name the longest durations.
//!
//! [`scan`] touches files; everything else is a function of the bytes it hands over.

mod counter;
mod duration;
mod format;
mod level;
mod lines;
mod options;
mod report;
mod scan;
mod survey;
mod template;
mod timestamp;

pub use level::Level;
pub use options::{Options, UsageError};
pub use report::Report;
pub use scan::{ScanError, scan};
pub use timestamp::Timestamp;
