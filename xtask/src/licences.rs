//! Whether everything that is linked may be: the licence of each package, as its manifest states it.

use anyhow::{Result, ensure};

use crate::{shell, workspace};

/// Refuses a dependency whose licence asks for more than these do.
pub(crate) fn check() -> Result<()> {
    let mut tree = workspace::cargo();
    tree.args([
        "tree",
        "--workspace",
        "--locked",
        "--target",
        "all",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
    ]);
    let packages = shell::read(tree.args(["--format", "{p}|{l}|"]))?;
    let refused = refused(&packages);
    ensure!(refused.is_empty(), "no acceptable licence: {}", refused.join(", "));
    Ok(())
}

fn refused(packages: &str) -> Vec<String> {
    let mut refused = Vec::new();
    for line in packages.lines() {
        let mut parts = line.split('|');
        let (Some(package), Some(licence)) = (parts.next(), parts.next()) else { continue };
        if !is_acceptable(licence) {
            refused.push(format!("{package} ({licence})"));
        }
    }
    refused.sort();
    refused.dedup();
    refused
}

/// Evaluates an SPDX expression; `/` is the older spelling of `OR`.
fn is_acceptable(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>) -> bool {
    let mut acceptable = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        acceptable |= all_of(words);
    }
    acceptable
}

fn all_of(words: &mut Words<'_>) -> bool {
    let mut acceptable = one(words);
    while words.next_if_eq(&"AND").is_some() {
        acceptable &= one(words);
    }
    acceptable
}

/// A licence, perhaps with an exception, which only ever grants more; or an expression in parentheses.
fn one(words: &mut Words<'_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        return any_of(words) & words.next_if_eq(&")").is_some();
    }
    let acceptable = words.next().is_some_and(|licence| ACCEPTABLE.contains(&licence));
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    acceptable
}

/// Permissive ones; MPL-2.0, which asks only for changes to the package's own files; and CDLA-Permissive-2.0, a licence of
/// data, here the roots of trust, which asks for nothing of what is made with them.
const ACCEPTABLE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0+",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_evaluated() {
        for good in
            ["MIT", "GPL-3.0 OR MIT", "(GPL-2.0 OR Zlib) AND ISC", "Apache-2.0 WITH LLVM-exception", "X/MIT"]
        {
            assert!(is_acceptable(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT MIT", "(GPL-2.0 OR X) AND MIT"] {
            assert!(!is_acceptable(bad), "{bad}");
        }
    }

    #[test]
    fn each_refused_package_is_named_once() {
        let packages = "a v1|MIT|\nb v2|GPL-3.0|\nb v2|GPL-3.0| (*)\n\nc v3||\n";
        assert_eq!(refused(packages), ["b v2 (GPL-3.0)", "c v3 ()"]);
    }
}
