//! The node's ports that tasks are given (semantics.md 4.10).
//!
//! A port is set aside while its execution may use it. Whether some other program holds it is found out by binding it
//! for a moment; between that and the task's own use somebody else can still take it, which the task then reports.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use bacalhau_protocol::ids::ExecutionId;
use bacalhau_protocol::model::{Network, NetworkType, PortMapping};

/// Ports handed out when the operator says nothing (`Compute.Network.PortRangeStart` and `PortRangeEnd`).
pub const DEFAULT_RANGE: RangeInclusive<u16> = 20_000..=32_000;

/// Why a task does not get its ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Another execution on this node has it.
    #[error("port {0} is already in use by another execution on this node")]
    Taken(u16),
    /// Some other program of the node has it.
    #[error("port {0} is in use on this node")]
    InUse(u16),
    /// The job wants an address that this node does not have.
    #[error("this node has no address {0} to listen on; see HostNetwork of the port")]
    NoSuchAddress(IpAddr),
    /// Every port of the range is in use.
    #[error("no available ports in range {}-{}; widen Compute.Network.PortRangeStart and PortRangeEnd", .0.start(), .0.end())]
    Exhausted(RangeInclusive<u16>),
}

/// One port of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The job's name for it.
    pub name: String,
    /// Where the node listens.
    pub host: SocketAddr,
    /// Where the task listens; `None` when it shares the node's network and listens on `host` itself.
    pub target: Option<u16>,
}

impl Assigned {
    /// The variables by which the task learns of it.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let host = (format!("BACALHAU_HOST_PORT_{}", self.name), self.host.port().to_string());
        let target = self.target.map(|port| (format!("BACALHAU_PORT_{}", self.name), port.to_string()));
        std::iter::once(host).chain(target)
    }
}

/// Which ports are set aside, and for whom.
#[derive(Debug)]
pub struct Ports {
    range: RangeInclusive<u16>,
    bind: fn(SocketAddr) -> io::Result<()>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    owners: BTreeMap<u16, ExecutionId>,
    /// Handed out last of the range; the search goes on behind it, so that a port rests before it comes again.
    last: Option<u16>,
}

impl Ports {
    /// Hands out ports of `range`.
    pub fn new(range: RangeInclusive<u16>) -> Self {
        Self { range, bind, held: Mutex::default() }
    }

    /// Sets aside what a task's network asks for, all of it or nothing, in place of what the execution had before.
    pub fn assign(&self, id: &ExecutionId, network: &Network) -> Result<Vec<Assigned>, Error> {
        if !matches!(network.network_type, NetworkType::Host | NetworkType::Full | NetworkType::Bridge) {
            return Ok(Vec::new());
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.owners.retain(|_, owner| owner != id);
        // Named ports first, so that none of them is handed out by chance.
        let mut wanted: Vec<&PortMapping> = network.ports.iter().collect();
        wanted.sort_by_key(|mapping| mapping.static_port == 0);
        let mut assigned = Vec::with_capacity(wanted.len());
        for mapping in wanted {
            match self.choose(&held, mapping) {
                Ok(host) => {
                    held.owners.insert(host.port(), id.clone());
                    if mapping.static_port == 0 {
                        held.last = Some(host.port());
                    }
                    assigned.push(Assigned {
                        name: mapping.name.clone(),
                        host,
                        target: target(network.network_type, mapping, host),
                    });
                }
                Err(error) => {
                    for port in &assigned {
                        held.owners.remove(&port.host.port());
                    }
                    return Err(error);
                }
            }
        }
        Ok(assigned)
    }

    /// Sets aside what a task that is already running listens on.
    pub fn claim(&self, id: &ExecutionId, ports: impl IntoIterator<Item = u16>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.owners.extend(ports.into_iter().map(|port| (port, id.clone())));
    }

    /// Gives back everything of an execution; harmless for one that has nothing.
    pub fn release(&self, id: &ExecutionId) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).owners.retain(|_, owner| owner != id);
    }

    fn choose(&self, held: &Held, mapping: &PortMapping) -> Result<SocketAddr, Error> {
        let ip = mapping.host_network.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        if mapping.static_port != 0 {
            let host = SocketAddr::new(ip, mapping.static_port);
            return match held.owners.contains_key(&host.port()) {
                true => Err(Error::Taken(host.port())),
                false if !self.is_free(host)? => Err(Error::InUse(host.port())),
                false => Ok(host),
            };
        }
        for port in rotation(&self.range, held.last).filter(|port| !held.owners.contains_key(port)) {
            let host = SocketAddr::new(ip, port);
            if self.is_free(host)? {
                return Ok(host);
            }
        }
        Err(Error::Exhausted(self.range.clone()))
    }

    fn is_free(&self, host: SocketAddr) -> Result<bool, Error> {
        match (self.bind)(host) {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                Err(Error::NoSuchAddress(host.ip()))
            }
            bound => Ok(bound.is_ok()),
        }
    }
}

/// All ports of the range, beginning behind `last`.
fn rotation(range: &RangeInclusive<u16>, last: Option<u16>) -> impl Iterator<Item = u16> + use<> {
    let (start, end) = (*range.start(), *range.end());
    let first = last.filter(|last| (start..end).contains(last)).map_or(start, |last| last + 1);
    (first..=end).chain(start..first)
}

fn target(mode: NetworkType, mapping: &PortMapping, host: SocketAddr) -> Option<u16> {
    (mode == NetworkType::Bridge).then(|| if mapping.target == 0 { host.port() } else { mapping.target })
}

fn bind(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All of them free.
    fn ports(range: RangeInclusive<u16>) -> Ports {
        Ports { bind: |_| Ok(()), ..Ports::new(range) }
    }

    fn id(name: &str) -> ExecutionId {
        ExecutionId::parse(name).unwrap()
    }

    /// `name`, port of the node or 0, port of the task or 0.
    fn network(network_type: NetworkType, mappings: &[(&str, u16, u16)]) -> Network {
        let ports = mappings.iter().map(|(name, static_port, target)| PortMapping {
            name: (*name).to_owned(),
            static_port: *static_port,
            target: *target,
            host_network: String::new(),
        });
        Network { network_type, domains: Vec::new(), ports: ports.collect() }
    }

    fn variables(assigned: &[Assigned]) -> Vec<String> {
        assigned.iter().flat_map(Assigned::variables).map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_task_learns_its_ports() {
        let ports = ports(100..=109);
        let bridge = network(NetworkType::Bridge, &[("web", 0, 80), ("raw", 2000, 0)]);
        assert_eq!(
            variables(&ports.assign(&id("e-1"), &bridge).unwrap()),
            [
                "BACALHAU_HOST_PORT_raw=2000",
                "BACALHAU_PORT_raw=2000",
                "BACALHAU_HOST_PORT_web=100",
                "BACALHAU_PORT_web=80"
            ]
        );
        let host = network(NetworkType::Host, &[("web", 0, 0)]);
        assert_eq!(variables(&ports.assign(&id("e-2"), &host).unwrap()), ["BACALHAU_HOST_PORT_web=101"]);
    }

    #[test]
    fn a_port_has_one_owner_and_comes_back() {
        let ports = ports(100..=101);
        let fixed = network(NetworkType::Host, &[("a", 100, 0)]);
        ports.assign(&id("e-1"), &fixed).unwrap();
        assert_eq!(ports.assign(&id("e-2"), &fixed), Err(Error::Taken(100)));
        ports.release(&id("e-1"));
        assert!(ports.assign(&id("e-2"), &fixed).is_ok());
        ports.claim(&id("e-3"), [101]);
        let any = network(NetworkType::Host, &[("b", 0, 0)]);
        assert_eq!(ports.assign(&id("e-4"), &any), Err(Error::Exhausted(100..=101)));
    }

    #[test]
    fn nothing_is_kept_of_a_request_that_fails() {
        let ports = ports(100..=100);
        let two = network(NetworkType::Bridge, &[("a", 0, 80), ("b", 0, 81)]);
        assert!(ports.assign(&id("e-1"), &two).is_err());
        assert!(ports.assign(&id("e-2"), &network(NetworkType::Bridge, &[("a", 0, 80)])).is_ok());
    }

    #[test]
    fn what_other_programs_hold_is_found_out() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let ports = Ports::new(port..=port);
        assert_eq!(
            ports.assign(&id("e-1"), &network(NetworkType::Host, &[("a", port, 0)])),
            Err(Error::InUse(port))
        );
        assert_eq!(
            ports.assign(&id("e-1"), &network(NetworkType::Host, &[("a", 0, 0)])),
            Err(Error::Exhausted(port..=port))
        );
    }

    #[test]
    fn a_task_that_starts_again_gets_its_port_again() {
        let ports = ports(100..=109);
        let fixed = network(NetworkType::Host, &[("a", 100, 0)]);
        ports.assign(&id("e-1"), &fixed).unwrap();
        assert!(ports.assign(&id("e-1"), &fixed).is_ok());
    }

    #[test]
    fn an_address_the_node_does_not_have_is_named() {
        let mut network = network(NetworkType::Bridge, &[("a", 0, 80)]);
        network.ports[0].host_network = "192.0.2.77".into();
        let error = Ports::new(DEFAULT_RANGE).assign(&id("e-1"), &network).unwrap_err();
        assert_eq!(error, Error::NoSuchAddress("192.0.2.77".parse().unwrap()));
    }

    #[test]
    fn other_modes_have_no_ports() {
        let ports = ports(100..=100);
        assert_eq!(ports.assign(&id("e-1"), &network(NetworkType::None, &[("a", 0, 0)])), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn every_port_of_the_range_comes_once_around(
            start in 1u16..=65_535, length in 0u16..50, last in prop::option::of(any::<u16>()),
        ) {
            let range = start..=start.saturating_add(length);
            let mut seen: Vec<u16> = rotation(&range, last).collect();
            if let Some(last) = last.filter(|last| range.contains(last)) {
                prop_assert_eq!(seen.last(), Some(&last));
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, range.collect::<Vec<_>>());
        }
    }
}
