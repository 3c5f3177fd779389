//! What the `-c` arguments ask for: files, assignments and switches, told apart by their text alone (config.md 1.2).

use std::path::{Path, PathBuf};

use crate::config::keys::{self, Key, Kind};
use crate::config::renamed::{self, Renamed};

/// The arguments, sorted.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// Files, later ones on top.
    pub(super) files: Vec<PathBuf>,
    /// Keys and what stands after `=`.
    pub(super) assignments: Vec<(Name, String)>,
    /// Arguments that are none of these.
    pub(super) problems: Vec<String>,
}

/// A key by its name of today, or by one it had.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    /// Of today.
    Key(&'static Key),
    /// Of v1.4.
    Old(&'static Renamed),
}

impl Name {
    /// Looks a name up in any case.
    pub(super) fn find(name: &str) -> Option<Self> {
        keys::find(name).map(Self::Key).or_else(|| renamed::find(name).map(Self::Old))
    }

    /// The keys of today it sets.
    pub(super) fn keys(self) -> Vec<&'static str> {
        match self {
            Self::Key(key) => vec![key.name],
            Self::Old(old) => old.new.to_vec(),
        }
    }
}

impl Arguments {
    /// Sorts the arguments. `is_file` says whether there is a file of this name.
    pub(super) fn sort(config: &[String], is_file: &dyn Fn(&Path) -> bool) -> Self {
        let mut found = Self::default();
        for argument in config {
            if let Some((name, value)) = argument.split_once('=') {
                match Name::find(name.trim()) {
                    Some(name) => found.assignments.push((name, value.to_owned())),
                    None => found.problems.push(unknown(name)),
                }
            } else if is_yaml(argument) {
                found.files.push(argument.into());
            } else {
                match switch(argument, is_file) {
                    Ok(key) => found.assignments.push((Name::Key(key), "true".to_owned())),
                    Err(problem) => found.problems.push(problem),
                }
            }
        }
        found
    }
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

fn switch(argument: &str, is_file: &dyn Fn(&Path) -> bool) -> Result<&'static Key, String> {
    match keys::find(argument) {
        Some(key) if key.kind == Kind::Bool => Ok(key),
        Some(key) => Err(format!("-c {}: config flag key requires a value: -c {}=VALUE", key.name, key.name)),
        None if argument.contains(['/', '\\']) || is_file(Path::new(argument)) => {
            Err(format!("-c {argument}: config files must end in suffix '.yaml' or '.yml'"))
        }
        None => Err(unknown(argument)),
    }
}

fn unknown(name: &str) -> String {
    let near = keys::nearest(name).map(|near| format!(" Did you mean {near:?}?")).unwrap_or_default();
    format!("-c {name}: no matching config key. Run 'bacalhau config list' for a list of valid keys.{near}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_alone_decides() {
        let config =
            ["API.Port=1", "webui.enabled", "a.yaml", "b.yml", "Node.ServerAPI.Port=2"].map(String::from);
        let found = Arguments::sort(&config, &|_| false);
        assert_eq!(found.files, [PathBuf::from("a.yaml"), PathBuf::from("b.yml")]);
        let names: Vec<_> = found.assignments.iter().flat_map(|(name, _)| name.keys()).collect();
        assert_eq!(names, ["API.Port", "WebUI.Enabled", "API.Port"]);
        assert!(found.problems.is_empty());
    }

    #[test]
    fn what_is_nothing_of_it_is_told_with_advice() {
        let config = ["API.Prot=1", "API.Host", "./conf", "notes.txt"].map(String::from);
        let problems = Arguments::sort(&config, &|path| path == Path::new("notes.txt")).problems;
        for (problem, part) in problems.iter().zip([
            "Did you mean \"API.Port\"?",
            "requires a value: -c API.Host=VALUE",
            "must end in suffix",
            "must end in suffix",
        ]) {
            assert!(problem.contains(part), "{problem}");
        }
    }
}
