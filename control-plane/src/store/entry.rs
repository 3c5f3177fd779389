use bytes::Bytes;

/// Counts the transactions that changed something since the store was made; 0 is the empty store.
pub type Revision = u64;

/// A key, its value, and the revision of the transaction that last put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: Bytes,
    pub value: Bytes,
    pub revision: Revision,
}

/// What a range read found, all as of `revision`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    pub entries: Vec<Entry>,
    pub revision: Revision,
    /// Whether the limit cut off further entries.
    pub more: bool,
}

impl Range {
    /// Keeps `limit` entries of `found` and notes whether there were more.
    pub(super) fn collect<E>(
        found: impl Iterator<Item = Result<Entry, E>>,
        limit: usize,
        revision: Revision,
    ) -> Result<Self, E> {
        let mut found = found;
        let entries = found.by_ref().take(limit).collect::<Result<Vec<_>, E>>()?;
        let more = found.next().transpose()?.is_some();
        Ok(Self { entries, revision, more })
    }
}

/// The first key after all keys that start with `prefix`: the `end` of a range over them. Empty, which a range takes for
/// "to the last key", when there is none.
pub fn prefix_end(prefix: &[u8]) -> Bytes {
    let kept = prefix.iter().rposition(|&byte| byte != u8::MAX).map_or(0, |last| last + 1);
    let mut end = prefix[..kept].to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_follows_every_key_with_the_prefix() {
        assert_eq!(prefix_end(b"job/"), &b"job0"[..]);
        assert_eq!(prefix_end(b"a\xff\xff"), &b"b"[..]);
        assert_eq!(prefix_end(b"\xff"), &b""[..]);
        assert_eq!(prefix_end(b""), &b""[..]);
    }
}
