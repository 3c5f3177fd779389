//! The bytes of journaled values do not change once released; how files are added is told in the protocol crate's
//! golden test.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use bacalhau_protocol::model::{DesiredState, Observation};
use bacalhau_protocol::time::Timestamp;
use bacalhau_protocol::wire::record::{self, Kind};
use bacalhau_protocol::wire::{Decoder, Frame, FromNode, ToNode, Wish};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Facts;
use crate::execution::{Phase, Record, Verdict};

#[test]
fn released_records_do_not_change_and_still_decode() {
    let facts = Facts {
        sequence_reserved: 300,
        fleet_time: Some(Timestamp(1_730_801_533_123_456_789)),
        artifact_key: Some([7; 32]),
    };
    check("journal-facts", Kind::JournalFacts, facts);
    let output = observation().output.unwrap();
    let phases = [
        ("accepted", Phase::Accepted),
        ("started", Phase::Started),
        ("ran", Phase::Ran { verdict: Verdict::Completed, output: output.clone() }),
        ("ran-badly", Phase::Ran { verdict: Verdict::Failed("exit code 1".to_owned()), output }),
        ("ended", Phase::Ended(Box::new(observation()))),
    ];
    for (word, phase) in phases {
        check(&format!("journal-execution-{word}"), Kind::JournalExecution, execution(phase));
    }
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

fn execution(phase: Phase) -> Record {
    let wish = wish();
    Record {
        execution_id: wish.execution_id,
        generation: wish.generation,
        desired: DesiredState::Running,
        work: *wish.work.unwrap(),
        phase,
    }
}

// The protocol's own samples.

fn wish() -> Wish {
    match ToNode::from_frame(&frame(include_bytes!("../../../protocol/golden/to-node-wish.bin"))).unwrap() {
        Some(ToNode::Wish(wish)) => *wish,
        other => panic!("expected a wish, found {other:?}"),
    }
}

fn observation() -> Observation {
    match FromNode::from_frame(&frame(include_bytes!("../../../protocol/golden/from-node-observed.bin")))
        .unwrap()
    {
        Some(FromNode::Observed { observation, .. }) => *observation,
        other => panic!("expected an observation, found {other:?}"),
    }
}

fn frame(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    decoder.next_frame().unwrap().unwrap()
}
