//! Stored values that this crate defines, with their record headers.

use std::fmt::Debug;

use bacalhau_protocol::wire::record::{self, Kind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Golden;
use super::samples::{execution, job, spec};

pub(crate) fn samples() -> Vec<Golden> {
    vec![
        golden("record-job", Kind::Job, job()),
        golden("record-job-spec", Kind::JobSpec, spec()),
        golden("record-execution", Kind::Execution, execution()),
    ]
}

fn golden<T>(name: &str, kind: Kind, value: T) -> Golden
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    Golden::new(
        name,
        value,
        move |v| record::encode(kind, v).to_vec(),
        move |bytes| record::decode(kind, bytes),
    )
}
