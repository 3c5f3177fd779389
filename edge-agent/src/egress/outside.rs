//! Where the agent goes in a job's name: for a task's requests, and for inputs from services that jobs choose.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use bacalhau_protocol::spec::s3::is_link_local;

/// Whether an address is neither this node, its link, nor several nodes at once.
pub fn is_outside(address: IpAddr) -> bool {
    let address = address.to_canonical();
    !is_special(address) && !is_link_local(address) && !is_own(address)
}

/// Whether one of this node's interfaces has the address: the kernel then chooses it as the source as well. Nothing is
/// sent.
fn is_own(address: IpAddr) -> bool {
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    source().is_ok_and(|source| source.ip() == address)
}

fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.is_loopback() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_loopback() || v6.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_own_addresses_are_inside() {
        for own in ["127.0.0.1", "::1"] {
            assert!(is_own(own.parse().unwrap()), "{own}");
        }
        // For documentation only (RFC 5737), so no interface has it.
        assert!(!is_own("192.0.2.77".parse().unwrap()));
    }

    #[test]
    fn what_is_inside() {
        for inside in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
            "ff02::1",
            "fd00:ec2::254",
        ] {
            assert!(!is_outside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:db8::1", "fd00::1"] {
            assert!(is_outside(outside.parse().unwrap()), "{outside}");
        }
    }
}
