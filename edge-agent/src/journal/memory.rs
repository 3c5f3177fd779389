//! A journal in memory.

use std::collections::BTreeMap;

use bacalhau_protocol::ids::ExecutionId;

use super::medium::Medium;
use super::{Change, Facts, WriteError};
use crate::execution::Record;

#[derive(Debug, Default)]
pub(super) struct Memory {
    executions: BTreeMap<ExecutionId, Record>,
    facts: Facts,
}

impl Medium for Memory {
    fn commit(&mut self, changes: &[Change]) -> Result<(), WriteError> {
        for change in changes {
            match change {
                Change::Put(record) => {
                    self.executions.insert(record.execution_id.clone(), Record::clone(record));
                }
                Change::Delete(id) => {
                    self.executions.remove(id);
                }
                Change::Facts(facts) => self.facts = facts.clone(),
            }
        }
        Ok(())
    }
}
