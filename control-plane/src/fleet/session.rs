//! What is said with one node that was let in: wishes to it, reports from it.

use std::collections::VecDeque;
use std::sync::Arc;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::link::{HubEvent, LinkError};
use bacalhau_protocol::model::{Execution, Membership};
use bacalhau_protocol::wire::{Wish, Work, fingerprint};
use bytes::Buf;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use super::sessions::Standing;
use super::wire::{Ended, READ_BYTES, Wire};
use super::wishes::Change;
use super::{Shared, serve};
use crate::orchestrator::{ChangeError, Commit, Observed};

/// Bytes waiting to be sent to a node; one that reads so slowly is cut off and starts over.
const MAX_OUTGOING_BYTES: usize = 16 * 1024 * 1024;
/// Wishes are told while fewer bytes wait to be sent: however much is wanted of a node, it comes as the node reads.
const ENOUGH_OUTGOING_BYTES: usize = 1024 * 1024;
/// Reports of one node on their way to the disk; the next one waits.
const MAX_OPEN: usize = 64;

/// A node that was let in.
pub(super) struct Session<'a> {
    id: NodeId,
    /// Fingerprint of the key that this connection has proven to hold.
    key: String,
    wire: Wire,
    shared: &'a Arc<Shared>,
    standing: watch::Receiver<Standing>,
    woken: Arc<Notify>,
    /// There may be wishes that were not told yet.
    is_behind: bool,
    /// What the node said and nobody has acted on.
    inbox: VecDeque<HubEvent>,
    /// What it said that is on its way to the disk; what is to be acknowledged has a sequence.
    open: FuturesUnordered<BoxFuture<'static, Durable>>,
}

/// What to acknowledge, if anything, now that it is on the disk.
type Durable = Result<Option<u64>, ChangeError>;

impl<'a> Session<'a> {
    /// Begins nothing yet.
    pub(super) fn new(
        id: NodeId,
        key: String,
        wire: Wire,
        shared: &'a Arc<Shared>,
        standing: watch::Receiver<Standing>,
    ) -> Self {
        Self {
            id,
            key,
            wire,
            shared,
            standing,
            woken: Arc::default(),
            is_behind: false,
            inbox: VecDeque::new(),
            open: FuturesUnordered::new(),
        }
    }

    /// Talks until one side ends it.
    pub(super) async fn run(mut self, membership: Membership) -> Ended {
        let mut membership = membership;
        if membership == Membership::Approved {
            self.begin_work();
        }
        let ended = loop {
            if let Err(ended) = self.turn(&mut membership).await {
                break ended;
            }
        };
        self.shared.wishes.unsubscribe(&self.id, &self.woken);
        ended
    }

    /// Waits for something to happen, and does all that follows from it.
    async fn turn(&mut self, membership: &mut Membership) -> Result<(), Ended> {
        self.wire.collect();
        self.tell_some().await;
        if self.wire.outgoing.len() > MAX_OUTGOING_BYTES {
            return Err(Ended::Slow);
        }
        tokio::select! {
            written = self.wire.send.write(&self.wire.outgoing), if !self.wire.outgoing.is_empty() => {
                self.wire.outgoing.advance(written?);
            }
            // A node is read no faster than the disk takes what it says.
            chunk = self.wire.receive.read_chunk(READ_BYTES, true), if self.inbox.is_empty() => {
                let chunk = chunk?.ok_or(Ended::Goodbye)?;
                self.inbox.extend(self.wire.link.receive(&chunk.bytes)?);
            }
            room = self.shared.room.take(self.inbox.front()),
                if !self.inbox.is_empty() && self.open.len() < MAX_OPEN =>
            {
                self.handle_some(room)?;
            }
            Some(durable) = self.open.next() => self.acknowledge_some(durable)?,
            () = self.woken.notified() => self.is_behind = true,
            changed = self.standing.changed() => {
                if changed.is_err() {
                    // A newer connection of the same node took over.
                    self.wire.connection.closed().await;
                    return Err(Ended::Goodbye);
                }
                self.follow_standing(membership).await?;
            }
            stream = self.wire.connection.accept_bi() => {
                let (send, receive) = stream?;
                let is_member = *membership == Membership::Approved;
                tokio::spawn(serve::answer(self.shared.clone(), self.id.clone(), is_member, send, receive));
            }
        }
        Ok(())
    }

    /// Acts on what was said, as far as there is room now; one thing at a time would be told and written one at a time.
    fn handle_some(&mut self, room: Option<OwnedSemaphorePermit>) -> Result<(), Ended> {
        let mut room = Some(room);
        while let Some(place) = room
            && let Some(event) = self.inbox.pop_front()
        {
            self.handle(event, place)?;
            let is_next = !self.inbox.is_empty() && self.open.len() < MAX_OPEN;
            room = is_next.then(|| self.shared.room.take(self.inbox.front()).now_or_never()).flatten();
        }
        Ok(())
    }

    /// Acknowledges everything that is on the disk by now.
    fn acknowledge_some(&mut self, first: Durable) -> Result<(), Ended> {
        let mut durable = Some(first);
        while let Some(outcome) = durable {
            if let Some(sequence) = outcome? {
                self.wire.link.acknowledge(sequence);
            }
            durable = self.open.next().now_or_never().flatten();
        }
        Ok(())
    }

    fn handle(&mut self, event: HubEvent, room: Option<OwnedSemaphorePermit>) -> Result<(), Ended> {
        match event {
            HubEvent::Hello(_) => Err(LinkError::Unexpected("second hello").into()),
            HubEvent::Observed { sequence, observation } => {
                let (Observed::Commit(commit) | Observed::Unwanted(commit)) =
                    self.shared.orchestrator.observe(&self.id, sequence, *observation)?;
                self.await_commit(commit, Some(sequence), room);
                Ok(())
            }
            HubEvent::Info(info) if info.node_id != self.id => {
                Err(LinkError::Unexpected("foreign info").into())
            }
            HubEvent::Info(info) => {
                if let Some(commit) = self.shared.orchestrator.node_informed(*info)? {
                    self.await_commit(commit, None, room);
                }
                Ok(())
            }
            HubEvent::Usage(usage) => {
                self.shared.orchestrator.node_usage(&self.id, usage);
                Ok(())
            }
            HubEvent::Goodbye => Err(Ended::Goodbye),
        }
    }

    fn await_commit(&self, commit: Commit, sequence: Option<u64>, room: Option<OwnedSemaphorePermit>) {
        self.open.push(Box::pin(async move {
            let durable = commit.durable().await;
            drop(room);
            durable.map(|()| sequence)
        }));
    }

    /// Begins to tell the node everything that is wanted of it, as far as it does not have it.
    fn begin_work(&mut self) {
        let wanted = self.shared.wishes.subscribe(&self.id, self.woken.clone());
        self.wire.link.disown_all_but(&wanted.iter().map(fingerprint).collect());
        self.is_behind = true;
    }

    /// Tells the node what it has not heard yet, until enough waits to be sent.
    async fn tell_some(&mut self) {
        while self.is_behind && self.wire.outgoing.len() < ENOUGH_OUTGOING_BYTES {
            match self.shared.wishes.next_change(&self.id, &self.woken) {
                Some(Change::Wanted(execution)) => self.tell(&execution).await,
                Some(Change::Gone(id)) => self.wire.link.forget(fingerprint(&id)),
                None => self.is_behind = false,
            }
            self.wire.collect();
        }
    }

    async fn tell(&mut self, execution: &Execution) {
        let mut wish = wish(execution);
        if self.wire.link.has(&wish) {
            return;
        }
        match work(self.shared, execution).await {
            Ok(work) => wish.work = work.map(Box::new),
            // The node is asked again at its next connection.
            Err(error) => {
                return tracing::error!(execution = %execution.id, %error, "its work cannot be read");
            }
        }
        self.wire.link.want(wish);
    }

    async fn follow_standing(&mut self, membership: &mut Membership) -> Result<(), Ended> {
        let standing = self.standing.borrow_and_update().clone();
        match standing {
            Standing::Revoked(why) => self.revoke(why).await,
            Standing::Member { key, .. } if key != self.key => {
                self.revoke("another key holds this node's name from now on".to_owned()).await
            }
            Standing::Member { membership: now, .. } if now != *membership => {
                *membership = now;
                self.wire.link.set_membership(now);
                if now == Membership::Approved {
                    self.begin_work();
                }
                Ok(())
            }
            Standing::Member { .. } => Ok(()),
        }
    }

    async fn revoke(&mut self, why: String) -> Result<(), Ended> {
        self.wire.link.revoke(why);
        self.wire.flush_and_wait().await;
        Err(Ended::Revoked)
    }
}

fn wish(execution: &Execution) -> Wish {
    Wish {
        execution_id: execution.id.clone(),
        generation: execution.generation,
        desired: execution.desired,
        reason: execution.desired_message.clone(),
        seen: execution.observed,
        work: None,
    }
}

/// What the node needs to run it; `None` when the job is gone, and so the execution no longer wanted.
async fn work(shared: &Shared, execution: &Execution) -> Result<Option<Work>, crate::state::ReadError> {
    let reader = shared.orchestrator.reader();
    let Some(head) = reader.head(&execution.job_id).await? else { return Ok(None) };
    let spec = reader.spec(&execution.job_id, execution.job_version).await?;
    Ok(Some(Work {
        job_id: head.id,
        job_name: head.name,
        namespace: head.namespace,
        job_type: spec.job_type,
        job_version: execution.job_version,
        priority: spec.priority,
        partition: execution.partition,
        count: spec.count,
        task: spec.task,
    }))
}
