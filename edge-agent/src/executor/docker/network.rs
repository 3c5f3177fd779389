//! What a container may reach: one function per question the rest asks.

use std::collections::HashMap;

use bacalhau_protocol::model::{Network, NetworkType};
use bollard::models::{PortBinding, PortMap};

use super::{Shared, relay};
use crate::ports::Assigned;

/// Label with the ports of the node that were given to the container, as `20000,8080`.
const PORTS_LABEL: &str = "bacalhau-ports";

/// Refuses networks that cannot be had here, for a bid.
pub(super) fn check(shared: &Shared, network: &Network) -> Result<(), String> {
    if network.network_type != NetworkType::Http {
        return Ok(());
    }
    let refuse = |error| format!("support network type HTTP with docker: {error}");
    relay::check(shared).map(drop).map_err(refuse)
}

/// Nothing but the container itself.
pub(super) fn is_disabled(network: &Network) -> bool {
    matches!(network.network_type, NetworkType::Default | NetworkType::None)
}

/// The engine's word for the network. With HTTP networking, a relay is joined later.
pub(super) fn mode(network: &Network) -> &'static str {
    match network.network_type {
        NetworkType::Host | NetworkType::Full => "host",
        NetworkType::Bridge => "bridge",
        NetworkType::Default | NetworkType::None | NetworkType::Http => "none",
    }
}

/// Ports inside that lead out.
pub(super) fn exposed_ports(ports: &[Assigned]) -> Vec<String> {
    ports.iter().filter_map(|port| port.target).map(inside).collect()
}

/// Where ports inside are reached on the node.
pub(super) fn port_bindings(ports: &[Assigned]) -> Option<PortMap> {
    let mut bindings = PortMap::new();
    for port in ports {
        let Some(target) = port.target else { continue };
        let binding = PortBinding {
            host_ip: Some(port.host.ip().to_string()),
            host_port: Some(port.host.port().to_string()),
        };
        bindings.entry(inside(target)).or_default().get_or_insert_default().push(binding);
    }
    (!bindings.is_empty()).then_some(bindings)
}

fn inside(target: u16) -> String {
    format!("{target}/tcp")
}

/// Tells a later agent which ports of the node are in use.
pub(super) fn ports_label(ports: &[Assigned]) -> Option<(String, String)> {
    let list: Vec<String> = ports.iter().map(|port| port.host.port().to_string()).collect();
    (!list.is_empty()).then(|| (PORTS_LABEL.to_owned(), list.join(",")))
}

/// The ports that an earlier agent gave to a container.
pub(super) fn ports_from_labels(labels: &HashMap<String, String>) -> Vec<u16> {
    let list = labels.get(PORTS_LABEL).map(String::as_str).unwrap_or_default();
    list.split(',').filter_map(|port| port.parse().ok()).collect()
}

/// Names that the container knows beside its own.
pub(super) fn extra_hosts(network: &Network) -> Vec<String> {
    match network.network_type {
        NetworkType::Host | NetworkType::Full | NetworkType::Bridge => {
            vec!["host.docker.internal:host-gateway".to_owned()]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host: &str, target: Option<u16>) -> Assigned {
        Assigned { name: "web".into(), host: host.parse().unwrap(), target }
    }

    #[test]
    fn ports_lead_from_the_node_into_the_container() {
        let ports =
            [port("0.0.0.0:20000", Some(80)), port("127.0.0.1:20001", Some(80)), port("0.0.0.0:9000", None)];
        let bindings = port_bindings(&ports).unwrap();
        let of_80: Vec<_> = bindings["80/tcp"].iter().flatten().map(|b| (&b.host_ip, &b.host_port)).collect();
        assert_eq!(of_80.len(), 2);
        assert_eq!(of_80[1], (&Some("127.0.0.1".to_owned()), &Some("20001".to_owned())));
        assert_eq!(bindings.len(), 1);
        assert_eq!(port_bindings(&ports[2..]), None);
    }

    #[test]
    fn a_later_agent_finds_the_ports_again() {
        let ports = [port("0.0.0.0:20000", Some(80)), port("0.0.0.0:9000", None)];
        let labels: HashMap<String, String> = ports_label(&ports).into_iter().collect();
        assert_eq!(ports_from_labels(&labels), [20_000, 9000]);
        assert_eq!(ports_label(&[]), None);
        assert_eq!(ports_from_labels(&HashMap::new()), Vec::<u16>::new());
    }
}
