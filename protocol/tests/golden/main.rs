//! Released bytes never change (see `protocol/src/wire.rs`): every message and record has a file under
//! `protocol/golden/`, which is compared byte for byte and must decode to the value it was made from.
//!
//! A new message needs a sample in one of the modules here and its file, which
//! `BACALHAU_WRITE_GOLDEN=1 cargo test -p bacalhau-protocol --test golden` writes. Files that exist are never rewritten: if
//! a comparison fails, a released type was changed, and the change belongs into a new version.

mod control;
mod records;
mod samples;
mod streams;
mod words;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

/// One value, its bytes, and whether bytes from a file give the value back.
struct Golden {
    name: String,
    bytes: Vec<u8>,
    decodes: Decodes,
}

/// Says what is wrong when bytes do not give the value.
type Decodes = Box<dyn Fn(&[u8]) -> Result<(), String>>;

impl Golden {
    fn new<T, E>(
        name: impl Into<String>,
        value: T,
        encode: impl Fn(&T) -> Vec<u8>,
        decode: impl Fn(&[u8]) -> Result<T, E> + 'static,
    ) -> Self
    where
        T: PartialEq + Debug + 'static,
        E: Debug,
    {
        let bytes = encode(&value);
        let decodes = Box::new(move |bytes: &[u8]| match decode(bytes) {
            Ok(read) if read == value => Ok(()),
            other => Err(format!("expected {value:?}, read {other:?}")),
        });
        Self { name: name.into(), bytes, decodes }
    }

    fn path(&self) -> PathBuf {
        directory().join(format!("{}.bin", self.name))
    }
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn all() -> Vec<Golden> {
    [control::samples(), streams::samples(), records::samples(), words::samples()]
        .into_iter()
        .flatten()
        .collect()
}

fn write_if_asked(golden: &Golden) {
    let missing = !golden.path().exists();
    if missing && std::env::var_os("BACALHAU_WRITE_GOLDEN").is_some() {
        fs::write(golden.path(), &golden.bytes).expect("the golden directory is writable");
    }
}

#[test]
fn released_bytes_do_not_change_and_still_decode() {
    let mut problems = Vec::new();
    for golden in all() {
        write_if_asked(&golden);
        let Ok(released) = fs::read(golden.path()) else {
            problems.push(format!("{}: no golden file; see the head of this test", golden.name));
            continue;
        };
        if released != golden.bytes {
            let same = released.iter().zip(&golden.bytes).take_while(|(old, new)| old == new).count();
            problems.push(format!(
                "{}: the bytes differ from byte {same} on; a released type was changed",
                golden.name
            ));
        }
        if let Err(problem) = (golden.decodes)(&released) {
            problems.push(format!("{}: {problem}", golden.name));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn no_golden_file_lost_its_sample() {
    let samples: BTreeSet<String> = all().iter().map(|golden| format!("{}.bin", golden.name)).collect();
    let files =
        fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let orphans: Vec<String> = files.filter(|file| !samples.contains(file)).collect();
    assert!(orphans.is_empty(), "released bytes without a sample: {orphans:?}");
}

#[test]
fn every_message_has_a_sample() {
    let samples: BTreeSet<String> = all().into_iter().map(|golden| golden.name).collect();
    let expected = control::NAMES.iter().chain(streams::NAMES);
    let missing: Vec<&&str> = expected.filter(|name| !samples.contains(**name)).collect();
    assert!(missing.is_empty(), "messages without a sample: {missing:?}");
}

#[test]
fn sample_names_are_unique() {
    let names: Vec<String> = all().into_iter().map(|golden| golden.name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}
