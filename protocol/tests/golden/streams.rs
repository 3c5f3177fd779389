//! Messages of the streams beside the control stream, with their length prefixes.

use std::fmt::Debug;

use bacalhau_protocol::wire::stream::{self, HubRequest, LogItem, NodeRequest, Reply, ReplyCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Golden;
use super::samples::{execution_id, job_id};

/// One sample per message.
pub(crate) const NAMES: &[&str] = &[
    "node-request-logs",
    "node-request-results",
    "hub-request-blob",
    "hub-request-artifact",
    "hub-request-store-results",
    "hub-request-store-module",
    "reply-ok",
    "reply-refused",
    "log-item-stdout",
    "log-item-stderr",
    "log-item-end",
];

pub(crate) fn samples() -> Vec<Golden> {
    let node = node_requests().into_iter().map(|request| golden(name_node(&request), request));
    let hub = hub_requests().into_iter().map(|request| golden(name_hub(&request), request));
    let replies = replies().into_iter().map(|reply| golden(name_reply(&reply), reply));
    let items = [LogItem::Stdout(b"out".to_vec()), LogItem::Stderr(b"err".to_vec()), LogItem::End];
    let items = items.into_iter().map(|item| golden(name_item(&item), item));
    node.chain(hub).chain(replies).chain(items).collect()
}

fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(name: &str, message: T) -> Golden {
    Golden::new(
        name,
        message,
        |m| stream::encode(m).to_vec(),
        |bytes| {
            let (prefix, body) = bytes.split_first_chunk().expect("a length prefix");
            assert_eq!(stream::check_length(*prefix).expect("a length within limits"), body.len());
            stream::decode(body)
        },
    )
}

fn name_node(request: &NodeRequest) -> &'static str {
    match request {
        NodeRequest::Logs { .. } => NAMES[0],
        NodeRequest::Results { .. } => NAMES[1],
    }
}

fn name_hub(request: &HubRequest) -> &'static str {
    match request {
        HubRequest::Blob { .. } => NAMES[2],
        HubRequest::Artifact { .. } => NAMES[3],
        HubRequest::StoreResults { .. } => NAMES[4],
        HubRequest::StoreModule { .. } => NAMES[5],
    }
}

fn name_reply(reply: &Reply) -> &'static str {
    match reply {
        Reply::Ok { .. } => NAMES[6],
        Reply::Refused { .. } => NAMES[7],
    }
}

fn name_item(item: &LogItem) -> &'static str {
    match item {
        LogItem::Stdout(_) => NAMES[8],
        LogItem::Stderr(_) => NAMES[9],
        LogItem::End => NAMES[10],
    }
}

fn node_requests() -> Vec<NodeRequest> {
    vec![
        NodeRequest::Logs { execution_id: execution_id(), tail: true, follow: false },
        NodeRequest::Results { execution_id: execution_id(), offset: 70_000 },
    ]
}

fn hub_requests() -> Vec<HubRequest> {
    vec![
        HubRequest::Blob { hash: [1; 32], offset: 70_000 },
        HubRequest::Artifact { module: [2; 32], profile: "{}".to_owned() },
        HubRequest::StoreResults {
            job_id: job_id(),
            execution_id: execution_id(),
            hash: [3; 32],
            size: 70_000,
        },
        HubRequest::StoreModule { hash: [6; 32], size: 70_000 },
    ]
}

fn replies() -> Vec<Reply> {
    vec![
        Reply::Ok { size: 70_000, hash: [4; 32], signature: vec![5; 64] },
        Reply::Refused { code: ReplyCode::Forbidden, message: "not yours".to_owned() },
    ]
}
