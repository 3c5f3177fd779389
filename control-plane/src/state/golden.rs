//! The bytes of this crate's own stored values do not change once released; how files are added is told in the
//! protocol crate's golden test.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use bacalhau_protocol::ids::{ExecutionId, NodeId};
use bacalhau_protocol::model::{Event, Membership, NodeInfo};
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::record::{self, Kind};
use bacalhau_protocol::wire::{Decoder, FromNode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{HistoryEntry, NodeRecord, OtherKey};

#[test]
fn released_records_do_not_change_and_still_decode() {
    check("record-history", Kind::History, history());
    check("record-node", Kind::Node, node());
}

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, kind: Kind, value: T) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.bin"));
    let bytes = record::encode(kind, &value);
    if !path.exists() && std::env::var_os("BACALHAU_WRITE_GOLDEN").is_some() {
        fs::write(&path, &bytes).unwrap();
    }
    let released = fs::read(&path).unwrap_or_else(|_| panic!("{name} has no golden file"));
    assert!(released == bytes, "{name}: the bytes differ; a released type was changed");
    assert_eq!(record::decode::<T>(kind, &released).unwrap(), value, "{name}");
}

fn history() -> Vec<HistoryEntry> {
    let event = Event {
        topic: "Execution".to_owned(),
        message: "Running".to_owned(),
        at: Timestamp(1_730_801_533_123_456_789),
        details: [("NewState".to_owned(), "Running".to_owned())].into(),
    };
    let execution_id = Some(ExecutionId::parse("e-1").unwrap());
    vec![
        HistoryEntry { sequence: 300, job_version: 2, execution_id, event: event.clone() },
        HistoryEntry { sequence: 301, job_version: 2, execution_id: None, event },
    ]
}

fn node() -> NodeRecord {
    NodeRecord {
        id: NodeId::parse("gateway-7").unwrap(),
        membership: Membership::Approved,
        message: "looks fine".to_owned(),
        key: "ab".repeat(32),
        other_key: Some(OtherKey { key: "cd".repeat(32), at: Timestamp(1_730_801_533_123_456_789) }),
        info: info(),
        created: Timestamp(1_730_801_533_123_456_789),
        modified: Timestamp(1_730_801_534_123_456_789),
    }
}

/// The protocol's own sample.
fn info() -> NodeInfo {
    let mut decoder = Decoder::default();
    decoder.push(include_bytes!("../../../protocol/golden/from-node-info.bin"));
    let frame = decoder.next_frame().unwrap().unwrap();
    match FromNode::from_frame(&frame).unwrap() {
        Some(FromNode::Info(info)) => *info,
        other => panic!("expected a node's information, found {other:?}"),
    }
}
