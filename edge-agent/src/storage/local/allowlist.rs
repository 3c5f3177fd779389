//! The operator's patterns against resolved paths.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::resolve;
use crate::config::{self, AllowedPath};
use crate::executor::Access;

/// Characters that make a path component a pattern.
const SPECIAL: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

pub(super) struct AllowList(Vec<Pattern>);

struct Pattern {
    /// Leading directories without special characters; may be behind a link, which is resolved when it is asked.
    literal: PathBuf,
    /// What follows, relative to it. `None` allows the literal path itself.
    rest: Option<GlobMatcher>,
    /// `/**` at the end also allows the directory in front of it.
    whole_tree: Option<GlobMatcher>,
    access: Access,
}

impl AllowList {
    pub(super) fn new(allowed: &[AllowedPath]) -> Self {
        Self(allowed.iter().filter_map(Pattern::new).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The most that any matching pattern grants for a path without links.
    pub(super) fn access(&self, real: &Path) -> Option<Access> {
        let mut granted = self.0.iter().filter(|pattern| pattern.matches(real)).map(|pattern| pattern.access);
        let first = granted.next()?;
        Some(granted.fold(first, |most, next| if next == Access::ReadWrite { next } else { most }))
    }
}

impl Pattern {
    fn new(allowed: &AllowedPath) -> Option<Self> {
        let access = match allowed.access {
            config::Access::ReadOnly => Access::ReadOnly,
            config::Access::ReadWrite => Access::ReadWrite,
        };
        let parts: Vec<&str> = allowed.pattern.split('/').filter(|part| !part.is_empty()).collect();
        let plain = parts.iter().take_while(|part| !part.contains(SPECIAL)).count();
        let literal = Path::new("/").join(parts[..plain].join("/"));
        let rest = &parts[plain..];
        let glob = |parts: &[&str]| {
            let built = GlobBuilder::new(&parts.join("/")).literal_separator(true).build();
            built.ok().map(|glob| glob.compile_matcher())
        };
        match rest {
            [] => Some(Self { literal, rest: None, whole_tree: None, access }),
            [front @ .., "**"] => {
                Some(Self { literal, rest: Some(glob(rest)?), whole_tree: Some(glob(front)?), access })
            }
            _ => Some(Self { literal, rest: Some(glob(rest)?), whole_tree: None, access }),
        }
    }

    fn matches(&self, real: &Path) -> bool {
        let literal = resolve(&self.literal).unwrap_or_else(|_| self.literal.clone());
        let Ok(inside) = real.strip_prefix(&literal) else { return false };
        match &self.rest {
            None => inside.as_os_str().is_empty(),
            Some(rest) => {
                let tree = self.whole_tree.as_ref();
                (!inside.as_os_str().is_empty() && rest.is_match(inside))
                    || tree.is_some_and(|tree| tree.is_match(inside))
            }
        }
    }
}
