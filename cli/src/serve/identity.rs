//! Ids that jobs carry in their meta data, so that those who collect them can tell servers apart.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::entropy;

/// Longest id, bytes.
const MAX_BYTES: usize = 128;

/// The id that an installer left for this user, if one did.
pub(super) fn installation() -> Option<String> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    read(&config.join("bacalhau/installation_id")).ok()
}

/// The id of this instance: 64 hex digits, made once and kept beside the store.
pub(super) fn instance(directory: &Path) -> anyhow::Result<String> {
    let file = directory.join("instance.id");
    match read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = [entropy::id_bytes()?, entropy::id_bytes()?].concat();
            let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            fs::write(&file, format!("{id}\n")).with_context(|| format!("writing {}", file.display()))?;
            Ok(id)
        }
        read => read.with_context(|| format!("reading {}", file.display())),
    }
}

fn read(file: &Path) -> io::Result<String> {
    let id = fs::read_to_string(file)?.trim().to_owned();
    let is_id = (1..=MAX_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_id { Ok(id) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "expected one word")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_keeps_its_id() {
        let directory = tempfile::tempdir().unwrap();
        let first = instance(directory.path()).unwrap();
        assert!(first.len() == 64 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
        assert_eq!(instance(directory.path()).unwrap(), first);
        fs::write(directory.path().join("instance.id"), "two words").unwrap();
        assert!(instance(directory.path()).is_err());
    }
}
