use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;

use super::watch::Compacted;

/// Why a read or a watch gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Compacted(#[from] Compacted),
    #[error("the store is closed")]
    Closed,
    #[error("reading the store failed")]
    Storage(#[source] Arc<dyn StdError + Send + Sync>),
}

/// Why a transaction was not acknowledged. Only after [`TxnError::Broken`] and [`TxnError::Closed`] may it still have
/// taken effect; after all others it has not.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TxnError {
    #[error("a guard on key \"{}\" did not hold: read it again and decide anew", key.escape_ascii())]
    Conflict { key: Bytes },
    #[error("{what} is {actual}, allowed are at most {limit}: split it or store less")]
    Limit { what: &'static str, actual: usize, limit: usize },
    #[error("a key is empty: every key has at least one byte")]
    EmptyKey,
    #[error("key \"{}\" is changed twice in one transaction", key.escape_ascii())]
    Duplicate { key: Bytes },
    #[error("the disk is behind by {waiting} transactions: try again later")]
    Overloaded { waiting: usize },
    #[error("the store is closed")]
    Closed,
    #[error("writing the store failed")]
    Storage(#[source] Arc<dyn StdError + Send + Sync>),
    #[error("the store's log could not be written: it takes nothing more until it is opened again")]
    Broken(#[source] Arc<dyn StdError + Send + Sync>),
}

impl TxnError {
    /// Only opening the store again can help.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Broken(_) | Self::Closed)
    }
}
