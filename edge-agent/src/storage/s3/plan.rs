//! Which objects an execution gets and what files they become. Decides only; nothing here asks S3 or the disk.

use std::collections::BTreeMap;

use bacalhau_protocol::spec::s3::{Key, S3Source, Split};

use crate::storage::Partition;

/// Longest name of a file or directory that file systems take, bytes.
const MAX_NAME_BYTES: usize = 255;

/// Why objects cannot become files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It would land elsewhere, or nowhere.
    #[error(
        "object {key:?} cannot become a file: a part of its key is {part:?}; leave it out with Key or Filter"
    )]
    Name {
        /// The object's.
        key: String,
        /// What of it.
        part: String,
    },
    /// One of them would be in the other's place.
    #[error("objects {0:?} and {1:?} cannot both become files; leave one out with Key or Filter")]
    Clash(String, String),
}

/// Whether a listed object is meant: folder markers are not, and the filter has its say.
pub(super) fn is_meant(source: &S3Source, key: &str) -> bool {
    !key.ends_with('/')
        && source.filter.as_ref().is_none_or(|filter| filter.is_in(behind_prefix(source, key)))
}

/// Whether an object belongs to a partition. What the split finds nothing in belongs to the first.
pub(super) fn belongs_to(source: &S3Source, key: &str, partition: Partition) -> bool {
    if partition.count <= 1 {
        return true;
    }
    let rest = behind_prefix(source, key);
    let hashed = match &source.split {
        Split::None => return true,
        Split::Object => Some(key.to_owned()),
        Split::Regex(pattern) => pattern.captures(rest).map(|found| {
            let groups = found.iter().skip(1).map(|group| group.map_or("", |group| group.as_str()));
            let groups: Vec<_> = groups.collect();
            if groups.is_empty() { found[0].to_owned() } else { groups.join("\u{1f}") }
        }),
        Split::Substring(start, end) => {
            let part: String = rest.chars().skip(*start).take(end - start).collect();
            (part.chars().count() == end - start).then_some(part)
        }
        Split::Date(layout) => layout.date_in(rest).map(str::to_owned),
    };
    hashed.map_or(0, |hashed| fnv_1a(hashed.as_bytes()) % partition.count) == partition.index
}

fn behind_prefix<'k>(source: &S3Source, key: &'k str) -> &'k str {
    key.strip_prefix(source.key.prefix()).unwrap_or(key)
}

/// FNV-1a of 32 bits (Fowler, Noll, Vo).
fn fnv_1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The path of each object's file, relative to the input's directory: its key without the directories that all keys
/// share by what the job wrote. Always plain names, none of them twice.
pub(super) fn paths(wanted: &Key, keys: &[&str]) -> Result<Vec<String>, Error> {
    let shared = wanted.prefix().rfind('/').map_or(0, |slash| slash + 1);
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut paths = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let path = key.get(shared..).unwrap_or(key);
        let odd = path.split('/').find(|part| !is_plain(part));
        if let Some(part) = odd {
            return Err(Error::Name { key: (*key).to_owned(), part: part.chars().take(40).collect() });
        }
        if let Some(other) = taken.insert(path.to_owned(), index) {
            return Err(clash(keys[other], key));
        }
        paths.push(path.to_owned());
    }
    for (index, path) in paths.iter().enumerate() {
        let above = path.match_indices('/').map(|(slash, _)| &path[..slash]);
        for directory in above {
            if let Some(file) = taken.get(directory) {
                return Err(clash(keys[*file], keys[index]));
            }
        }
    }
    Ok(paths)
}

fn clash(one: &str, other: &str) -> Error {
    Error::Clash(one.to_owned(), other.to_owned())
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && name.len() <= MAX_NAME_BYTES && !name.contains('\0')
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use bacalhau_protocol::model::SpecConfig;
    use proptest::prelude::*;

    use super::*;

    fn source(params: &str) -> S3Source {
        let params = format!(r#"{{"Bucket": "b", {params}}}"#);
        S3Source::parse(&SpecConfig { kind: "s3".into(), params }).unwrap()
    }

    #[test]
    fn directories_that_the_key_names_are_left_out() {
        for (wanted, key, path) in [
            ("dir/", "dir/a", "a"),
            ("dir/", "dir/sub/a", "sub/a"),
            ("dir/log-*", "dir/log-1", "log-1"),
            ("dir/log-*", "dir/log-1/a", "log-1/a"),
            ("dir*", "directory/a", "directory/a"),
            ("a/b.txt", "a/b.txt", "b.txt"),
            ("b.txt", "b.txt", "b.txt"),
            ("*", "x/y/z", "x/y/z"),
        ] {
            let wanted = source(&format!(r#""Key": "{wanted}""#)).key;
            assert_eq!(paths(&wanted, &[key]).unwrap(), [path]);
        }
    }

    #[test]
    fn keys_that_lead_elsewhere_are_refused() {
        let everything = Key::Prefix(String::new());
        for key in ["../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "..", "a\0b", &"n".repeat(256)] {
            assert!(matches!(paths(&everything, &[key]), Err(Error::Name { .. })), "{key:?}");
        }
        let below = Key::Prefix("a/..".into());
        assert!(paths(&below, &["a/../x"]).is_err());
    }

    #[test]
    fn a_file_cannot_be_a_directory_too() {
        let everything = Key::Prefix(String::new());
        let clash = paths(&everything, &["a/b/c", "x", "a/b"]).unwrap_err();
        assert_eq!(clash, Error::Clash("a/b".into(), "a/b/c".into()));
        assert!(paths(&everything, &["a", "a"]).is_err());
    }

    #[test]
    fn the_filter_looks_behind_the_prefix_and_folders_are_none_of_the_objects() {
        let source = source(r#""Key": "logs/2023-*", "Filter": "^1[0-2]""#);
        for (key, meant) in [("logs/2023-10.gz", true), ("logs/2023-09.gz", false), ("logs/2023-10/", false)]
        {
            assert_eq!(is_meant(&source, key), meant, "{key}");
        }
    }

    /// Partition of a key among four.
    fn partition(split: &str, key: &str) -> u32 {
        let source = source(&format!(r#""Key": "p/*", "Partition": {{{split}}}"#));
        let mine = (0..4).filter(|index| belongs_to(&source, key, Partition::new(*index, 4)));
        let mine: Vec<_> = mine.collect();
        assert_eq!(mine.len(), 1, "{split} {key}");
        mine[0]
    }

    #[test]
    fn what_is_hashed_decides_the_partition() {
        let substring = r#""Type": "substring", "StartIndex": 1, "EndIndex": 3"#;
        assert_eq!(partition(substring, "p/xABy"), fnv_1a(b"AB") % 4);
        assert_eq!(partition(substring, "p/xäöy"), fnv_1a("äö".as_bytes()) % 4);
        assert_eq!(partition(substring, "p/xA"), 0, "too short");
        let groups = r#""Type": "regex", "Pattern": "(\\w)-(\\w)?""#;
        assert_eq!(partition(groups, "p/__a-b__"), fnv_1a(b"a\x1fb") % 4);
        assert_eq!(partition(groups, "p/a-"), fnv_1a(b"a\x1f") % 4);
        assert_eq!(partition(groups, "p/ab"), 0, "not found");
        assert_eq!(partition(r#""Type": "regex", "Pattern": "\\d+""#, "p/a17b"), fnv_1a(b"17") % 4);
        let date = r#""Type": "date", "DateFormat": "2006-01-02""#;
        assert_eq!(partition(date, "p/2024-02-29/a"), partition(date, "p/2024-02-29/b"));
        assert_eq!(partition(date, "p/2024-02-30/a"), 0, "no date");
        assert_eq!(partition(r#""Type": "object""#, "p/a"), fnv_1a(b"p/a") % 4);
    }

    #[test]
    fn without_a_split_or_partitions_everybody_gets_everything() {
        let plain = source(r#""Key": "p/""#);
        assert!((0..4).all(|index| belongs_to(&plain, "p/a", Partition::new(index, 4))));
        let split = source(r#""Key": "p/", "Partition": {"Type": "object"}"#);
        assert!(belongs_to(&split, "p/a", Partition::new(0, 0)), "ops and daemon jobs count no partitions");
    }

    #[test]
    fn the_hash_is_the_published_one() {
        let hashes = [&b""[..], b"a", b"foobar"].map(fnv_1a);
        assert_eq!(hashes, [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]);
    }

    proptest! {
        #[test]
        fn no_path_ever_leaves_the_directory(prefix in "[a./]{0,4}", rest in "[a-c./\\\\\u{0}é]{0,12}") {
            let (wanted, key) = (Key::Prefix(prefix.clone()), format!("{prefix}{rest}"));
            if let Ok(paths) = paths(&wanted, &[&key]) {
                prop_assert!(Path::new(&paths[0]).components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert!(key.ends_with(&paths[0]) && !paths[0].is_empty());
            }
        }

        #[test]
        fn paths_that_are_given_can_all_be_made(keys in proptest::collection::btree_set("[ab]{1,2}(/[ab]{1,2}){0,2}", 0..8)) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            if let Ok(paths) = paths(&Key::Prefix(String::new()), &keys) {
                let root = tempfile::tempdir().unwrap();
                for path in paths {
                    let file = root.path().join(path);
                    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                    std::fs::File::create_new(file).unwrap();
                }
            }
        }

        #[test]
        fn every_object_is_in_exactly_one_partition(key in "[a-z0-9/-]{0,20}", count in 1_u32..9) {
            for split in [r#""Type": "object""#, r#""Type": "regex", "Pattern": "([a-z])(\\d)""#,
                r#""Type": "substring", "EndIndex": 2"#, r#""Type": "date", "DateFormat": "06-01""#] {
                let source = source(&format!(r#""Key": "", "Partition": {{{split}}}"#));
                let owners = (0..count).filter(|index| belongs_to(&source, &key, Partition::new(*index, count)));
                prop_assert_eq!(owners.count(), 1);
            }
        }
    }
}
