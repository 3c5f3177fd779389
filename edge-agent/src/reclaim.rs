//! What a task made as another user: the agent can neither read nor remove it.
//!
//! It may not do anything about that itself: it runs without privileges. The engine that ran the task may, and runs
//! [`reclaim`] in a container that sees nothing else.

use std::ffi::OsString;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::tree;

/// What is to become of everything below a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes to the directory's owner.
    Given,
    /// It is removed.
    Removed,
}

impl Fate {
    /// As an argument of the program.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Given => "give",
            Self::Removed => "remove",
        }
    }
}

/// What the program does when its first argument is [`crate::RECLAIM_ARGUMENT`]; the next ones are a [`Fate`] and the
/// directory.
pub(crate) fn reclaim(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (fate, directory) = (arguments.next(), arguments.next());
    let fate = [Fate::Given, Fate::Removed]
        .into_iter()
        .find(|known| fate.as_deref() == Some(known.as_str().as_ref()));
    let (Some(fate), Some(directory)) = (fate, directory) else {
        eprintln!("what to do and the directory are missing");
        return ExitCode::from(2);
    };
    let directory = Path::new(&directory);
    let done = match fate {
        Fate::Given => give_to_owner(directory),
        Fate::Removed => tree::empty(directory),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether something below `directory` is not its owner's to read and to remove. Blocks on the disk.
pub(crate) fn is_needed(directory: &Path) -> io::Result<bool> {
    let mut is_needed = false;
    let walked = walk(directory, |_, metadata, owner| {
        is_needed |= !is_owned(metadata, owner) || missing_mode(metadata).is_some();
        Ok(())
    });
    match walked {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(is_needed),
        walked => walked.map(|()| is_needed),
    }
}

fn give_to_owner(directory: &Path) -> io::Result<()> {
    walk(directory, |path, metadata, owner| {
        if !is_owned(metadata, owner) {
            lchown(path, Some(owner.uid()), Some(owner.gid()))?;
        }
        match missing_mode(metadata) {
            Some(mode) => fs::set_permissions(path, Permissions::from_mode(mode)),
            None => Ok(()),
        }
    })
}

/// Shows `each` what is below `directory`, each directory before what is in it, beside the directory itself. Follows no
/// link, and goes no deeper than anything that is kept.
fn walk(
    directory: &Path,
    mut each: impl FnMut(&Path, &Metadata, &Metadata) -> io::Result<()>,
) -> io::Result<()> {
    let owner = fs::symlink_metadata(directory)?;
    let mut waiting: Vec<(PathBuf, usize)> = vec![(directory.to_owned(), 0)];
    while let Some((directory, depth)) = waiting.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let (path, metadata) = (entry.path(), entry.metadata()?);
            each(&path, &metadata, &owner)?;
            if metadata.is_dir() && depth <= tree::MAX_DEPTH {
                waiting.push((path, depth + 1));
            }
        }
    }
    Ok(())
}

fn is_owned(metadata: &Metadata, owner: &Metadata) -> bool {
    metadata.uid() == owner.uid()
}

/// The mode with which an owner can read a file, and read and empty a directory, if that takes another one.
fn missing_mode(metadata: &Metadata) -> Option<u32> {
    let least = if metadata.is_dir() {
        0o700
    } else if metadata.is_file() {
        0o400
    } else {
        return None;
    };
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & least != least).then_some(mode | least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_its_owner_cannot_use_becomes_usable_and_links_lead_nowhere() {
        let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (sub, outside) = (directory.path().join("out/sub"), elsewhere.path().join("outside"));
        let file = sub.join("file");
        fs::create_dir_all(&sub).unwrap();
        for (path, mode) in [(&file, 0o000), (&sub.join("open"), 0o644), (&outside, 0o000)] {
            fs::write(path, "x").unwrap();
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        std::os::unix::fs::symlink(&outside, directory.path().join("link")).unwrap();
        fs::set_permissions(&sub, Permissions::from_mode(0o100)).unwrap();
        assert!(is_needed(directory.path()).unwrap());
        give_to_owner(directory.path()).unwrap();
        assert_eq!([mode(&sub), mode(&file), mode(&sub.join("open"))], [0o700, 0o400, 0o644]);
        assert_eq!(mode(&outside), 0o000);
        assert!(!is_needed(directory.path()).unwrap());
    }

    #[test]
    fn nothing_is_to_be_done_where_nothing_is() {
        assert!(!is_needed(Path::new("/nonexistent")).unwrap());
    }
}
