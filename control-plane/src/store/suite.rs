//! What every store must do. An implementation calls [`run_on`] with a closure that makes an empty store and whatever
//! must outlive it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

macro_rules! run_on {
    ($make:expr) => {
        $crate::store::suite::run_on!($make;
            an_entry_carries_the_revision_of_its_last_put,
            a_range_is_ordered_bounded_and_says_whether_there_is_more,
            a_range_without_end_reaches_the_last_key,
            a_failed_guard_changes_nothing_and_names_its_key,
            a_txn_that_changes_nothing_takes_no_revision,
            txns_take_effect_in_the_order_of_the_calls,
            a_guard_sees_the_txns_before_it,
            a_dropped_future_does_not_recall_its_txn,
            limits_are_refused_before_anything_changes,
            a_watch_sees_every_batch_once_in_order,
            a_watch_from_the_past_replays_it,
            a_watch_below_the_floor_is_told_to_list_again,
            a_watch_ends_with_its_store,
        );
        proptest::proptest! {
            #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]
            #[test]
            fn behaves_like_a_sorted_map(steps in $crate::store::suite::steps()) {
                let (store, _kept) = ($make)();
                $crate::store::suite::block_on($crate::store::suite::compare_with_model(store, steps));
            }
        }
    };
    ($make:expr; $($case:ident,)*) => {$(
        #[test]
        fn $case() {
            let (store, _kept) = ($make)();
            $crate::store::suite::block_on($crate::store::suite::$case(store));
        }
    )*};
}
pub(super) use run_on;

pub(super) fn block_on(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(case);
}

fn put(key: &'static str, value: &'static str) -> Txn {
    Txn::new().put(key, value)
}

async fn value(store: &Arc<impl Store>, key: &'static str) -> Option<Bytes> {
    store.get(key.into()).await.unwrap().map(|entry| entry.value)
}

async fn keys(store: &Arc<impl Store>, start: &'static str, end: &'static str, reverse: bool) -> Vec<Bytes> {
    let range = store.range(start.into(), end.into(), 100, reverse).await.unwrap();
    range.entries.into_iter().map(|entry| entry.key).collect()
}

pub(super) async fn an_entry_carries_the_revision_of_its_last_put(store: Arc<impl Store>) {
    assert_eq!(store.get("a".into()).await.unwrap(), None);
    assert_eq!(store.txn(put("a", "1")).await.unwrap(), 1);
    assert_eq!(store.txn(put("b", "")).await.unwrap(), 2);
    assert_eq!(store.txn(put("a", "3")).await.unwrap(), 3);
    let entry = |key: &'static str, value: &'static str, revision| Entry {
        key: key.into(),
        value: value.into(),
        revision,
    };
    assert_eq!(store.get("a".into()).await.unwrap(), Some(entry("a", "3", 3)));
    assert_eq!(store.get("b".into()).await.unwrap(), Some(entry("b", "", 2)));
    store.txn(Txn::new().delete("a")).await.unwrap();
    assert_eq!(store.get("a".into()).await.unwrap(), None);
}

pub(super) async fn a_range_is_ordered_bounded_and_says_whether_there_is_more(store: Arc<impl Store>) {
    for key in ["b", "d", "a", "c", "e"] {
        store.txn(put(key, "x")).await.unwrap();
    }
    assert_eq!(keys(&store, "b", "e", false).await, ["b", "c", "d"]);
    assert_eq!(keys(&store, "b", "e", true).await, ["d", "c", "b"]);
    assert_eq!(keys(&store, "e", "b", false).await, Vec::<Bytes>::new());
    assert_eq!(keys(&store, "b", "b", true).await, Vec::<Bytes>::new());
    let exact = store.range("b".into(), "e".into(), 3, false).await.unwrap();
    assert_eq!((exact.entries.len(), exact.revision, exact.more), (3, 5, false));
    let cut = store.range("b".into(), "e".into(), 2, true).await.unwrap();
    assert_eq!((&cut.entries[1].key[..], cut.more), (&b"c"[..], true));
    let none = store.range("b".into(), "e".into(), 0, false).await.unwrap();
    assert!(none.entries.is_empty() && none.more);
}

pub(super) async fn a_range_without_end_reaches_the_last_key(store: Arc<impl Store>) {
    store.txn(put("a", "x").put("\u{fff}", "x")).await.unwrap();
    assert_eq!(keys(&store, "", "", false).await, ["a", "\u{fff}"]);
    assert_eq!(keys(&store, "b", "", true).await, ["\u{fff}"]);
    assert_eq!(keys(&store, "", "b", true).await, ["a"]);
}

pub(super) async fn a_failed_guard_changes_nothing_and_names_its_key(store: Arc<impl Store>) {
    store.txn(put("held", "1")).await.unwrap();
    let refused = [
        (Guard::Absent("held".into()), "held"),
        (Guard::At("held".into(), 2), "held"),
        (Guard::At("gone".into(), 0), "gone"),
        (Guard::Exists("gone".into()), "gone"),
    ];
    for (guard, culprit) in refused {
        let txn = put("new", "x").delete("held").exists("held").guard(guard);
        match store.txn(txn).await {
            Err(TxnError::Conflict { key }) => assert_eq!(key, culprit),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(keys(&store, "", "", false).await, ["held"]);
    let met = put("new", "x").at("held", 1).exists("held").absent("new").absent("gone");
    assert_eq!(store.txn(met).await.unwrap(), 2);
}

pub(super) async fn a_txn_that_changes_nothing_takes_no_revision(store: Arc<impl Store>) {
    let mut watch = store.watch(1).unwrap();
    assert_eq!(store.txn(Txn::new()).await.unwrap(), 0);
    assert_eq!(store.txn(Txn::new().absent("a").delete("a")).await.unwrap(), 0);
    assert_eq!(store.txn(put("a", "1").delete("b")).await.unwrap(), 1);
    let seen = watch.next().await.unwrap();
    assert_eq!(*seen.changes, [Change { key: "a".into(), value: Some("1".into()) }]);
}

pub(super) async fn txns_take_effect_in_the_order_of_the_calls(store: Arc<impl Store>) {
    let pending: Vec<_> =
        (0..1000u32).map(|n| store.txn(Txn::new().put("n", n.to_be_bytes().to_vec()))).collect();
    for (n, acknowledged) in (1..).zip(pending) {
        assert_eq!(acknowledged.await.unwrap(), n);
    }
    assert_eq!(value(&store, "n").await.unwrap(), 999u32.to_be_bytes()[..]);
}

pub(super) async fn a_guard_sees_the_txns_before_it(store: Arc<impl Store>) {
    let first = store.txn(put("a", "1").absent("a"));
    let second = store.txn(put("a", "2").absent("a"));
    let third = store.txn(put("a", "3").at("a", 1));
    assert_eq!(first.await.unwrap(), 1);
    assert!(matches!(second.await, Err(TxnError::Conflict { .. })));
    assert_eq!(third.await.unwrap(), 2);
}

pub(super) async fn a_dropped_future_does_not_recall_its_txn(store: Arc<impl Store>) {
    drop(store.txn(put("a", "1")));
    assert_eq!(store.txn(put("b", "2")).await.unwrap(), 2);
    assert_eq!(value(&store, "a").await.unwrap(), "1");
}

pub(super) async fn limits_are_refused_before_anything_changes(store: Arc<impl Store>) {
    let big = Bytes::from(vec![0; MAX_VALUE_BYTES]);
    let key = |len: usize| Bytes::from(vec![b'k'; len]);
    let ops = |n: usize| (0..n).fold(Txn::new(), |txn, n| txn.put(format!("k{n}"), "x"));
    let over = [
        Txn::new().put(key(MAX_KEY_BYTES + 1), "x"),
        Txn::new().exists(key(MAX_KEY_BYTES + 1)),
        Txn::new().put("a", vec![0; MAX_VALUE_BYTES + 1]),
        ops(MAX_TXN_OPS).delete("z"),
        (0..=MAX_TXN_OPS).fold(Txn::new(), |txn, _| txn.absent("a")),
        Txn::new().put("a", big.clone()).put("b", big.clone()).put("c", ""),
    ];
    for txn in over {
        assert!(matches!(store.txn(txn).await, Err(TxnError::Limit { .. })));
    }
    assert!(matches!(store.txn(put("", "x")).await, Err(TxnError::EmptyKey)));
    assert!(matches!(store.txn(put("a", "x").delete("a")).await, Err(TxnError::Duplicate { .. })));
    assert_eq!(keys(&store, "", "", false).await, Vec::<Bytes>::new());

    store.txn(Txn::new().put(key(MAX_KEY_BYTES), big.clone())).await.unwrap();
    store.txn(ops(MAX_TXN_OPS)).await.unwrap();
    let held = store.get(key(MAX_KEY_BYTES)).await.unwrap().unwrap();
    assert_eq!(held.value, big);
}

pub(super) async fn a_watch_sees_every_batch_once_in_order(store: Arc<impl Store>) {
    store.txn(put("old", "x")).await.unwrap();
    let mut watch = store.watch(2).unwrap();
    let mut other = store.watch(3).unwrap();
    store.txn(put("a", "1").put("b", "1").delete("old")).await.unwrap();
    store.txn(put("a", "2")).await.unwrap();
    let change = |key: &'static str, value: Option<&'static str>| Change {
        key: key.into(),
        value: value.map(Bytes::from),
    };
    let first = watch.next().await.unwrap();
    assert_eq!(first.revision, 2);
    assert_eq!(*first.changes, [change("a", Some("1")), change("b", Some("1")), change("old", None)]);
    let second = watch.next().await.unwrap();
    assert_eq!((second.revision, &*second.changes), (3, &[change("a", Some("2"))][..]));
    assert_eq!(other.next().await.unwrap(), second);
    let (next, _) = tokio::join!(watch.next(), store.txn(put("late", "x")));
    assert_eq!(next.unwrap().revision, 4);
}

pub(super) async fn a_watch_from_the_past_replays_it(store: Arc<impl Store>) {
    for key in ["a", "b", "c"] {
        store.txn(put(key, "x")).await.unwrap();
    }
    let mut watch = store.watch(2).unwrap();
    assert_eq!(watch.next().await.unwrap().revision, 2);
    assert_eq!(watch.next().await.unwrap().revision, 3);
}

pub(super) async fn a_watch_below_the_floor_is_told_to_list_again(store: Arc<impl Store>) {
    let mut slow = store.watch(1).unwrap();
    assert_eq!(store.watch(0).err(), Some(Compacted { floor: 1 }));
    let big = Bytes::from(vec![0; MAX_VALUE_BYTES]);
    for _ in 0..=MAX_LOG_BYTES / MAX_VALUE_BYTES {
        store.txn(Txn::new().put("big", big.clone())).await.unwrap();
    }
    let Err(Compacted { floor }) = store.watch(1) else { panic!("the log kept everything") };
    assert!(floor > 1);
    assert!(matches!(slow.next().await, Err(Error::Compacted(c)) if c.floor == floor));
    assert!(matches!(slow.next().await, Err(Error::Compacted(_))));
    assert_eq!(store.watch(floor).unwrap().next().await.unwrap().revision, floor);
}

pub(super) async fn a_watch_ends_with_its_store(store: Arc<impl Store>) {
    let mut watch = store.watch(1).unwrap();
    drop(store.txn(put("a", "x")));
    drop(store);
    assert_eq!(watch.next().await.unwrap().revision, 1);
    assert!(matches!(watch.next().await, Err(Error::Closed)));
    assert!(matches!(watch.next().await, Err(Error::Closed)));
}

/// Over few keys, so that guards, overwrites and deletes meet.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Write { guards: Vec<Guard>, puts: BTreeMap<u8, Vec<u8>>, deletes: Vec<u8> },
    Read { start: u8, end: u8, limit: usize, reverse: bool },
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..8u8;
    let guard = (key.clone(), 0..3u8, 0..20u64).prop_map(|(key, kind, revision)| match kind {
        0 => Guard::Absent(name(key)),
        1 => Guard::At(name(key), revision),
        _ => Guard::Exists(name(key)),
    });
    let puts = proptest::collection::btree_map(key.clone(), vec(any::<u8>(), 0..6), 0..4);
    let write = (vec(guard, 0..2), puts, vec(key.clone(), 0..2))
        .prop_map(|(guards, puts, deletes)| Step::Write { guards, puts, deletes });
    let read = (key.clone(), key, 0..6usize, any::<bool>())
        .prop_map(|(start, end, limit, reverse)| Step::Read { start, end, limit, reverse });
    vec(prop_oneof![3 => write, 1 => read], 1..40)
}

fn name(key: u8) -> Bytes {
    // Key 0 is the empty end of a range, and no key of a txn.
    Bytes::from(vec![b'k'; usize::from(key)])
}

type Model = BTreeMap<Bytes, (Revision, Bytes)>;

/// Runs the steps on the store and on a map, and compares every answer; at the end, compares what a watch saw too.
pub(super) async fn compare_with_model(store: Arc<impl Store>, steps: Vec<Step>) {
    let mut watch = store.watch(1).unwrap();
    let (mut model, mut revision) = (Model::new(), 0);
    for step in steps {
        match step {
            Step::Write { guards, puts, deletes } => {
                let puts = puts.into_iter().map(|(key, value)| (name(key), value.into())).collect();
                let txn = Txn { guards, puts, deletes: deletes.into_iter().map(name).collect() };
                let expected = model_txn(&mut model, &mut revision, &txn);
                assert_eq!(store.txn(txn).await.ok(), expected);
            }
            Step::Read { start, end, limit, reverse } => {
                let found = store.range(name(start), name(end), limit, reverse).await.unwrap();
                assert_eq!(found, model_range(&model, revision, name(start), name(end), limit, reverse));
            }
        }
    }
    let mut replica = BTreeMap::new();
    for expected in 1..=revision {
        let batch = watch.next().await.unwrap();
        assert_eq!(batch.revision, expected);
        for change in batch.changes.iter() {
            match &change.value {
                Some(value) => drop(replica.insert(change.key.clone(), (expected, value.clone()))),
                None => drop(replica.remove(&change.key)),
            }
        }
    }
    assert_eq!(replica, model);
}

/// The new or unchanged revision, or nothing when the txn must be refused.
fn model_txn(model: &mut Model, revision: &mut Revision, txn: &Txn) -> Option<Revision> {
    let mut changed: Vec<_> = txn.puts.iter().map(|(key, _)| key).chain(&txn.deletes).collect();
    let empty = changed.iter().any(|key| key.is_empty()) || txn.guards.iter().any(|g| g.key().is_empty());
    changed.sort();
    let twice = changed.windows(2).any(|pair| pair[0] == pair[1]);
    let held = txn.guards.iter().all(|guard| match guard {
        Guard::Absent(key) => !model.contains_key(key),
        Guard::At(key, at) => model.get(key).is_some_and(|(found, _)| found == at),
        Guard::Exists(key) => model.contains_key(key),
    });
    if empty || twice || !held {
        return None;
    }
    if !txn.puts.is_empty() || txn.deletes.iter().any(|key| model.contains_key(key)) {
        *revision += 1;
    }
    for (key, value) in &txn.puts {
        model.insert(key.clone(), (*revision, value.clone()));
    }
    for key in &txn.deletes {
        model.remove(key);
    }
    Some(*revision)
}

fn model_range(
    model: &Model,
    revision: Revision,
    start: Bytes,
    end: Bytes,
    limit: usize,
    reverse: bool,
) -> Range {
    let mut entries: Vec<_> = model
        .iter()
        .filter(|(key, _)| **key >= start && (end.is_empty() || **key < end))
        .map(|(key, (revision, value))| Entry { key: key.clone(), value: value.clone(), revision: *revision })
        .collect();
    if reverse {
        entries.reverse();
    }
    let more = entries.len() > limit;
    entries.truncate(limit);
    Range { entries, revision, more }
}
