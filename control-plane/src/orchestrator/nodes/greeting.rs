//! Whether a node is let in. Decides, does nothing.

use bacalhau_protocol::model::{Membership, NodeInfo};
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::{Refusal, RefusalCode};

use crate::state::{NodeRecord, OtherKey};

/// How long a node that may not join waits at least before it asks again, seconds; the longest is twice this. An
/// administrator's change of mind is then heard within two minutes, and a thousand rejected nodes ask some ten times a
/// second.
const ASK_AGAIN_S: u32 = 60;
/// The same for mistakes that a person is probably mending right now.
const ASK_SOON_S: u32 = 15;
/// How old the note of another key must be before it is written again: a stranger must not make the disk work.
const OTHER_KEY_NOTE: std::time::Duration = std::time::Duration::from_secs(600);

/// A node that asks to be let in.
#[derive(Clone, Copy, Debug)]
pub struct Guest<'a> {
    /// What it says about itself.
    pub info: &'a NodeInfo,
    /// SHA-256 of the public key of its connection, which it has proven to hold.
    pub key: &'a str,
    /// It showed the join secret.
    pub has_secret: bool,
    /// New nodes wait for approval.
    pub manual_approval: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Greeting {
    /// Let in.
    Welcome(Membership),
    /// Not let in.
    Refused(Refusal),
}

/// The answer, and the node's record if it changes.
pub(super) fn decide(
    record: Option<&NodeRecord>,
    guest: &Guest<'_>,
    now: Timestamp,
) -> (Option<NodeRecord>, Greeting) {
    match record {
        None if !guest.has_secret => (None, wrong_secret()),
        None => {
            let record = newcomer(guest, now);
            let membership = record.membership;
            (Some(record), Greeting::Welcome(membership))
        }
        Some(record) if record.key != guest.key => (note(record, guest, now), key_mismatch(record)),
        Some(record) if record.membership == Membership::Rejected => (None, rejected(record)),
        Some(record) => {
            let changed = record.info != *guest.info;
            let write =
                changed.then(|| NodeRecord { info: guest.info.clone(), modified: now, ..record.clone() });
            (write, Greeting::Welcome(record.membership))
        }
    }
}

fn newcomer(guest: &Guest<'_>, now: Timestamp) -> NodeRecord {
    NodeRecord {
        id: guest.info.node_id.clone(),
        membership: membership_of(guest),
        message: String::new(),
        key: guest.key.to_owned(),
        other_key: None,
        info: guest.info.clone(),
        created: now,
        modified: now,
    }
}

fn membership_of(guest: &Guest<'_>) -> Membership {
    if guest.manual_approval { Membership::Pending } else { Membership::Approved }
}

/// Notes the other key, so that an administrator sees it and may let it take over. Only who has the secret is noted.
fn note(record: &NodeRecord, guest: &Guest<'_>, now: Timestamp) -> Option<NodeRecord> {
    let is_noted = record
        .other_key
        .as_ref()
        .is_some_and(|other| other.key == guest.key && now.since(other.at) < OTHER_KEY_NOTE);
    (guest.has_secret && !is_noted).then(|| NodeRecord {
        other_key: Some(OtherKey { key: guest.key.to_owned(), at: now }),
        modified: now,
        ..record.clone()
    })
}

fn wrong_secret() -> Greeting {
    refused(
        RefusalCode::WrongSecret,
        "the join secret is missing or wrong; use the join string that `bacalhau serve` prints or names"
            .to_owned(),
        ASK_SOON_S,
    )
}

fn key_mismatch(record: &NodeRecord) -> Greeting {
    let message = format!(
        "node id {id} is held by another key; if this device was set up anew, an administrator can run \
         `bacalhau node approve --replace-key {id}`, else choose another name",
        id = record.id
    );
    refused(RefusalCode::KeyMismatch, message, ASK_SOON_S)
}

fn rejected(record: &NodeRecord) -> Greeting {
    let why = if record.message.is_empty() { String::new() } else { format!(": {}", record.message) };
    refused(
        RefusalCode::Rejected,
        format!("node {} was rejected by an administrator{why}", record.id),
        ASK_AGAIN_S,
    )
}

fn refused(code: RefusalCode, message: String, retry_after_s: u32) -> Greeting {
    Greeting::Refused(Refusal { code, message, retry_after_s })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bacalhau_protocol::ids::NodeId;
    use bacalhau_protocol::model::{BuildInfo, Resources};

    use super::*;

    fn info() -> NodeInfo {
        NodeInfo {
            node_id: NodeId::parse("n1").unwrap(),
            labels: BTreeMap::new(),
            engines: Vec::new(),
            engines_unavailable: BTreeMap::new(),
            publishers: Vec::new(),
            sources: Vec::new(),
            accepts_networked: false,
            capacity: Resources::default(),
            max_job: Resources::default(),
            build: BuildInfo::default(),
            engine_profile: String::new(),
        }
    }

    fn guest<'a>(info: &'a NodeInfo, key: &'a str, has_secret: bool) -> Guest<'a> {
        Guest { info, key, has_secret, manual_approval: true }
    }

    fn code(greeting: &Greeting) -> Option<RefusalCode> {
        match greeting {
            Greeting::Refused(refusal) => Some(refusal.code),
            Greeting::Welcome(_) => None,
        }
    }

    #[test]
    fn a_stranger_needs_the_secret_and_then_waits() {
        let info = info();
        let (record, greeting) = decide(None, &guest(&info, "k", false), Timestamp(1));
        assert_eq!((record, code(&greeting)), (None, Some(RefusalCode::WrongSecret)));
        let (record, greeting) = decide(None, &guest(&info, "k", true), Timestamp(1));
        assert_eq!(greeting, Greeting::Welcome(Membership::Pending));
        assert_eq!(record.unwrap().key, "k");
    }

    #[test]
    fn a_known_key_needs_no_secret_and_keeps_its_membership() {
        let info = info();
        let mut record = newcomer(&guest(&info, "k", true), Timestamp(1));
        for membership in [Membership::Pending, Membership::Approved] {
            record.membership = membership;
            let (write, greeting) = decide(Some(&record), &guest(&info, "k", false), Timestamp(2));
            assert_eq!(
                (write, greeting),
                (None, Greeting::Welcome(membership)),
                "nothing new, nothing written"
            );
        }
        record.membership = Membership::Rejected;
        let (_, greeting) = decide(Some(&record), &guest(&info, "k", true), Timestamp(2));
        assert_eq!(code(&greeting), Some(RefusalCode::Rejected));
    }

    #[test]
    fn another_key_is_refused_and_shown_once_in_a_while() {
        let info = info();
        let record = newcomer(&guest(&info, "k", true), Timestamp(1));
        let (write, greeting) = decide(Some(&record), &guest(&info, "evil", true), Timestamp(2));
        assert_eq!(code(&greeting), Some(RefusalCode::KeyMismatch));
        let noted = write.unwrap();
        assert_eq!((noted.key.as_str(), noted.other_key.as_ref().unwrap().key.as_str()), ("k", "evil"));
        let (write, _) = decide(Some(&noted), &guest(&info, "evil", true), Timestamp(3));
        assert_eq!(write, None);
        let (write, _) = decide(Some(&record), &guest(&info, "evil", false), Timestamp(3));
        assert_eq!(write, None, "without the secret nobody makes the disk work");
    }
}
