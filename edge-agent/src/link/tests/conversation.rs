//! The control stream and the life of connections.

use bacalhau_protocol::wire::{Refusal, RefusalCode};
use quinn::VarInt;

use super::super::outgoing::{Command, End};
use super::super::session::last_words;
use super::relay::Relay;
use super::*;

async fn connected(events: &mut mpsc::Receiver<LinkEvent>) -> Outgoing {
    match events.recv().await {
        Some(LinkEvent::Connected(outgoing)) => outgoing,
        other => panic!("expected a connection, got {other:?}"),
    }
}

#[tokio::test]
async fn bytes_flow_both_ways_and_a_restart_is_followed() {
    let (mut setup, mut events) = Setup::start();
    for round in [b"one", b"two"] {
        let outgoing = connected(&mut events).await;
        outgoing.send(Bytes::from_static(round));
        let connection = setup.hub.accept().await;
        let (mut writing, mut reading) = connection.accept_bi().await.unwrap();
        let mut heard = [0; 3];
        reading.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, round);
        writing.write_all(b"answer").await.unwrap();
        assert!(matches!(events.recv().await, Some(LinkEvent::Bytes(bytes)) if &bytes[..] == b"answer"));
        connection.close(VarInt::from_u32(0), b"");
        assert!(matches!(events.recv().await, Some(LinkEvent::Disconnected)));
    }
}

#[tokio::test]
async fn a_connection_outlives_a_change_of_address() {
    let mut relay = None;
    let (mut setup, mut events) = Setup::start_by_way_of(|hub| relay.insert(Relay::start(hub)).address);
    let outgoing = connected(&mut events).await;
    outgoing.send(Bytes::from_static(b"one"));
    let connection = setup.hub.accept().await;
    let (mut writing, mut reading) = connection.accept_bi().await.unwrap();
    let mut heard = [0; 3];
    reading.read_exact(&mut heard).await.unwrap();
    let before = connection.remote_address();

    let relay = relay.unwrap();
    relay.move_device().await;
    outgoing.send(Bytes::from_static(b"two"));
    reading.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"two");
    writing.write_all(b"answer").await.unwrap();
    assert!(matches!(events.recv().await, Some(LinkEvent::Bytes(bytes)) if &bytes[..] == b"answer"));
    assert_ne!(connection.remote_address(), before);
}

#[tokio::test]
async fn an_authority_is_pinned_by_a_welcome_and_not_before() {
    let (mut setup, mut events) = Setup::start();
    let outgoing = connected(&mut events).await;
    let _connection = setup.hub.accept().await;
    assert!(!setup.path(AUTHORITY_FILE).exists() && !setup.client.is_connected());
    outgoing.welcomed();
    outgoing.end(End::Goodbye);
    setup.running.await.unwrap();
    let kept = std::fs::read_to_string(setup.directory.path().join(AUTHORITY_FILE)).unwrap();
    assert!(kept.contains(&setup.hub.address().to_string()), "{kept}");
}

#[tokio::test]
async fn the_last_bytes_before_a_goodbye_arrive_and_the_link_ends() {
    let (mut setup, mut events) = Setup::start();
    let outgoing = connected(&mut events).await;
    let connection = setup.hub.accept().await;
    outgoing.send(Bytes::from(vec![1; 100_000]));
    outgoing.end(End::Goodbye);
    let (_writing, mut reading) = connection.accept_bi().await.unwrap();
    assert_eq!(reading.read_to_end(200_000).await.unwrap().len(), 100_000);
    assert!(matches!(events.recv().await, Some(LinkEvent::Disconnected)));
    setup.running.await.unwrap();
    assert!(matches!(connection.closed().await, quinn::ConnectionError::ApplicationClosed(close)
        if close.error_code == VarInt::from_u32(0)));
}

#[tokio::test]
async fn a_link_is_stopped_in_the_middle_of_a_conversation() {
    let (setup, mut events) = Setup::start();
    let outgoing = connected(&mut events).await;
    setup.stop.cancel();
    setup.running.await.unwrap();
    drop(outgoing);
    assert!(matches!(events.recv().await, Some(LinkEvent::Disconnected)));
}

#[tokio::test]
async fn a_broken_protocol_closes_with_its_code() {
    let (mut setup, mut events) = Setup::start();
    connected(&mut events).await.end(End::Broken);
    let closed = setup.hub.accept().await.closed().await;
    assert!(matches!(closed, quinn::ConnectionError::ApplicationClosed(close)
        if close.error_code == VarInt::from_u32(3)));
}

#[tokio::test]
async fn the_actors_verdict_counts_although_the_connection_went_first() {
    let (outgoing, commands) = Outgoing::new();
    let refusal = Refusal { code: RefusalCode::Rejected, message: String::new(), retry_after_s: 1 };
    outgoing.send(Bytes::from_static(b"late"));
    outgoing.end(End::Refused(refusal.clone()));
    drop(outgoing);
    assert_eq!(last_words(commands).await, Some(End::Refused(refusal)));
}

#[tokio::test]
async fn a_control_plane_that_does_not_listen_is_noticed() {
    let (outgoing, mut commands) = Outgoing::new();
    let mut sent = 0_u32;
    while commands.queue.len() < commands.queue.max_capacity() {
        outgoing.send(Bytes::from_static(b"x"));
        sent += 1;
    }
    outgoing.send(Bytes::from_static(b"one too many"));
    commands.overflow.notified().await;
    assert!(matches!(commands.queue.recv().await, Some(Command::Send(_))));
    assert!(sent > 0);
}
