//! What a journal is kept on.

use super::{Change, WriteError};

/// Takes groups of changes. One at a time calls it.
pub(super) trait Medium: Send + 'static {
    /// Makes all of `changes` durable, in order, or none.
    fn commit(&mut self, changes: &[Change]) -> Result<(), WriteError>;
}
