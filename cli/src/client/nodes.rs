//! Nodes (api.md 3.12 to 3.14).

use bacalhau_protocol::api::{
    ErrorBody, GetNodeResponse, ListNodesResponse, NodeActionRequest, NodeActionResponse, NodeState,
};

use super::{Client, Error, NODES, Result, said_if, said_unless_zero, with_query};

/// Which nodes to list. Empty texts ask for nothing.
#[derive(Clone, Debug, Default)]
pub struct NodeListQuery {
    /// At most so many; 0 for all.
    pub limit: u32,
    /// Where the page before ended.
    pub next_token: String,
    /// Field to sort by.
    pub order_by: String,
    /// Sort the other way round.
    pub reverse: bool,
    /// Label selector.
    pub labels: String,
    /// `approved`, `pending` or `rejected`.
    pub approval: String,
    /// `connected` or `disconnected`.
    pub status: String,
}

/// What is decided about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeAction {
    /// It may take work.
    Approve {
        /// The key that asked last takes over the node's name, as after its machine was set up again.
        replace_key: bool,
    },
    /// It may not, and what it runs is stopped.
    Reject,
    /// It is forgotten.
    Delete,
}

impl NodeAction {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Reject => "reject",
            Self::Delete => "delete",
        }
    }
}

impl Client {
    /// A page of nodes.
    pub async fn nodes(&self, query: &NodeListQuery) -> Result<ListNodesResponse> {
        let pairs = [
            ("limit", said_unless_zero(query.limit.into())),
            ("next_token", query.next_token.clone()),
            ("order_by", query.order_by.clone()),
            ("reverse", said_if(query.reverse)),
            ("labels", query.labels.clone()),
            ("filter-approval", query.approval.to_uppercase()),
            ("filter-status", query.status.to_uppercase()),
        ];
        self.get(with_query(self.url(NODES, &[])?, &pairs)).await
    }

    /// One node, by its id or the unique beginning of it.
    pub async fn node(&self, id: &str) -> Result<NodeState> {
        let answer: GetNodeResponse = self.get(self.url(NODES, &[id])?).await?;
        Ok(answer.node)
    }

    /// Decides about a node.
    pub async fn decide(&self, id: &str, action: NodeAction, message: &str) -> Result<()> {
        let request = NodeActionRequest {
            action: action.as_str().to_owned(),
            message: message.to_owned(),
            node_id: id.to_owned(),
            replace_key: action == NodeAction::Approve { replace_key: true },
        };
        let answer: NodeActionResponse = self.put(self.url(NODES, &[id])?, &request).await?;
        // Servers up to 1.5 refuse with status 200.
        if answer.success {
            Ok(())
        } else {
            Err(Error::Api(Box::new(ErrorBody { message: answer.error, ..ErrorBody::default() })))
        }
    }
}
