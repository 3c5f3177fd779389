//! Who may use what.

use crate::repository::File;

/// Each crate's manifest and the workspace crates it may name.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("protocol/Cargo.toml", &[]),
    ("wal/Cargo.toml", &[]),
    ("control-plane/Cargo.toml", &["bacalhau-protocol", "bacalhau-wal"]),
    ("edge-agent/Cargo.toml", &["bacalhau-protocol", "bacalhau-wal"]),
];

pub(crate) fn crate_dependencies(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for (path, allowed) in MAY_DEPEND_ON {
        for file in files.iter().filter(|file| file.path == *path) {
            let named = dependencies(&file.text).filter(|name| name.starts_with("bacalhau-"));
            let refused = named.filter(|name| !allowed.contains(name));
            violations.extend(refused.map(|name| format!("{path} names {name}")));
        }
    }
    violations
}

/// The names in all dependency sections of a manifest.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut in_section = false;
    manifest.lines().filter_map(move |line| {
        if line.starts_with('[') {
            in_section = line.contains("dependencies");
        }
        let is_entry = in_section && line.starts_with(|first: char| first.is_ascii_alphanumeric());
        is_entry.then(|| line.split(['.', ' ', '=']).next()).flatten()
    })
}

/// Packages that cannot be linked statically everywhere, or would bring a second implementation of cryptography.
const FORBIDDEN_PACKAGES: &[&str] = &["aws-lc-sys", "aws-lc-rs", "openssl-sys", "native-tls"];

pub(crate) fn forbidden_packages(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.path == "Cargo.lock") {
        for package in FORBIDDEN_PACKAGES {
            if file.text.contains(&format!("name = \"{package}\"\n")) {
                violations.push(format!("{package}; `cargo tree -i {package}` shows who wants it"));
            }
        }
    }
    violations
}

const PURE_MODULES: &[&str] =
    &["control-plane/src/scheduler", "edge-agent/src/execution", "protocol/src/link"];

const IMPURE: &[&str] = &[
    "tokio",
    "quinn",
    "getrandom",
    "tracing",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::collections::HashMap",
    "std::collections::HashSet",
];

pub(crate) fn pure_modules(files: &[File]) -> Vec<String> {
    let is_pure = |file: &&File| PURE_MODULES.iter().any(|module| is_in_module(&file.path, module));
    let mut violations = Vec::new();
    for file in files.iter().filter(is_pure).filter(|file| !is_test(&file.path)) {
        for path in named_paths(file) {
            if IMPURE.iter().any(|impure| is_at_or_below(&path, impure)) {
                violations.push(format!("{} uses {path}", file.path));
            }
        }
    }
    violations
}

/// QUIC is one way to carry the link; what is not one of its shells must not notice.
const TRANSPORT_SHELLS: &[&str] = &["control-plane/src/fleet", "edge-agent/src/link"];

pub(crate) fn transport(files: &[File]) -> Vec<String> {
    let is_shell = |file: &File| TRANSPORT_SHELLS.iter().any(|module| is_in_module(&file.path, module));
    let is_product = |file: &File| file.is_rust() && file.path.contains("/src/") && !is_test(&file.path);
    let others = files.iter().filter(|file| is_product(file) && !is_shell(file));
    let naming = others.filter(|file| named_paths(file).any(|path| is_at_or_below(&path, "quinn")));
    naming.map(|file| file.path.clone()).collect()
}

/// `a/b.rs` and everything in `a/b/` is the module `a/b`.
fn is_in_module(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Tests of a pure module may read their scenarios from files, those of a node may play the other end of its link.
fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn is_at_or_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every path with `::` in the code, those of `use` declarations with their braces resolved.
fn named_paths(file: &File) -> impl Iterator<Item = String> {
    let code = file.code();
    let mut paths = Vec::new();
    for tree in code.split(';').filter_map(use_tree) {
        expand("", tree, &mut paths);
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c| !is_part(c)).filter(|word| word.contains("::"));
    paths.extend(words.map(|word| word.trim_matches(':').to_owned()));
    paths.into_iter()
}

/// What a statement imports, if it ends in a `use` declaration.
fn use_tree(statement: &str) -> Option<&str> {
    let starts = std::iter::once(0).chain(statement.match_indices('\n').map(|(index, _)| index + 1));
    let mut lines = starts.map(|start| statement[start..].trim_start());
    lines.find_map(|line| {
        let (before, tree) = line.split_once("use ")?;
        (before.is_empty() || before.starts_with("pub")).then_some(tree)
    })
}

/// Turns `a::{b, c::{d, e as f}}` into `a::b`, `a::c::d` and `a::c::e`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, inner)) = tree.split_once('{') else {
        let name = tree.split_whitespace().next().unwrap_or_default();
        paths.push(format!("{prefix}{name}").trim_end_matches("::self").to_owned());
        return;
    };
    let prefix = format!("{prefix}{}", head.trim());
    for branch in branches(inner.strip_suffix('}').unwrap_or(inner)) {
        expand(&prefix, branch, paths);
    }
}

/// Splits at the commas that are not inside further braces.
fn branches(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut branches) = (0_u32, 0, Vec::new());
    for (index, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                branches.push(&list[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    branches.push(&list[start..]);
    branches.retain(|branch| !branch.trim().is_empty());
    branches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::sample;

    #[test]
    fn a_dependency_in_the_wrong_direction_is_found() {
        let manifest =
            "[package]\nname = \"bacalhau-agent\"\n[dev-dependencies]\nbacalhau-control-plane = \"1\"\n";
        let files = [sample("edge-agent/Cargo.toml", manifest)];
        assert_eq!(crate_dependencies(&files), ["edge-agent/Cargo.toml names bacalhau-control-plane"]);
        let allowed =
            [sample("edge-agent/Cargo.toml", "[dependencies]\nbacalhau-protocol.workspace = true\n")];
        assert!(crate_dependencies(&allowed).is_empty());
    }

    #[test]
    fn a_forbidden_package_is_found_in_the_lock_file() {
        let files = [sample("Cargo.lock", "[[package]]\nname = \"aws-lc-sys\"\nversion = \"1\"\n")];
        assert_eq!(forbidden_packages(&files).len(), 1);
    }

    #[test]
    fn impure_names_are_found_however_they_are_imported() {
        for code in [
            "use std::fs;",
            "use std::{\n    collections::{BTreeMap, HashMap as Map},\n};",
            "fn f() { let now = std::time::Instant::now(); }",
            "use tokio::sync::{mpsc, oneshot};",
        ] {
            let files = [sample("protocol/src/link/machine.rs", code)];
            assert!(!pure_modules(&files).is_empty(), "{code}");
        }
    }

    #[test]
    fn pure_names_and_other_modules_are_left_alone() {
        let pure = "// tokio::spawn is for shells\nuse std::{collections::BTreeMap, time::Duration};\n";
        let shell = "use tokio::net::UdpSocket;";
        let files = [
            sample("protocol/src/link.rs", pure),
            sample("protocol/src/linkage.rs", shell),
            sample("protocol/src/link/tests/golden.rs", "use std::fs;"),
        ];
        assert_eq!(pure_modules(&files), Vec::<String>::new());
    }

    #[test]
    fn quinn_outside_its_shells_is_found() {
        let code = "use quinn::Endpoint;";
        let files =
            [sample("control-plane/src/api/mod.rs", code), sample("control-plane/src/fleet/mod.rs", code)];
        assert_eq!(transport(&files), ["control-plane/src/api/mod.rs"]);
    }
}
