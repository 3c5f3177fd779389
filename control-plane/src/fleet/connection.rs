//! One connection, from its handshake to its end: who it is, whether it is let in, and its session if it is.

use std::sync::Arc;
use std::time::Duration;

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::link::HubLink;
use bacalhau_protocol::model::Membership;
use bacalhau_protocol::wire::{Hello, Refusal, RefusalCode, Welcome};
use quinn_proto::ConnectionId;
use sha2::{Digest, Sha256};

use super::session::Session;
use super::sessions::Standing;
use super::wire::{Ended, Wire};
use super::{Shared, recall};
use crate::clock;
use crate::orchestrator::{Greeting, Guest};

/// How long a stranger may take from its first packet to its first message.
const GREETING_TIME: Duration = Duration::from_secs(15);
/// How long an agent that is cut off may take to answer that it heard; the transport forgets it sooner on a fast line.
const ANSWER_TIME: Duration = Duration::from_secs(3);

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
        Session::new(id.clone(), key.clone(), wire, shared, standing).run(membership).await
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
