//! What a container may reach: one function per question the rest asks.

use std::collections::HashMap;

use bacalhau_protocol::model::{Network, NetworkType};
use bollard::query_parameters::ListNetworksOptionsBuilder;

use super::container::Owner;
use super::engine::Connection;
use super::error::said;

/// Refuses kinds of network that this engine does not have, for a bid.
pub(super) fn check(network: &Network) -> Result<(), String> {
    match network.network_type {
        NetworkType::Default | NetworkType::None | NetworkType::Host | NetworkType::Full => Ok(()),
        other => Err(format!("support network type {} with docker", other.as_str())),
    }
}

/// Nothing but the container itself.
pub(super) fn is_disabled(network: &Network) -> bool {
    matches!(network.network_type, NetworkType::Default | NetworkType::None)
}

/// The engine's word for the network.
pub(super) fn mode(network: &Network) -> &'static str {
    match network.network_type {
        NetworkType::Host | NetworkType::Full => "host",
        _ => "none",
    }
}

/// Names that the container knows beside its own.
pub(super) fn extra_hosts(network: &Network) -> Vec<String> {
    match network.network_type {
        NetworkType::Host | NetworkType::Full => vec!["host.docker.internal:host-gateway".to_owned()],
        _ => Vec::new(),
    }
}

/// Removes networks with the labels of a node whose execution is an orphan.
pub(super) async fn sweep(
    connection: &Connection,
    owner: &Owner,
    filters: &HashMap<&str, Vec<String>>,
    is_orphan: impl Fn(&str) -> bool,
) {
    let options = ListNetworksOptionsBuilder::default().filters(filters).build();
    let listed = match connection.docker.list_networks(Some(options)).await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::warn!(error = said(&error), "left-over networks cannot be listed");
            return;
        }
    };
    for found in listed {
        let (Some(id), Some(labels)) = (found.id, found.labels) else { continue };
        if owner.execution(&labels).is_some_and(&is_orphan)
            && let Err(error) = connection.docker.remove_network(&id).await
        {
            tracing::warn!(network = id, error = said(&error), "a network cannot be removed");
        }
    }
}
