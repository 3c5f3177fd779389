//! What the control plane may read from this device: results and logs of executions.

use std::sync::Arc;

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::wire::stream::LogItem;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::link::{Archive, DeviceFiles, Unserved};
use crate::logs::Wanted;
use crate::publisher::LocalPublisher;
use crate::runner::Runner;

/// Serves from the runner's directories and the local publisher's archives.
pub struct Files {
    runner: Arc<Runner>,
    archives: Option<Arc<LocalPublisher>>,
}

impl Files {
    /// Without `archives` there are no results to serve.
    pub fn new(runner: Arc<Runner>, archives: Option<Arc<LocalPublisher>>) -> Self {
        Self { runner, archives }
    }
}

impl DeviceFiles for Files {
    fn results(&self, execution: ExecutionId) -> BoxFuture<'static, Result<Archive, Unserved>> {
        let archives = self.archives.clone();
        Box::pin(async move {
            let gone = || Unserved::not_found(format!("this node has no results of {execution} (any more)"));
            let archives = archives.ok_or_else(gone)?;
            match archives.archive(&execution).await {
                Ok(archive) => archive.ok_or_else(gone),
                Err(error) => Err(Unserved::failed(format!("the results cannot be read: {error}"))),
            }
        })
    }

    fn logs(
        &self,
        execution: ExecutionId,
        tail: bool,
        follow: bool,
    ) -> BoxFuture<'static, Result<mpsc::Receiver<LogItem>, Unserved>> {
        let runner = Arc::clone(&self.runner);
        Box::pin(async move {
            let results_dir = runner.directories().results(&execution);
            let opened = runner.outputs().open(&execution, results_dir, Wanted { tail, follow }).await;
            opened.ok_or_else(|| {
                Unserved::not_found(format!("this node has no output of {execution} (any more)"))
            })
        })
    }
}
