//! Puts the sources of settings on top of each other: files, then the environment, then flags, then `-c Key=Value`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::config::arguments::{Arguments, Name};
use crate::config::keys::{self, Key};
use crate::config::renamed::{self, Renamed};
use crate::config::value::{self, Value};
use crate::config::variables::{self, Alias};
use crate::config::{Problems, Setting, Settings, data_dir};

/// What the caller was started with.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// The values of `-c`/`--config`, in order.
    pub config: Vec<String>,
    /// Flags of their own that stand for a key.
    pub flags: Vec<Flag>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// A node is started, not a client: v1.4 had settings for either.
    pub serving: bool,
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
    let (settings, problems) = merge(invocation, read);
    if problems.0.is_empty() { Ok(settings) } else { Err(problems) }
}

/// As [`load`], with the settings even when there are mistakes: a key that has one is as if it were not set there.
pub fn merge(invocation: &Invocation, read: ReadFile<'_>) -> (Settings, Problems) {
    let arguments = Arguments::sort(&invocation.config, &|path| read(path).is_ok());
    let mut merger =
        Merger { serving: invocation.serving, problems: arguments.problems, ..Merger::default() };
    let default_file = early_data_dir(invocation, &arguments.assignments).join("config.yaml");
    if arguments.files.is_empty() {
        merger.default_file(&default_file, read);
    }
    for file in &arguments.files {
        merger.named_file(file, read);
    }
    merger.environment(&invocation.environment);
    merger.flags(&invocation.flags, &arguments.assignments);
    for (name, text) in &arguments.assignments {
        match name {
            Name::Key(key) => merger.set(key, &format!("-c {}", key.name), Value::parse(key.kind, text)),
            Name::Old(old) => merger.old(old, &format!("-c {}", old.old), &Json::from(text.as_str())),
        }
    }
    let file = arguments.files.last().unwrap_or(&default_file).clone();
    merger.finish(file, home(&invocation.environment))
}

/// The file that is read where no other is named.
pub fn default_file(invocation: &Invocation) -> PathBuf {
    let arguments = Arguments::sort(&invocation.config, &|_| false);
    early_data_dir(invocation, &arguments.assignments).join("config.yaml")
}

/// The directory is needed before the file in it can be read, so it is looked up on its own.
fn early_data_dir(invocation: &Invocation, assignments: &[(Name, String)]) -> PathBuf {
    let environment = &invocation.environment;
    let is_data_dir = |name: &Name| name.keys() == ["DataDir"];
    let assigned = || assignments.iter().rev().find(|(name, _)| is_data_dir(name)).map(|(_, text)| text);
    let flag = || invocation.flags.iter().find(|flag| flag.key == "DataDir").map(|flag| &flag.value);
    let variable = || {
        let names = ["BACALHAU_DATADIR", "BACALHAU_DIR", "BACALHAU_PATH"];
        names.iter().filter_map(|name| environment.get(*name)).find(|text| !text.is_empty())
    };
    let home = home(environment);
    let written = assigned().or_else(flag).or_else(variable).filter(|text| !text.is_empty());
    let resolved = written.and_then(|text| data_dir::resolve(text, home, true).ok());
    resolved.unwrap_or_else(|| data_dir::default(home))
}

fn home(environment: &BTreeMap<String, String>) -> &str {
    environment.get("HOME").map_or("", String::as_str)
}

#[derive(Default)]
struct Merger {
    serving: bool,
    values: BTreeMap<&'static str, Setting>,
    problems: Vec<String>,
    warnings: Vec<String>,
    notes: Vec<String>,
}

/// Which names a walk through a file looks at: old ones first, so that those of today win.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Old,
    New,
}

impl Merger {
    fn default_file(&mut self, path: &Path, read: ReadFile<'_>) {
        match read(path) {
            Ok(text) => self.file(path, &text),
            // A data directory that is a file, or none of ours, is told by who opens it.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => self.problems.push(format!("{}: {error}", path.display())),
        }
    }

    fn named_file(&mut self, path: &Path, read: ReadFile<'_>) {
        let shown = path.display();
        match read(path) {
            Ok(text) => self.file(path, &text),
            Err(error) => self.problems.push(match error.kind() {
                io::ErrorKind::NotFound => format!("specified configuration file doesn't exist: {shown}"),
                io::ErrorKind::IsADirectory => {
                    format!("specified configuration file is a directory, must be a file: {shown}")
                }
                _ => format!("{shown}: {error}"),
            }),
        }
    }

    fn file(&mut self, path: &Path, text: &str) {
        let origin = path.display().to_string();
        match serde_norway::from_str::<Json>(text) {
            Ok(Json::Object(sections)) => {
                self.section(&origin, "", &sections, Names::Old);
                self.section(&origin, "", &sections, Names::New);
            }
            Ok(Json::Null) => {
                let text = "the specified configuration file is empty and ineffectual";
                self.warnings.push(format!("{origin}: {text}"));
            }
            Ok(_) => self.problems.push(format!("{origin}: expected keys and values at the top level")),
            Err(error) => self.problems.push(format!("{origin}: {error}")),
        }
    }

    fn section(&mut self, origin: &str, parent: &str, entries: &serde_json::Map<String, Json>, names: Names) {
        for (name, value) in entries {
            let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
            let is_section = keys::is_section(&path) || renamed::is_section(&path);
            match (Name::find(&path), value) {
                (Some(Name::Key(key)), _) if names == Names::New => {
                    let merged = self.merged(key, Value::from_file(key.kind, value));
                    self.set(key, &format!("{origin}: {}", key.name), merged);
                }
                (Some(Name::Old(old)), _) if names == Names::Old => {
                    self.old(old, &format!("{origin}: {}", old.old), value);
                }
                (Some(_), _) => {}
                (None, Json::Object(inner)) if is_section => self.section(origin, &path, inner, names),
                (None, Json::Null) if is_section => {}
                (None, _) if names == Names::New => {
                    let near = did_you_mean(&path);
                    self.warnings.push(format!("{origin}: unknown key {path:?} is ignored{near}"));
                }
                (None, _) => {}
            }
        }
    }

    /// A map in a file adds to those in the files before it.
    fn merged(&self, key: &Key, value: Result<Value, String>) -> Result<Value, String> {
        match (value, self.values.get(key.name)) {
            (Ok(Value::Map(new)), Some(Setting { value: Value::Map(old), .. })) => {
                Ok(Value::Map(old.clone().into_iter().chain(new).collect()))
            }
            (value, _) => value,
        }
    }

    fn environment(&mut self, environment: &BTreeMap<String, String>) {
        let is_set = |name: &str| environment.get(name).filter(|text| !text.is_empty());
        for (variable, text) in environment.iter().filter(|(_, text)| !text.is_empty()) {
            if let Some(old) = renamed::find_by_variable(variable) {
                self.old(old, variable, &Json::from(text.as_str()));
            }
        }
        for variable in variables::weakest_first() {
            if let (Some(text), Some(alias)) = (is_set(variable), variables::find(variable)) {
                self.alias(variable, alias, text);
            }
        }
        for (variable, text) in environment.iter().filter(|(_, text)| !text.is_empty()) {
            if let Some(key) = keys::find_by_variable(variable) {
                self.set(key, variable, Value::parse(key.kind, text));
            }
        }
    }

    fn alias(&mut self, variable: &str, alias: Alias, text: &str) {
        let set: &[&str] = match &alias {
            Alias::Sets(set) => set,
            Alias::SetsOfServers(key) if self.serving => std::slice::from_ref(key),
            Alias::SetsOfServers(_) => &[],
            Alias::Nothing(why) => {
                self.notes.push(format!("{variable} has no effect: {why}"));
                &[]
            }
        };
        for key in set.iter().filter_map(|name| keys::find(name)) {
            self.set(key, variable, Value::parse(key.kind, text));
        }
    }

    fn flags(&mut self, flags: &[Flag], assignments: &[(Name, String)]) {
        for flag in flags {
            let Some(key) = keys::find(flag.key) else { continue };
            if assignments.iter().any(|(other, _)| other.keys().contains(&key.name)) {
                self.problems.push(format!(
                    "flag: {} and config flag key {:?} cannot both be provided. Only one may be used",
                    flag.name, key.name
                ));
            }
            self.set(key, flag.name, Value::parse(key.kind, &flag.value));
        }
    }

    /// Sets the keys that took the place of one of v1.4, and says what to write instead.
    fn old(&mut self, old: &'static Renamed, origin: &str, value: &Json) {
        if old.is_for_others(self.serving) {
            return;
        }
        self.warnings.push(format!("{origin}: {}", old.advice()));
        if old.is_roles() {
            return self.roles(origin, value);
        }
        for key in old.new.iter().filter_map(|name| keys::find(name)) {
            self.set(key, origin, Value::from_file(key.kind, value));
        }
    }

    /// `requester`, `compute` or both.
    fn roles(&mut self, origin: &str, value: &Json) {
        match value::roles(value) {
            Ok((orchestrator, compute)) => {
                for (name, flag) in [("Orchestrator.Enabled", orchestrator), ("Compute.Enabled", compute)] {
                    self.values.insert(name, Setting { value: Value::Bool(flag), origin: origin.into() });
                }
            }
            Err(problem) => self.problems.push(format!("{origin}: {problem}")),
        }
    }

    fn set(&mut self, key: &'static Key, origin: &str, value: Result<Value, String>) {
        match value {
            Ok(value) => {
                let is_default = Value::parse(key.kind, key.default).is_ok_and(|default| default == value);
                if let Some(why) = key.idle.filter(|_| !is_default) {
                    let name =
                        if origin.ends_with(key.name) { String::new() } else { format!(" ({})", key.name) };
                    self.notes.push(format!("{origin}{name} has no effect: {why}"));
                }
                self.values.insert(key.name, Setting { value, origin: origin.to_owned() });
            }
            Err(error) => self.problems.push(format!("{origin}: {error}")),
        }
    }

    fn finish(mut self, file: PathBuf, home: &str) -> (Settings, Problems) {
        let data_dir = match self.values.get("DataDir") {
            Some(Setting { value: Value::Text(text), origin }) if !text.is_empty() => {
                let is_typed = origin.starts_with('-');
                let resolved = data_dir::resolve(text, home, is_typed);
                resolved.map_err(|problem| self.problems.push(format!("{origin}: {problem}"))).ok()
            }
            _ => None,
        };
        let mut seen = BTreeSet::new();
        self.problems.retain(|problem| seen.insert(problem.clone()));
        let data_dir = data_dir.unwrap_or_else(|| data_dir::default(home));
        let Self { values, problems, warnings, notes, .. } = self;
        (Settings { values, data_dir, warnings, notes, file }, Problems(problems))
    }
}

fn did_you_mean(name: &str) -> String {
    keys::nearest(name).map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default()
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
            "x.yaml: API.Port: expects an integer value from 0 to 65535, received: \"many\"",
            "x.yaml: Compute.Enabled: expects a boolean value",
            "specified configuration file doesn't exist: missing.yml",
            "-c API.Prot: no matching config key. Run",
            "-c API.Host: config flag key requires a value",
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
        assert_eq!(settings.notes(), ["x.yaml: WebUI.Enabled has no effect: there is no web interface"]);
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

    #[test]
    fn files_add_to_maps_and_the_command_line_replaces_them() {
        let read = files(&[("a.yaml", "Labels: {zone: a, tier: edge}"), ("b.yaml", "Labels: {zone: b}")]);
        let labels = |config: &[&str]| load(&invocation(config), &read).unwrap().map("Labels");
        assert_eq!(labels(&["a.yaml", "b.yaml"]), [("tier", "edge"), ("zone", "b")].map(pair).into());
        assert_eq!(labels(&["a.yaml", "Labels=x=y"]), [("x", "y")].map(pair).into());
    }

    fn pair((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn names_of_v1_4_work_and_those_of_today_win() {
        let text =
            "API: {Port: 2}\nNode: {ServerAPI: {Port: 1, Host: s}, ClientAPI: {Host: c}, Type: [compute]}";
        let found = [("x.yaml", text)];
        let read = files(&found);
        let client = load(&invocation(&["x.yaml"]), &read).unwrap();
        assert_eq!((client.text("API.Host"), client.integer("API.Port")), ("c".into(), 2));
        let serving = Invocation { serving: true, ..invocation(&["x.yaml", "Node.LoggingMode=json"]) };
        let server = load(&serving, &read).unwrap();
        assert_eq!((server.text("API.Host"), server.text("Logging.Mode")), ("s".into(), "json".into()));
        assert!(server.flag("Compute.Enabled") && !server.flag("Orchestrator.Enabled"));
        let warnings = server.warnings().join("\n");
        assert!(
            warnings.contains("x.yaml: Node.ServerAPI.Host: Node.ServerAPI.Host has a new name: API.Host"),
            "{warnings}"
        );
    }

    #[test]
    fn variables_have_other_names_and_a_key_s_own_wins() {
        let mut call = invocation(&[]);
        for (name, value) in [
            ("LOG_LEVEL", "debug"),
            ("BACALHAU_TLS_CERT", "/old"),
            ("BACALHAU_API_TLS_CERTFILE", "/own"),
            ("BACALHAU_SERVER_PORT", "9"),
            ("BACALHAU_NODE_LABELS", "zone=a"),
            ("BACALHAU_JOB_STORE_PATH", "/x"),
            ("BACALHAU_JOB_STORE_TYPE", "boltdb"),
        ] {
            call.environment.insert(name.into(), value.into());
        }
        let settings = load(&call, &files(&[])).unwrap();
        assert_eq!(
            (settings.text("Logging.Level"), settings.text("API.TLS.CertFile")),
            ("debug".into(), "/own".into())
        );
        assert_eq!(
            (settings.integer("API.Port"), settings.origin("Logging.Level")),
            (1234, Some("LOG_LEVEL"))
        );
        assert_eq!(settings.map("Labels")["zone"], "a");
        assert_eq!(settings.text("Orchestrator.StorePath"), "/x");
        assert!(settings.notes()[0].starts_with("BACALHAU_JOB_STORE_TYPE has no effect"));
        call.serving = true;
        assert_eq!(load(&call, &files(&[])).unwrap().integer("API.Port"), 9);
    }
}
