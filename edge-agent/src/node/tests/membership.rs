use bacalhau_protocol::model::{JobType, Membership, ObservedState};
use bacalhau_protocol::wire::{Refusal, RefusalCode};

use super::world::wish;
use super::{Module, World};
use crate::link::End;

#[tokio::test]
async fn a_welcome_tells_how_the_node_stands() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    let mut status = world.node.status();
    let now = *status.wait_for(|status| status.membership.is_some()).await.unwrap();
    assert!(now.is_connected);
    assert_eq!((now.membership, now.artifact_key), (Some(Membership::Approved), Some([7; 32])));
    world.hub.cut().await;
    status.wait_for(|status| !status.is_connected).await.unwrap();
}

#[tokio::test]
async fn a_revoked_node_stops_everything_and_hangs_up() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    world.want(wish("e-1", JobType::Daemon, Module::Loops)).await;
    world.hub.observed_as(ObservedState::Running).await;
    world.hub.say(|link| link.revoke("the node was rejected".into())).await;
    assert_eq!(world.hub.ended().await, End::Revoked);
    world.hub.cut().await;
    world.welcome().await;
    let told = world.hub.observed_as(ObservedState::Stopped).await;
    assert_eq!(told.message, "the node was rejected");
}

#[tokio::test]
async fn what_the_control_plane_does_not_know_is_stopped_and_forgotten() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.welcome().await;
    world.want(wish("e-1", JobType::Daemon, Module::Loops)).await;
    world.hub.observed_as(ObservedState::Running).await;
    world.hub.cut().await;
    assert_eq!(world.welcome().await.known.len(), 1);
    let nobody = std::collections::BTreeSet::new();
    world.hub.say(|link| link.disown_all_but(&nobody)).await;
    // A later one ends only after the first has given its capacity back and is gone.
    world.want(wish("e-2", JobType::Ops, Module::Exits(0))).await;
    world.hub.observed_as(ObservedState::Completed).await;
    world.node.shutdown().await;
}

#[tokio::test]
async fn a_refusal_and_a_broken_conversation_end_the_connection() {
    let data = tempfile::tempdir().unwrap();
    let mut world = World::in_memory(data.path());
    world.hub.connect().await;
    let refusal = Refusal { code: RefusalCode::WrongSecret, message: "no".into(), retry_after_s: 5 };
    world.hub.say(|link| link.refuse(refusal.clone())).await;
    assert_eq!(world.hub.ended().await, End::Refused(refusal));
    world.hub.cut().await;
    world.hub.connect().await;
    world.hub.garble().await;
    assert_eq!(world.hub.ended().await, End::Broken);
}
