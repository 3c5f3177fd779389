//! Removing what nobody wants any more.

use std::collections::HashMap;

use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use super::Shared;
use super::container::{self, NODE_LABEL};
use super::engine::Connection;
use super::error::{said, status};

/// Removes the containers of an execution that is over. What cannot be removed now is swept when the engine is back.
pub(super) async fn clean_up(shared: &Shared, execution_id: &str) {
    let was_wanted = shared.lock_wanted().as_mut().is_some_and(|wanted| wanted.remove(execution_id));
    shared.gpus.give_back(execution_id);
    let has_relay = shared.proxies.close(execution_id);
    if let (true, Ok(connection)) = (was_wanted, shared.engine.current().await) {
        remove(&connection, &container::name(execution_id)).await;
        if has_relay {
            remove(&connection, &container::relay_name(execution_id)).await;
        }
    }
}

/// Removes what this node created for executions that are over or unknown.
pub(super) async fn sweep(shared: &Shared) {
    let Ok(connection) = shared.engine.current().await else { return };
    let filters = HashMap::from([("label", vec![format!("{NODE_LABEL}={}", shared.owner.id())])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let listed = match connection.docker.list_containers(Some(options)).await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::warn!(error = said(&error), "left-over containers cannot be listed");
            return;
        }
    };
    for found in listed {
        let (Some(id), Some(labels)) = (found.id, found.labels) else { continue };
        if shared.owner.execution(&labels).is_some_and(|execution| is_orphan(shared, execution)) {
            tracing::info!(container = id, "removing a container that nobody wants");
            remove(&connection, &id).await;
        }
    }
}

/// Nothing is one until the agent has said which executions are left.
fn is_orphan(shared: &Shared, execution_id: &str) -> bool {
    shared.lock_wanted().as_ref().is_some_and(|wanted| !wanted.contains(execution_id))
}

/// Removes a container and its anonymous volumes, running or not; harmless if there is none.
pub(super) async fn remove(connection: &Connection, container: &str) {
    let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    match connection.docker.remove_container(container, Some(options)).await {
        Ok(()) => {}
        // It is not there, or somebody else is removing it.
        Err(error) if matches!(status(&error), Some(404 | 409)) => {}
        Err(error) => tracing::warn!(container, error = said(&error), "a container cannot be removed"),
    }
}
