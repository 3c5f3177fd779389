//! Kinds of addresses that stand for one of this machine's: `private`, `public`, `loopback`, `linklocal` and `any`.

use std::net::{IpAddr, Ipv4Addr};

/// A kind of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Every address.
    Any,
    /// Reached from this machine only.
    Loopback,
    /// Of a network of its own, such as 10.0.0.0/8.
    Private,
    /// Reached from everywhere.
    Public,
    /// Reached from the same cable only.
    LinkLocal,
}

impl AddressKind {
    /// The kind a word stands for, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "any" => Some(Self::Any),
            "loopback" | "localhost" | "local" => Some(Self::Loopback),
            "private" => Some(Self::Private),
            "public" => Some(Self::Public),
            "linklocal" => Some(Self::LinkLocal),
            _ => None,
        }
    }

    /// An address of this kind among those of a machine, the older protocol first.
    pub fn choose(self, mut addresses: Vec<IpAddr>) -> Option<IpAddr> {
        addresses.sort();
        match self {
            Self::Any => Some(Ipv4Addr::UNSPECIFIED.into()),
            Self::Loopback => Some(Ipv4Addr::LOCALHOST.into()),
            _ => addresses.into_iter().find(|address| kind(address) == Some(self)),
        }
    }

    /// An address of this kind that this machine has.
    pub fn find(self) -> Option<IpAddr> {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        self.choose(interfaces.iter().map(if_addrs::Interface::ip).collect())
    }
}

fn kind(address: &IpAddr) -> Option<AddressKind> {
    let (is_private, is_link_local) = match address {
        IpAddr::V4(v4) => (v4.is_private(), v4.is_link_local()),
        IpAddr::V6(v6) => (v6.is_unique_local(), v6.is_unicast_link_local()),
    };
    match () {
        () if address.is_loopback() || address.is_unspecified() || address.is_multicast() => None,
        () if is_private => Some(AddressKind::Private),
        () if is_link_local => Some(AddressKind::LinkLocal),
        () => Some(AddressKind::Public),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_each_kind_is_found() {
        let addresses = || -> Vec<IpAddr> {
            ["fe80::1", "127.0.0.1", "2001:db8::1", "10.1.2.3", "192.0.2.9", "169.254.1.1"]
                .map(|text| text.parse().unwrap())
                .into()
        };
        for (word, expected) in [
            ("Private", "10.1.2.3"),
            ("public", "192.0.2.9"),
            ("linklocal", "169.254.1.1"),
            ("any", "0.0.0.0"),
            ("local", "127.0.0.1"),
        ] {
            let found = AddressKind::parse(word).and_then(|kind| kind.choose(addresses()));
            assert_eq!(found, expected.parse().ok(), "{word}");
        }
        assert_eq!(AddressKind::parse("10.0.0.1"), None);
        assert_eq!(AddressKind::Private.choose(vec!["127.0.0.1".parse().unwrap()]), None);
    }
}
