//! One node's connection: the shell around [`HubLink`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::link::{HubEvent, HubLink, LinkError};
use bacalhau_protocol::model::{Execution, Membership};
use bacalhau_protocol::wire::{Hello, Refusal, RefusalCode, Welcome, Wish, Work, close, fingerprint};
use bytes::{Buf, BytesMut};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use quinn_proto::ConnectionId;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use super::sessions::Standing;
use super::wishes::Change;
use super::{Shared, recall, serve};
use crate::clock;
use crate::orchestrator::{ChangeError, Commit, Greeting, Guest, Observed};

/// How long a stranger may take from its first packet to its first message.
const GREETING_TIME: Duration = Duration::from_secs(15);
/// How long a revoked or refused node may take to hear it.
const PARTING_TIME: Duration = Duration::from_secs(5);
/// How long an agent that is cut off may take to answer that it heard; the transport forgets it sooner on a fast line.
const ANSWER_TIME: Duration = Duration::from_secs(3);
/// Bytes waiting to be sent to a node; one that reads so slowly is cut off and starts over.
const MAX_OUTGOING_BYTES: usize = 16 * 1024 * 1024;
/// Wishes are told while fewer bytes wait to be sent: however much is wanted of a node, it comes as the node reads.
const ENOUGH_OUTGOING_BYTES: usize = 1024 * 1024;
/// Reports of one node on their way to the disk; the next one waits.
const MAX_OPEN: usize = 64;
/// Bytes taken from the control stream at a time.
const READ_BYTES: usize = 64 * 1024;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the connection is gone: {0}")]
    Connection(#[from] quinn::ConnectionError),
    #[error("the control stream is gone: {0}")]
    Write(#[from] quinn::WriteError),
    #[error("the control stream is gone: {0}")]
    Read(#[from] quinn::ReadError),
    #[error("the node broke the protocol: {0}")]
    Link(#[from] LinkError),
    #[error("the node gave no usable certificate")]
    Certificate,
    #[error("the node did not introduce itself in time")]
    Silent,
    #[error("the node reads too slowly")]
    Slow,
    #[error("its report could not be made durable: {0}")]
    Change(#[from] ChangeError),
    #[error("the node was not let in")]
    Refused,
    #[error("the node is no longer a member")]
    Revoked,
    #[error("an administrator decided about the node while it was let in; it asks again")]
    Overtaken,
    #[error("the agent stopped")]
    Goodbye,
}

impl Ended {
    fn close_code(&self) -> u32 {
        match self {
            Self::Connection(_) | Self::Write(_) | Self::Read(_) | Self::Goodbye => close::NORMAL,
            Self::Link(_) | Self::Certificate | Self::Silent => close::PROTOCOL,
            Self::Slow | Self::Change(_) | Self::Overtaken => close::TROUBLE,
            Self::Refused => close::REFUSED,
            Self::Revoked => close::REVOKED,
        }
    }

    /// The API's words for `LastError`.
    fn for_people(&self) -> String {
        match self {
            Self::Connection(quinn::ConnectionError::TimedOut) => "heartbeat timeout".to_owned(),
            Self::Connection(quinn::ConnectionError::ApplicationClosed(_)) | Self::Goodbye => {
                "graceful shutdown".to_owned()
            }
            Self::Revoked => "node rejected".to_owned(),
            other => other.to_string(),
        }
    }
}

/// Serves one connection from its handshake to its end.
pub(super) async fn serve(incoming: quinn::Incoming, shared: Arc<Shared>) {
    let address = incoming.remote_address();
    let shaken = match recall::accept(incoming) {
        Ok((connecting, id)) => tokio::time::timeout(GREETING_TIME, connecting).await.map(|made| (made, id)),
        Err(error) => return tracing::debug!(%address, %error, "connection not accepted"),
    };
    let (connection, id) = match shaken {
        Ok((Ok(connection), id)) => (connection, id),
        Ok((Err(error), _)) => return tracing::debug!(%address, %error, "handshake failed"),
        Err(_) => return tracing::debug!(%address, "handshake took too long"),
    };
    let ended = converse(&connection, id, &shared).await.unwrap_or_else(|ended| ended);
    tracing::debug!(%address, reason = %ended, "connection ended");
    connection.close(ended.close_code().into(), ended.to_string().as_bytes());
}

async fn converse(
    connection: &quinn::Connection,
    connection_id: Option<ConnectionId>,
    shared: &Arc<Shared>,
) -> Result<Ended, Ended> {
    let key = key_fingerprint(connection).ok_or(Ended::Certificate)?;
    let greeting = tokio::time::timeout(GREETING_TIME, Wire::greeted(connection)).await;
    let (mut wire, hello) = greeting.map_err(|_| Ended::Silent)??;
    let membership = let_in(&mut wire, &hello, &key, shared).await?;
    let id = hello.info.node_id.clone();
    let member = Standing::Member { membership, key: key.clone() };
    let standing = shared.sessions.begin(&id, connection.clone(), connection_id, member);
    let ended = if shared.orchestrator.stands(&id, &key, membership) {
        shared.orchestrator.node_connected(&id, hello.usage.clone());
        let address = connection.remote_address();
        tracing::info!(node = %id, %address, membership = membership.as_str(), "node connected");
        let id = id.clone();
        let session = Session {
            id,
            key: key.clone(),
            wire,
            shared,
            standing,
            woken: Arc::default(),
            is_behind: false,
            inbox: VecDeque::new(),
            open: FuturesUnordered::new(),
        };
        session.run(membership).await
    } else {
        Ended::Overtaken
    };
    // An older session that this one took over from has nothing more to tell, so this holds however this one ended.
    if shared.sessions.end(&id, connection) {
        shared.orchestrator.node_disconnected(&id, &ended.for_people());
        tracing::info!(node = %id, reason = %ended, "node disconnected");
    } else {
        tell_of_copy(&id, &key, connection, shared).await;
    }
    Ok(ended)
}

/// A connection gave way to a newer one of its node. An agent has one at a time and leaves none behind that would answer,
/// so one that answers its end belongs to another agent with the same key.
async fn tell_of_copy(id: &NodeId, key: &str, older: &quinn::Connection, shared: &Shared) {
    let Some(newer) = shared.sessions.holder(id, key) else { return };
    if older.close_reason() != Some(quinn::ConnectionError::LocallyClosed) {
        return;
    }
    tokio::time::sleep(ANSWER_TIME).await;
    if older.stats().frame_rx.connection_close > 0 {
        tracing::warn!(
            node = %id,
            address = %older.remote_address(),
            taken_over_by = %newer,
            "another agent with this node's key has taken its place: stop one of the two, or give the copy an \
             identity of its own by a new data directory"
        );
    }
}

/// Answers the hello. Returns only for a node that was let in.
async fn let_in(
    wire: &mut Wire,
    hello: &Hello,
    key: &str,
    shared: &Arc<Shared>,
) -> Result<Membership, Ended> {
    let version = match HubLink::choose_version(hello) {
        Ok(version) => version,
        Err(mismatch) => {
            return wire
                .part(Refusal {
                    code: RefusalCode::Version,
                    message: mismatch.to_string(),
                    retry_after_s: 300,
                })
                .await;
        }
    };
    let guest = Guest {
        info: &hello.info,
        key,
        has_secret: shared.authority.is_secret(hello.secret.as_deref()),
        manual_approval: shared.manual_approval,
    };
    let greeted = shared.orchestrator.greet(&guest)?;
    if let Some(commit) = greeted.commit {
        commit.durable().await?;
    }
    match greeted.greeting {
        Greeting::Refused(refusal) => {
            tracing::warn!(node = %hello.info.node_id, code = ?refusal.code, "node refused");
            wire.part(refusal).await
        }
        Greeting::Welcome(membership) => {
            wire.link.welcome(Welcome {
                version,
                membership,
                now: clock::now(),
                sequence_floor: greeted.sequence_floor,
                artifact_key: shared.authority.artifact_public_key(),
            });
            Ok(membership)
        }
    }
}

/// SHA-256 of the public key whose possession the node proved in the handshake.
fn key_fingerprint(connection: &quinn::Connection) -> Option<String> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok()?;
    let certificate = webpki::EndEntityCert::try_from(chain.first()?).ok()?;
    Some(super::authority::hex(&Sha256::digest(certificate.subject_public_key_info())))
}

/// The control stream and the machine that speaks on it.
struct Wire {
    connection: quinn::Connection,
    send: quinn::SendStream,
    receive: quinn::RecvStream,
    link: HubLink,
    outgoing: BytesMut,
}

impl Wire {
    /// Waits for the node's first message.
    async fn greeted(connection: &quinn::Connection) -> Result<(Self, Box<Hello>), Ended> {
        let (send, receive) = connection.accept_bi().await?;
        let mut wire = Self {
            connection: connection.clone(),
            send,
            receive,
            link: HubLink::new(),
            outgoing: BytesMut::new(),
        };
        loop {
            let chunk = wire.receive.read_chunk(READ_BYTES, true).await?.ok_or(Ended::Silent)?;
            if let Some(HubEvent::Hello(hello)) = wire.link.receive(&chunk.bytes)?.into_iter().next() {
                return Ok((wire, hello));
            }
        }
    }

    /// Tells the node why it is not let in, and waits until it has heard it.
    async fn part<T>(&mut self, refusal: Refusal) -> Result<T, Ended> {
        self.link.refuse(refusal);
        self.flush_and_wait().await;
        Err(Ended::Refused)
    }

    /// Sends what there is and waits until the node closes its side, or for a while.
    async fn flush_and_wait(&mut self) {
        self.collect();
        let parting = async {
            self.send.write_all(&self.outgoing).await?;
            let _ = self.send.finish();
            self.connection.closed().await;
            Ok::<_, quinn::WriteError>(())
        };
        let _ = tokio::time::timeout(PARTING_TIME, parting).await;
    }

    fn collect(&mut self) {
        let bytes = self.link.transmit();
        self.outgoing.extend_from_slice(&bytes);
    }
}

/// A node that was let in.
struct Session<'a> {
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
    open: FuturesUnordered<BoxFuture<'static, Result<Option<u64>, ChangeError>>>,
}

impl Session<'_> {
    async fn run(mut self, membership: Membership) -> Ended {
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

    /// One thing happens.
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
                if let Some(event) = self.inbox.pop_front() {
                    self.handle(event, room)?;
                }
            }
            Some(durable) = self.open.next() => {
                if let Some(sequence) = durable? {
                    self.wire.link.acknowledge(sequence);
                }
            }
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
