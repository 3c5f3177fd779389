//! Room for what nodes report. They may have as much on its way to the disk as is half of what the store lets wait, so
//! that callers find room however many nodes report, and however much. What finds none waits where it is, and in the
//! end in the node.

use std::sync::Arc;

use bacalhau_protocol::link::HubEvent;
use bacalhau_protocol::model::{Event, Observation, RunOutput};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::heed::{MAX_WAITING_BYTES, MAX_WAITING_TXNS};

/// A place stands for one transaction and its share of the bytes.
const PLACES: u32 = 8192;
const PLACE_BYTES: usize = MAX_WAITING_BYTES / MAX_WAITING_TXNS;
const _: () = assert!(2 * PLACES as usize <= MAX_WAITING_TXNS);

pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLACES as usize)))
    }
}

impl Room {
    /// Waits for as much room as an event needs; it is given back when the permit is dropped. `None` needs none.
    pub(super) async fn take(&self, event: Option<&HubEvent>) -> Option<OwnedSemaphorePermit> {
        self.0.clone().acquire_many_owned(event.map_or(0, places)).await.ok()
    }
}

fn places(event: &HubEvent) -> u32 {
    match event {
        HubEvent::Observed { observation, .. } => {
            u32::try_from(1 + bytes(observation) / PLACE_BYTES).unwrap_or(PLACES).min(PLACES)
        }
        HubEvent::Info(_) => 16,
        HubEvent::Hello(_) | HubEvent::Usage(_) | HubEvent::Goodbye => 0,
    }
}

/// About what an observation adds to a transaction.
fn bytes(observation: &Observation) -> usize {
    let event = |Event { topic, message, details, .. }: &Event| {
        let details: usize = details.iter().map(|(key, value)| key.len() + value.len()).sum();
        topic.len() + message.len() + details
    };
    let output =
        |RunOutput { stdout, stderr, error, .. }: &RunOutput| stdout.len() + stderr.len() + error.len();
    observation.message.len()
        + observation.events.iter().map(event).sum::<usize>()
        + observation.output.as_ref().map_or(0, output)
        + observation.published.as_ref().map_or(0, |config| config.kind.len() + config.params.len())
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::ids::ExecutionId;
    use bacalhau_protocol::model::ObservedState;

    use super::*;

    fn observed(message: usize) -> HubEvent {
        let observation = Observation {
            execution_id: ExecutionId::parse("e-1").unwrap(),
            generation: 1,
            state: ObservedState::Running,
            message: "x".repeat(message),
            events: Vec::new(),
            output: None,
            published: None,
        };
        HubEvent::Observed { sequence: 1, observation: Box::new(observation) }
    }

    #[tokio::test]
    async fn what_finds_no_room_waits_and_half_of_the_queue_stays_free() {
        use futures_util::FutureExt as _;

        let room = Room::default();
        let (small, large) = (observed(10), observed(1024 * 1024));
        assert_eq!((places(&small), places(&large)), (1, 513));
        let mut held = Vec::new();
        while let Some(permit) = room.take(Some(&large)).now_or_never() {
            held.push(permit);
        }
        assert!(held.len() * 1024 * 1024 <= MAX_WAITING_BYTES / 2, "{}", held.len());
        held.pop();
        assert!(room.take(Some(&large)).now_or_never().is_some());
        assert!(
            room.take(Some(&HubEvent::Goodbye)).now_or_never().is_some(),
            "what is not stored needs none"
        );
    }
}
