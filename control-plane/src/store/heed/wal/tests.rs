use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn open(directory: &TempDir, stored: Revision) -> Result<(Wal, Held), OpenError> {
    Wal::open(directory.path(), Options::default(), stored)
}

fn batch(revision: Revision, value: usize) -> Batch {
    let value = Some(vec![b'v'; value].into());
    Batch { revision, changes: [Change { key: "key".into(), value }].into() }
}

/// The revisions held: frozen, active.
fn revisions(held: &Held) -> (Vec<Revision>, Vec<Revision>) {
    let of = |batches: &[Batch]| batches.iter().map(|batch| batch.revision).collect();
    (of(&held.frozen), of(&held.active))
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(groups in vec(vec(vec(change(), 1..4), 1..4), 0..4)) {
        let directory = TempDir::new().unwrap();
        let (mut wal, _) = open(&directory, 0).unwrap();
        let mut written = Vec::new();
        for group in groups {
            let first = written.len() as Revision + 1;
            let batches: Vec<_> = (first..)
                .zip(group)
                .map(|(revision, changes)| Batch { revision, changes: changes.into() })
                .collect();
            wal.append(&batches).unwrap();
            written.extend(batches);
        }
        prop_assert_eq!(open(&directory, 0).unwrap().1.active, written);
    }
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = || vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    (bytes(), proptest::option::of(bytes())).prop_map(|(key, value)| Change { key, value })
}

#[test]
fn a_log_goes_on_where_it_was_left() {
    let directory = TempDir::new().unwrap();
    let (mut wal, _) = open(&directory, 0).unwrap();
    wal.append(&[batch(1, 10), batch(2, 0)]).unwrap();
    wal.rotate();
    wal.append(&[batch(3, 10)]).unwrap();
    let (mut wal, held) = open(&directory, 0).unwrap();
    assert_eq!(revisions(&held), (vec![1, 2], vec![3]));
    wal.append(&[batch(4, 10)]).unwrap();
    let (_, held) = open(&directory, 2).unwrap();
    assert_eq!(revisions(&held), (vec![], vec![3, 4]));
}

#[test]
fn a_file_begun_anew_hides_what_it_held() {
    let directory = TempDir::new().unwrap();
    let (mut wal, _) = open(&directory, 0).unwrap();
    for revision in 1..=3 {
        wal.append(&[batch(revision, 10)]).unwrap();
    }
    wal.rotate();
    wal.append(&[batch(4, 10)]).unwrap();
    wal.rotate();
    // Of the size of the record it overwrites, so that old records follow at once.
    wal.append(&[batch(5, 10)]).unwrap();
    assert_eq!(revisions(&open(&directory, 3).unwrap().1), (vec![4], vec![5]));
}

#[test]
fn when_the_database_holds_all_the_log_begins_anew() {
    let directory = TempDir::new().unwrap();
    let (mut wal, _) = open(&directory, 0).unwrap();
    wal.append(&[batch(1, 10), batch(2, 10)]).unwrap();
    let (mut wal, held) = open(&directory, 2).unwrap();
    assert_eq!(revisions(&held), (vec![], vec![]));
    assert_eq!(wal.used(), 0);
    wal.append(&[batch(3, 10)]).unwrap();
    assert_eq!(revisions(&open(&directory, 2).unwrap().1), (vec![], vec![3]));
}

#[test]
fn a_gap_is_an_error_that_names_it() {
    let directory = TempDir::new().unwrap();
    let (mut wal, _) = open(&directory, 0).unwrap();
    wal.append(&[batch(5, 10)]).unwrap();
    let refused = open(&directory, 2).err().unwrap();
    assert_eq!(refused.to_string(), "revisions 3 to 4 are in no file of the store: restore it from a backup");
}

/// Writes revisions 1 to 3 and 4 to 6, so that both files are in use, and damages one byte of a file.
fn damaged(file: &str, at: fn(usize) -> usize) -> (TempDir, std::path::PathBuf) {
    let directory = TempDir::new().unwrap();
    let (mut wal, _) = open(&directory, 0).unwrap();
    (1..=3).for_each(|revision| wal.append(&[batch(revision, 10)]).unwrap());
    wal.rotate();
    (4..=6).for_each(|revision| wal.append(&[batch(revision, 10)]).unwrap());
    let path = directory.path().join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[at(used)] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

#[test]
fn damage_in_the_middle_is_an_error_that_says_how_to_go_on() {
    let files = ["wal.0", "wal.1"].map(|file| damaged(file, |used| used / 2));
    let (directory, path, last) = files
        .into_iter()
        .find_map(|(directory, path)| match open(&directory, 0).err().unwrap() {
            error @ OpenError::Damaged { from: 5, to: 6, offset, .. } => {
                let advice = format!("or give them up: truncate -s {offset} {}", path.display());
                assert!(error.to_string().ends_with(&advice), "{error}");
                Some((directory, path, offset))
            }
            _ => None,
        })
        .unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_len(last).unwrap();
    let (mut wal, held) = open(&directory, 0).unwrap();
    assert_eq!(revisions(&held), (vec![1, 2, 3], vec![4]));
    wal.append(&[batch(5, 10)]).unwrap();
    assert_eq!(revisions(&open(&directory, 0).unwrap().1), (vec![1, 2, 3], vec![4, 5]));
}

#[test]
fn damage_to_the_first_record_of_the_newer_file_hides_nothing() {
    for file in ["wal.0", "wal.1"] {
        let (directory, _) = damaged(file, |_| 40);
        assert!(matches!(open(&directory, 0), Err(OpenError::Damaged { .. } | OpenError::Gap { .. })));
    }
}

#[test]
fn the_largest_group_has_room_in_an_empty_file() {
    let largest = crate::store::MAX_TXN_OPS;
    let txn = (0..largest).fold(Txn::new(), |txn, n| txn.put(n.to_string(), ""));
    let group = std::iter::repeat_n(&txn, super::super::queue::MAX_GROUP_TXNS);
    let largest = Wal::bound(group) + super::super::queue::MAX_GROUP_BYTES;
    let directory = TempDir::new().unwrap();
    assert!(open(&directory, 0).unwrap().0.has_room(largest));
}
