//! A whole agent against the control plane's half of the link.

use bacalhau_protocol::link::HubEvent;
use bacalhau_protocol::model::{JobType, Membership, ObservedState};
use bacalhau_protocol::wire::{Refusal, RefusalCode};

use super::*;
use crate::config::{AllowedPath, JoinToken, Name, Orchestrator};
use crate::execution::fixtures::wish;
use crate::link::test_hub::{ARTIFACT_KEY, Authority, Conversation, Hub};

/// A configuration that joins this control plane.
fn config(data_dir: &std::path::Path, authority: &Authority, hub: &Hub) -> Config {
    let mut config = Config::new(data_dir);
    config.name = Name::Chosen(NodeId::parse("edge-1").unwrap());
    config.orchestrators = vec![Orchestrator { host: "127.0.0.1".to_owned(), port: hub.address().port() }];
    config.join = Some(JoinToken { authority: authority.fingerprint(), secret: "s3cret".to_owned() });
    config.labels.insert("zone".to_owned(), "a".to_owned());
    config
}

fn control_plane() -> (Authority, Hub) {
    let authority = Authority::new();
    let hub = Hub::start(authority.credentials(2020, 2040));
    (authority, hub)
}

/// The source that an agent built with its feature offers everywhere.
fn with_s3<'a>(others: &[&'a str]) -> Vec<&'a str> {
    others.iter().copied().chain(cfg!(feature = "s3").then_some("s3")).collect()
}

#[tokio::test]
async fn an_agent_joins_tells_what_changed_and_says_goodbye() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, mut hub) = control_plane();
    let mut config = config(directory.path(), &authority, &hub);
    let agent = Agent::start(config.clone()).await.unwrap();
    let (mut conversation, hello) = Conversation::open(&mut hub).await;
    assert_eq!(hello.secret.as_deref(), Some("s3cret"));
    assert_eq!((hello.info.labels["zone"].as_str(), hello.info.labels["name"].as_str()), ("a", "edge-1"));
    assert_eq!(hello.info.engines, ["wasm"]);
    assert_eq!(hello.info.publishers, ["local"]);
    assert_eq!(hello.info.sources, with_s3(&["inline"]));
    conversation.welcome().await;
    let mut status = agent.status();
    let status = *status.wait_for(|status| status.is_connected).await.unwrap();
    assert_eq!((status.membership, status.artifact_key), (Some(Membership::Approved), Some(ARTIFACT_KEY)));

    config.labels.insert("zone".to_owned(), "b".to_owned());
    config.allowed_paths = vec![AllowedPath::parse("/var/log:ro").unwrap()];
    agent.reload(&config).await;
    match conversation.hear().await {
        Some(HubEvent::Info(info)) => {
            assert_eq!(info.labels["zone"], "b");
            assert_eq!(info.sources, with_s3(&["inline", "localDirectory", "local"]));
        }
        other => panic!("expected the node's new description, got {other:?}"),
    }
    let stopping = tokio::spawn(agent.shutdown());
    assert_eq!(conversation.hear().await, Some(HubEvent::Goodbye));
    assert_eq!(conversation.hear().await, None);
    stopping.await.unwrap();
}

#[tokio::test]
async fn what_is_refused_follows_the_configuration_that_was_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, mut hub) = control_plane();
    let mut config = config(directory.path(), &authority, &hub);
    let agent = Agent::start(config.clone()).await.unwrap();
    let (mut conversation, _) = Conversation::open(&mut hub).await;
    conversation.welcome().await;

    config.admission.reject_stateless = true;
    agent.reload(&config).await;
    conversation.want(wish(JobType::Batch)).await;

    loop {
        if let Some(HubEvent::Observed { observation, .. }) = conversation.hear().await {
            assert_eq!(observation.state, ObservedState::Refused, "{observation:?}");
            assert!(observation.message.contains("without any input"), "{observation:?}");
            break;
        }
    }
    agent.shutdown().await;
}

#[tokio::test]
async fn a_member_comes_back_as_the_same_node_without_a_join_string() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, mut hub) = control_plane();
    let agent = Agent::start(config(directory.path(), &authority, &hub)).await.unwrap();
    let key = agent.key_fingerprint();
    let (mut conversation, _) = Conversation::open(&mut hub).await;
    conversation.welcome().await;
    agent.status().wait_for(|status| status.is_connected).await.unwrap();
    agent.shutdown().await;

    let agent = Agent::start(Config::new(directory.path())).await.unwrap();
    let (_conversation, hello) = Conversation::open(&mut hub).await;
    assert_eq!((hello.info.node_id.as_str(), hello.secret), ("edge-1", None));
    assert_eq!(agent.key_fingerprint(), key);
    agent.shutdown().await;
}

#[tokio::test]
async fn what_is_switched_off_is_not_offered() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, mut hub) = control_plane();
    let mut config = config(directory.path(), &authority, &hub);
    config.disabled_engines = vec!["wasm".to_owned()];
    config.disabled_sources = vec!["inline".to_owned(), "s3".to_owned()];
    config.disabled_publishers = vec!["local".to_owned()];
    let agent = Agent::start(config).await.unwrap();
    let (_conversation, hello) = Conversation::open(&mut hub).await;
    let info = hello.info;
    assert!(info.engines.is_empty() && info.publishers.is_empty() && info.sources.is_empty());
    assert_eq!(info.engine_profile, "");
    agent.shutdown().await;
}

#[tokio::test]
async fn a_refused_agent_stops_without_delay() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, mut hub) = control_plane();
    let agent = Agent::start(config(directory.path(), &authority, &hub)).await.unwrap();
    let (mut conversation, _) = Conversation::open(&mut hub).await;
    let refusal = Refusal { code: RefusalCode::Rejected, message: "no".to_owned(), retry_after_s: 600 };
    conversation.refuse(refusal).await;
    assert!(conversation.hear().await.is_none());
    agent.shutdown().await;
}

#[tokio::test]
async fn a_data_directory_in_use_and_a_missing_join_string_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let error = Agent::start(Config::new(directory.path())).await.err().unwrap();
    assert!(matches!(error, StartError::Authority(AuthorityError::Nobody)), "{error}");
    let (authority, hub) = control_plane();
    let agent = Agent::start(config(directory.path(), &authority, &hub)).await.unwrap();
    let error = Agent::start(config(directory.path(), &authority, &hub)).await.err().unwrap();
    assert!(matches!(error, StartError::DataDir(data_dir::Error::InUse(_))), "{error}");
    agent.shutdown().await;
}
