use std::sync::Arc;

use super::environment::Environment;
use super::layers::{Cause, Layers};

/// Writes frozen layers to the database, so that their log file can be used again.
pub(super) struct Checkpointer {
    pub(super) environment: Arc<Environment>,
    pub(super) layers: Arc<Layers>,
}

impl Checkpointer {
    /// Ends when the layers are closed. What is not written then stays in the log.
    pub(super) fn run(self) {
        while let Some(frozen) = self.layers.frozen() {
            let outcome = self.environment.store(&frozen.layer, frozen.revision);
            if let Err(error) = &outcome {
                tracing::error!(%error, "the log could not be moved to the database");
            }
            self.layers.written(outcome.map_err(|error| Arc::new(error) as Cause));
        }
    }
}

impl Drop for Checkpointer {
    /// Even when this panics the writer must not wait for ever.
    fn drop(&mut self) {
        self.layers.close();
    }
}
