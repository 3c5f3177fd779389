use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use std::os::unix::fs::{MetadataExt, PermissionsExt};

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
fn room_is_set_aside_at_once_and_filled_as_it_is_needed() {
    const SIZE: u64 = 2 * PIECE_BYTES + 1000;
    let directory = TempDir::new().unwrap();
    let open = || Segment::open(directory.path().join("log"), SIZE, Durability::Disk).unwrap();
    let (mut segment, _) = open();
    let file = |segment: &Segment| std::fs::metadata(segment.path()).unwrap();
    if reserve(&tempfile::tempfile_in(&directory).unwrap(), 1).is_err() {
        assert_eq!(file(&segment).len(), SIZE, "this file system sets nothing aside");
        return;
    }
    assert!(file(&segment).blocks() * 512 >= SIZE);

    let mut lengths = vec![file(&segment).len()];
    let body = vec![b'x'; 100_000];
    let mut appended = 0;
    while segment.has_room(body.len()) {
        segment.append(appended, 1, &body).unwrap();
        appended += 1;
        lengths.push(file(&segment).len());
        let (again, records) = open();
        assert_eq!(numbers(&records), (0..appended).collect::<Vec<_>>());
        assert_eq!(again.lost_after(appended).unwrap(), None);
    }
    lengths.dedup();
    assert_eq!(lengths, [FIRST_BYTES, PIECE_BYTES, 2 * PIECE_BYTES]);
    segment.append(appended, 1, &[b'x'; 500]).unwrap();
    segment.restart();
    segment.append(appended + 1, 1, &body).unwrap();
    assert_eq!(open().0.read().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_set_aside_is_filled_or_refused() {
    let (size, piece) = (3 * PIECE_BYTES, PIECE_BYTES);
    let first = FIRST_BYTES;
    for (reserved, length, filled) in [
        (Ok(()), 0, Ok(first)),
        (Ok(()), 2 * piece + 1, Ok(2 * piece + 1)),
        (Ok(()), size, Ok(size)),
        (Err(Errno::NOSPC), 0, Err(Errno::NOSPC)),
        (Err(Errno::DQUOT), 0, Err(Errno::DQUOT)),
        (Err(Errno::NOSPC), piece, Ok(piece)),
        (Err(Errno::DQUOT), size, Ok(size)),
        (Err(Errno::OPNOTSUPP), 0, Ok(size)),
        (Err(Errno::OPNOTSUPP), piece, Ok(size)),
        (Err(Errno::OPNOTSUPP), size + 1, Ok(size + 1)),
    ] {
        assert_eq!(to_fill(reserved, length, size), filled, "{reserved:?} at {length}");
    }
}

#[test]
fn only_its_owner_reads_it() {
    let directory = TempDir::new().unwrap();
    let (segment, _) = open(&directory);
    let mode = std::fs::metadata(segment.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Writes two generations: what the first left behind must never be taken for the second's.
fn write_generations(directory: &TempDir, older: &[usize], newer: &[usize]) -> Vec<Record> {
    let (mut segment, _) = open(directory);
    let mut next = 1;
    let mut append = |segment: &mut Segment, body: usize| {
        segment.append(next, 1, &vec![b'x'; body]).unwrap();
        next += 1;
    };
    older.iter().for_each(|&body| append(&mut segment, body));
    segment.restart();
    newer.iter().for_each(|&body| append(&mut segment, body));
    segment.read().unwrap()
}

proptest! {
    /// Damage to the last record looks like a torn one. Everything else is noticed, and nothing else is.
    #[test]
    fn no_flipped_bit_costs_records_unnoticed(
        older in vec(0_usize..300, 0..8),
        newer in vec(0_usize..300, 1..8),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let directory = TempDir::new().unwrap();
        let written = write_generations(&directory, &older, &newer);
        let path = directory.path().join("log");
        let mut bytes = std::fs::read(&path).unwrap();
        let flipped = HEAD_BYTES + at.index(4 * 1024);
        bytes[flipped] ^= 1 << bit;
        std::fs::write(&path, bytes).unwrap();

        let (segment, read) = open(&directory);
        prop_assert_eq!(&read, &written[..read.len()]);
        let next = written[0].first + read.len() as u64;
        let lost = segment.lost_after(next).unwrap();
        match written.len() - read.len() {
            0 | 1 => prop_assert_eq!(lost, None),
            _ => prop_assert_eq!(lost, Some(Lost { offset: segment.used, last: written.last().unwrap().first })),
        }
    }
}

#[test]
fn a_damaged_head_is_no_empty_log() {
    let directory = TempDir::new().unwrap();
    let (mut segment, _) = open(&directory);
    segment.append(1, 1, b"x").unwrap();
    segment.file.write_all_at(&[0; HEAD_BYTES], 0).unwrap();
    let error = Segment::open(segment.path().to_owned(), SIZE, Durability::Disk).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_file_cut_where_the_damage_begins_goes_on_from_there() {
    let directory = TempDir::new().unwrap();
    let (mut segment, _) = open(&directory);
    (1..=4).for_each(|number| segment.append(number, 1, b"x").unwrap());
    segment.file.write_all_at(&[0; 4], segment.used / 2).unwrap();
    let (segment, read) = open(&directory);
    let lost = segment.lost_after(read.last().unwrap().end()).unwrap().unwrap();
    segment.file.set_len(lost.offset).unwrap();
    let (mut segment, again) = open(&directory);
    let next = again.last().unwrap().end();
    assert_eq!((again, segment.lost_after(next).unwrap()), (read, None));
    segment.append(next, 1, b"y").unwrap();
}

#[test]
fn what_a_user_stores_is_never_taken_for_a_record() {
    let directory = TempDir::new().unwrap();
    let (mut segment, _) = open(&directory);
    // Every number that may come next, in records as another file holds them.
    let forged: Vec<u8> = (1..500).flat_map(|number| encode(!segment.seed, number, 1, b"forged")).collect();
    segment.append(1, 1, &forged).unwrap();
    segment.restart();
    segment.append(2, 1, b"").unwrap();
    let (segment, records) = open(&directory);
    assert_eq!((numbers(&records), segment.lost_after(3).unwrap()), (vec![2], None));
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
    let whole = segment.used;
    segment.append(2, 1, &[7; 2000]).unwrap();
    segment.file.write_all_at(&[0; 512], whole + 1000).unwrap();
    let (mut segment, records) = open(&directory);
    assert_eq!((numbers(&records), segment.used), (vec![1], whole));
    assert_eq!(segment.lost_after(2).unwrap(), None);
    segment.append(2, 1, b"again").unwrap();
    assert_eq!(numbers(&open(&directory).1), [1, 2]);
}

#[test]
fn room_is_what_fits_exactly() {
    let directory = TempDir::new().unwrap();
    let (mut segment, _) = open(&directory);
    let most = usize::try_from(SIZE).unwrap() - HEAD_BYTES - HEADER_BYTES;
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

#[test]
fn a_record_that_begins_anywhere_around_the_end_of_a_chunk_is_found() {
    for shift in 0..=HEADER_BYTES {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("log");
        let size = 2 * CHUNK_BYTES as u64;
        let (mut segment, _) = Segment::open(path.clone(), size, Durability::Disk).unwrap();
        segment.append(1, 1, &vec![b'x'; CHUNK_BYTES - HEADER_BYTES - shift]).unwrap();
        segment.append(2, 1, b"later").unwrap();
        segment.file.write_all_at(&[0; 4], HEAD_BYTES as u64).unwrap();
        let (segment, records) = Segment::open(path, size, Durability::Disk).unwrap();
        let lost = Lost { offset: HEAD_BYTES as u64, last: 2 };
        assert_eq!((records, segment.lost_after(1).unwrap()), (vec![], Some(lost)), "shift {shift}");
    }
}
