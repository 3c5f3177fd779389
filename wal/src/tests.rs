use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const SIZE: u64 = 64 * 1024;

fn open(directory: &TempDir) -> (Segment, Vec<Record>) {
    Segment::open(directory.path().join("log"), SIZE, Durability::Disk).unwrap()
}

/// The first numbers of the records.
fn numbers(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.first).collect()
}

proptest! {
    #[test]
    fn what_is_appended_is_read(bodies in vec((1_u32..4, vec(any::<u8>(), 0..2000)), 0..10)) {
        let directory = TempDir::new().unwrap();
        let (mut segment, _) = open(&directory);
        let mut first = 7;
        let mut written = Vec::new();
        for (count, body) in bodies {
            segment.append(first, count, &body).unwrap();
            written.push(Record { first, count, body: body.into() });
            first += u64::from(count);
        }
        prop_assert_eq!(&segment.read().unwrap(), &written);
        let (again, read) = open(&directory);
        prop_assert_eq!(read, written);
        prop_assert_eq!(again.used(), segment.used());
    }
}

#[test]
fn a_file_begun_anew_hides_what_it_held() {
    let directory = TempDir::new().unwrap();
    let (mut segment, _) = open(&directory);
    for number in 1..=3 {
        segment.append(number, 1, b"of one size").unwrap();
    }
    segment.restart();
    assert!(segment.read().unwrap().is_empty());
    // Of the size of the record it overwrites, so that old records follow at once.
    segment.append(4, 1, b"of one size").unwrap();
    assert_eq!(numbers(&segment.read().unwrap()), [4]);
    assert_eq!(numbers(&open(&directory).1), [4]);
}

#[test]
fn a_torn_record_ends_the_log_and_is_overwritten() {
    let directory = TempDir::new().unwrap();
    let (mut segment, _) = open(&directory);
    segment.append(1, 1, b"whole").unwrap();
    let whole = segment.used();
    segment.append(2, 1, &[7; 2000]).unwrap();
    segment.file.write_all_at(&[0; 512], whole + 1000).unwrap();
    let (mut segment, records) = open(&directory);
    assert_eq!((numbers(&records), segment.used()), (vec![1], whole));
    segment.append(2, 1, b"again").unwrap();
    assert_eq!(numbers(&open(&directory).1), [1, 2]);
}

#[test]
fn room_is_what_fits_exactly() {
    let directory = TempDir::new().unwrap();
    let (mut segment, _) = open(&directory);
    let most = usize::try_from(SIZE).unwrap() - HEADER_BYTES;
    assert!(segment.has_room(most));
    assert!(!segment.has_room(most + 1));
    segment.append(1, 1, &vec![1; most]).unwrap();
    assert!(!segment.has_room(0));
    assert_eq!(numbers(&open(&directory).1), [1]);
}

#[test]
fn after_a_failed_write_nothing_is_written_until_it_begins_anew() {
    let directory = TempDir::new().unwrap();
    let (mut segment, _) = open(&directory);
    segment.append(1, 1, b"x").unwrap();
    let read_only = File::open(segment.path()).unwrap();
    let writable = std::mem::replace(&mut segment.file, read_only);
    assert!(matches!(segment.append(2, 1, b"x"), Err(AppendError::Write { .. })));
    segment.file = writable;
    assert!(matches!(segment.append(2, 1, b"x"), Err(AppendError::Broken)));
    assert_eq!(numbers(&segment.read().unwrap()), [1]);
    segment.restart();
    segment.append(2, 1, b"x").unwrap();
    assert_eq!(numbers(&segment.read().unwrap()), [2]);
}
