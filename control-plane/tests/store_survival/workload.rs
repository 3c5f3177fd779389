//! Transactions that follow from their number alone, so that the right contents of a store follow from its revision.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use bacalhau_control_plane::store::{Entry, Revision, Store, Txn};
use bytes::Bytes;

/// A small generator (splitmix64): the same seed, the same run.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From the environment's `SEED`, else fresh; printed, so that a failed run can be repeated.
    pub(crate) fn printed(test: &str) -> Self {
        let given = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("{test}: SEED={seed}");
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }
}

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

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}
