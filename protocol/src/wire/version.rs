//! Protocol versions and the choice between two peers.

use serde::{Deserialize, Serialize};

/// Names the protocol in the TLS handshake. The number is that of the framing, which outlives message versions.
pub const ALPN: &[u8] = b"bacalhau-edge/1";

/// The name in the control plane's certificate; nodes ask for it whatever address they dial.
pub const SERVER_NAME: &str = "control-plane.bacalhau.internal";

/// Codes with which a connection is closed.
pub mod close {
    /// Nothing is wrong.
    pub const NORMAL: u32 = 0;
    /// The node is no longer a member.
    pub const REVOKED: u32 = 1;
    /// The node was not let in.
    pub const REFUSED: u32 = 2;
    /// The peer broke the protocol.
    pub const PROTOCOL: u32 = 3;
    /// The same node opened a newer connection; the reason is the address it came from.
    pub const SUPERSEDED: u32 = 4;
    /// This side could not go on; try again.
    pub const TROUBLE: u32 = 5;
}

/// A message version. Retired numbers stay reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Version {
    /// 2026-11: first release.
    V1 = 1,
}

/// The versions a peer speaks, as numbers so that an older peer can read a newer one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRange {
    /// Lowest still spoken.
    pub lowest: u16,
    /// Highest spoken.
    pub highest: u16,
}

/// Two peers share no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no common protocol version: the peer speaks {}-{}, this side {}-{}; update the older of the two",
    peer.lowest, peer.highest, own.lowest, own.highest
)]
pub struct VersionMismatch {
    /// What the peer said.
    pub peer: VersionRange,
    /// What this build speaks.
    pub own: VersionRange,
}

impl VersionRange {
    /// What this build speaks.
    pub const OWN: Self = Self { lowest: Version::V1 as u16, highest: Version::V1 as u16 };

    /// The highest version both speak.
    pub fn choose(self, peer: Self) -> Result<u16, VersionMismatch> {
        let highest = self.highest.min(peer.highest);
        if highest < self.lowest.max(peer.lowest) || peer.lowest > peer.highest {
            return Err(VersionMismatch { peer, own: self });
        }
        Ok(highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_highest_common_version_or_says_why_not() {
        let range = |lowest, highest| VersionRange { lowest, highest };
        assert_eq!(range(1, 3).choose(range(2, 9)), Ok(3));
        assert_eq!(range(1, 3).choose(range(3, 3)), Ok(3));
        assert!(range(1, 2).choose(range(3, 4)).is_err());
        assert!(range(1, 2).choose(range(2, 1)).is_err());
    }
}
