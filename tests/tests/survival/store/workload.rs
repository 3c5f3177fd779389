//! Transactions that follow from their number alone, so that the right contents of a store follow from its revision.

use std::collections::BTreeMap;

use bacalhau_control_plane::store::{Entry, Revision, Store, Txn};
use bacalhau_tests::chance::Chance;
use bytes::Bytes;

const KEYS: u64 = 60;

/// The transaction that takes a store from revision `n - 1` to `n`: several keys, values from none to several pages.
pub(crate) fn txn(n: Revision) -> Txn {
    let mut chance = Chance::new(n);
    let txn = Txn::new().put("latest", n.to_be_bytes().to_vec());
    let first = chance.below(KEYS);
    let txn = (0..chance.below(4)).fold(txn, |txn, offset| {
        let length = if chance.below(8) == 0 { chance.index(20_000) } else { chance.index(300) };
        txn.put(key(first + offset), vec![n.to_be_bytes()[7]; length])
    });
    (4..4 + chance.below(2)).fold(txn, |txn, offset| txn.delete(key(first + offset)))
}

fn key(n: u64) -> String {
    format!("key/{}", n % KEYS)
}

/// Refuses contents that are not exactly those of revision `revision`.
fn compare(revision: Revision, found: Vec<Entry>) -> Result<(), String> {
    let mut right = BTreeMap::<Bytes, Entry>::new();
    for n in 1..=revision {
        let Txn { puts, deletes, .. } = txn(n);
        let puts = puts.into_iter().map(|(key, value)| (key.clone(), Entry { key, value, revision: n }));
        right.extend(puts);
        right.retain(|key, _| !deletes.contains(key));
    }
    if found.iter().eq(right.values()) {
        return Ok(());
    }
    Err(format!("the contents are not those of revision {revision}"))
}

/// Refuses a store that lost an acknowledged transaction, holds part of one, or takes no further one.
pub(crate) async fn verify(store: &impl Store, acknowledged: Revision) -> Result<(), String> {
    let kept = contents(store).await?;
    if kept < acknowledged {
        return Err(format!("revision {acknowledged} was acknowledged, {kept} is what was kept"));
    }
    store.txn(txn(kept + 1)).await.map_err(|error| error.to_string())?;
    match contents(store).await? {
        revision if revision == kept + 1 => Ok(()),
        revision => Err(format!("after revision {kept} came {revision}")),
    }
}

async fn contents(store: &impl Store) -> Result<Revision, String> {
    let range = store.range(Bytes::new(), Bytes::new(), usize::MAX, false).await;
    let range = range.map_err(|error| error.to_string())?;
    compare(range.revision, range.entries)?;
    Ok(range.revision)
}
