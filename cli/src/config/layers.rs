//! Puts the sources of settings on top of each other: files, then the environment, then flags, then `-c Key=Value`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use bacalhau_protocol::spec::closest;
use serde_json::Value as Json;

use crate::config::keys::{self, KEYS, Key, Kind};
use crate::config::value::Value;
use crate::config::{Problems, Settings};

/// What the caller was started with.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// The values of `-c`/`--config`, in order.
    pub config: Vec<String>,
    /// Flags of their own that stand for a key.
    pub flags: Vec<Flag>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

/// A flag that stands for a key.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As typed, `--api-host`.
    pub name: &'static str,
    /// The key it sets.
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

/// Reads a configuration file. [`io::ErrorKind::NotFound`] is an error only for files that were asked for.
pub type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Merges all sources. Every mistake is reported, not only the first.
pub fn load(invocation: &Invocation, read: ReadFile<'_>) -> Result<Settings, Problems> {
    let mut merger = Merger::default();
    let arguments = merger.arguments(&invocation.config);
    let data_dir = data_dir(invocation, &arguments.assignments);
    if arguments.files.is_empty() {
        merger.default_file(&data_dir.join("config.yaml"), read);
    }
    for file in &arguments.files {
        merger.named_file(file, read);
    }
    merger.environment(&invocation.environment);
    merger.flags(&invocation.flags, &arguments.assignments);
    for (key, text) in &arguments.assignments {
        merger.set(key, &format!("-c {}", key.name), Value::parse(key.kind, text));
    }
    merger.finish(data_dir)
}

/// What the `-c` arguments ask for.
#[derive(Default)]
struct Arguments {
    files: Vec<PathBuf>,
    assignments: Vec<(&'static Key, String)>,
}

/// The directory is needed before the file in it can be read, so it is looked up on its own.
fn data_dir(invocation: &Invocation, assignments: &[(&'static Key, String)]) -> PathBuf {
    let is_data_dir = |key: &str| key == "DataDir";
    let assigned =
        assignments.iter().rev().find(|(key, _)| is_data_dir(key.name)).map(|(_, text)| text.clone());
    let flag = || invocation.flags.iter().find(|flag| is_data_dir(flag.key)).map(|flag| flag.value.clone());
    let environment = &invocation.environment;
    let variable = || {
        ["BACALHAU_DIR", "BACALHAU_DATADIR", "BACALHAU_PATH"]
            .iter()
            .find_map(|name| environment.get(*name).cloned())
    };
    let home = environment.get("HOME").map_or("", String::as_str);
    match assigned.or_else(flag).or_else(variable).filter(|text| !text.is_empty()) {
        Some(text) => match text.strip_prefix("~/") {
            Some(rest) => Path::new(home).join(rest),
            None => text.into(),
        },
        None => Path::new(home).join(".bacalhau"),
    }
}

#[derive(Default)]
struct Merger {
    values: BTreeMap<&'static str, Value>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Merger {
    /// Sorts the `-c` arguments into files, assignments and switches by their text alone (config.md 1.2).
    fn arguments(&mut self, config: &[String]) -> Arguments {
        let mut found = Arguments::default();
        for argument in config {
            if let Some((name, value)) = argument.split_once('=') {
                found.assignments.extend(self.known(name).map(|key| (key, value.to_owned())));
            } else if argument.ends_with(".yaml") || argument.ends_with(".yml") {
                found.files.push(argument.into());
            } else {
                found.assignments.extend(self.switch(argument).map(|key| (key, "true".to_owned())));
            }
        }
        found
    }

    fn known(&mut self, name: &str) -> Option<&'static Key> {
        let key = keys::find(name);
        if key.is_none() {
            let near = did_you_mean(name);
            self.problems.push(format!("-c {name}: no matching config key{near}"));
        }
        key
    }

    fn switch(&mut self, argument: &str) -> Option<&'static Key> {
        let key = match keys::find(argument) {
            None if argument.contains(['/', '\\']) => {
                self.problems
                    .push(format!("-c {argument}: config files must end in suffix '.yaml' or '.yml'"));
                return None;
            }
            _ => self.known(argument)?,
        };
        if key.kind != Kind::Bool {
            self.problems.push(format!("-c {}: this key requires a value: -c {}=VALUE", key.name, key.name));
            return None;
        }
        Some(key)
    }

    fn default_file(&mut self, path: &Path, read: ReadFile<'_>) {
        match read(path) {
            Ok(text) => self.file(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.problems.push(format!("{}: {error}", path.display())),
        }
    }

    fn named_file(&mut self, path: &Path, read: ReadFile<'_>) {
        match read(path) {
            Ok(text) => self.file(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.problems.push(format!("specified configuration file doesn't exist: {}", path.display()));
            }
            Err(error) => self.problems.push(format!("{}: {error}", path.display())),
        }
    }

    fn file(&mut self, path: &Path, text: &str) {
        let origin = path.display().to_string();
        match serde_norway::from_str::<Json>(text) {
            Ok(Json::Object(sections)) => self.section(&origin, "", &sections),
            Ok(Json::Null) => {
                self.warnings.push(format!("{origin}: the configuration file is empty and has no effect"));
            }
            Ok(_) => self.problems.push(format!("{origin}: expected keys and values at the top level")),
            Err(error) => self.problems.push(format!("{origin}: {error}")),
        }
    }

    fn section(&mut self, origin: &str, parent: &str, entries: &serde_json::Map<String, Json>) {
        for (name, value) in entries {
            let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
            match (keys::find(&path), value) {
                (Some(key), _) => {
                    self.set(key, &format!("{origin}: {}", key.name), Value::from_file(key.kind, value));
                }
                (None, Json::Object(inner)) if keys::is_section(&path) => self.section(origin, &path, inner),
                (None, Json::Null) if keys::is_section(&path) => {}
                (None, _) => {
                    let near = did_you_mean(&path);
                    self.warnings.push(format!("{origin}: unknown key {path:?} is ignored{near}"));
                }
            }
        }
    }

    fn environment(&mut self, environment: &BTreeMap<String, String>) {
        for (variable, text) in environment.iter().filter(|(_, text)| !text.is_empty()) {
            if let Some(key) = keys::find_by_variable(variable) {
                self.set(key, variable, Value::parse(key.kind, text));
            }
        }
    }

    fn flags(&mut self, flags: &[Flag], assignments: &[(&'static Key, String)]) {
        for flag in flags {
            let Some(key) = keys::find(flag.key) else { continue };
            if assignments.iter().any(|(other, _)| other.name == key.name) {
                self.problems.push(format!(
                    "flag: {} and config flag key {:?} cannot both be provided. Only one may be used",
                    flag.name, key.name
                ));
            }
            self.set(key, flag.name, Value::parse(key.kind, &flag.value));
        }
    }

    fn set(&mut self, key: &'static Key, origin: &str, value: Result<Value, String>) {
        match value {
            Ok(value) => {
                if !key.effective {
                    self.warnings.push(format!("{origin} is set, but this version does not act on it"));
                }
                self.values.insert(key.name, value);
            }
            Err(error) => self.problems.push(format!("{origin}: {error}")),
        }
    }

    fn finish(self, data_dir: PathBuf) -> Result<Settings, Problems> {
        if self.problems.is_empty() {
            Ok(Settings::new(self.values, data_dir, self.warnings))
        } else {
            Err(Problems(self.problems))
        }
    }
}

fn did_you_mean(name: &str) -> String {
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    closest(name, &names).map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(config: &[&str]) -> Invocation {
        Invocation {
            config: config.iter().map(ToString::to_string).collect(),
            environment: [("HOME".to_owned(), "/home/ann".to_owned())].into(),
            ..Invocation::default()
        }
    }

    fn files<'a>(files: &'a [(&'a str, &'a str)]) -> impl Fn(&Path) -> io::Result<String> + 'a {
        |path| match files.iter().find(|(name, _)| path == Path::new(name)) {
            Some((_, text)) => Ok((*text).to_owned()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    #[test]
    fn later_layers_win() {
        let mut call = invocation(&["API.Port=4"]);
        call.environment.insert("BACALHAU_API_PORT".into(), "2".into());
        call.environment.insert("BACALHAU_API_HOST".into(), "from-environment".into());
        call.flags.push(Flag { name: "--api-host", key: "API.Host", value: "from-flag".into() });
        let read =
            files(&[("/home/ann/.bacalhau/config.yaml", "api: {port: 1, host: x}\nLabels: {zone: a}")]);
        let settings = load(&call, &read).unwrap();
        assert_eq!(settings.integer("API.Port"), 4);
        assert_eq!(settings.text("API.Host"), "from-flag");
        assert_eq!(settings.map("Labels")["zone"], "a");
        assert_eq!(settings.data_dir(), Path::new("/home/ann/.bacalhau"));
        assert_eq!(settings.warnings(), [] as [String; 0]);
    }

    #[test]
    fn a_named_file_replaces_the_default_one() {
        let read = files(&[
            ("/home/ann/.bacalhau/config.yaml", "API: {Port: 1}"),
            ("a.yaml", "API: {Host: h}\nLabels: {zone: a}"),
            ("b.yaml", "Labels: {zone: b}"),
        ]);
        let settings = load(&invocation(&["a.yaml", "b.yaml"]), &read).unwrap();
        assert_eq!(settings.integer("API.Port"), 1234);
        assert_eq!(settings.text("API.Host"), "h");
        assert_eq!(settings.map("Labels")["zone"], "b");
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let read = files(&[("x.yaml", "API: {Port: many}\nCompute: {Enabled: perhaps}")]);
        let mut call = invocation(&["x.yaml", "missing.yml", "API.Prot=1", "API.Host", "API.Host=a"]);
        call.flags.push(Flag { name: "--api-host", key: "API.Host", value: "b".into() });
        let problems = load(&call, &read).unwrap_err().0;
        for part in [
            "x.yaml: API.Port: expected an integer value, found \"many\"",
            "x.yaml: Compute.Enabled: expected a boolean value",
            "specified configuration file doesn't exist: missing.yml",
            "-c API.Prot: no matching config key (did you mean \"API.Port\"?)",
            "-c API.Host: this key requires a value",
            "flag: --api-host and config flag key \"API.Host\" cannot both be provided",
        ] {
            assert!(problems.iter().any(|problem| problem.starts_with(part)), "{part}: {problems:#?}");
        }
        assert_eq!(problems.len(), 6);
    }

    #[test]
    fn unknown_and_idle_keys_in_files_are_warnings() {
        let read = files(&[("x.yaml", "Compute: {Orchestrator: [a]}\nWebUI: {Enabled: true}")]);
        let settings = load(&invocation(&["x.yaml"]), &read).unwrap();
        let warnings = settings.warnings().join("\n");
        assert!(
            warnings.contains("unknown key \"Compute.Orchestrator\" is ignored (did you mean"),
            "{warnings}"
        );
        assert!(warnings.contains("WebUI.Enabled is set, but this version does not act on it"), "{warnings}");
    }

    #[test]
    fn the_data_directory_is_found_in_any_layer() {
        let read = files(&[]);
        let dir = |call: &Invocation| load(call, &read).unwrap().data_dir().to_owned();
        let mut call = invocation(&[]);
        call.environment.insert("BACALHAU_DIR".into(), "/env".into());
        assert_eq!(dir(&call), Path::new("/env"));
        call.flags.push(Flag { name: "--data-dir", key: "DataDir", value: "/flag".into() });
        assert_eq!(dir(&call), Path::new("/flag"));
        assert_eq!(dir(&invocation(&["DataDir=~/x"])), Path::new("/home/ann/x"));
    }
}
