//! The command line, turned into settings.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bacalhau_agent::config::{Config, Mistakes, Origin, Settings};
use clap::Parser;

/// Longest join string read from a file or stdin, bytes.
const MAX_JOIN_BYTES: u64 = 4096;

/// Runs jobs of a Bacalhau control plane on this device. It dials out; nothing listens here.
#[derive(Debug, Parser)]
#[command(
    name = "bacalhau-agent",
    version,
    after_help = "Every setting can be given by -c Key=Value, as variable BACALHAU_KEY (dots as underscores) or in \
                  <data-dir>/config.yaml. Prefer --join-file or the variable BACALHAU_JOIN to --join: arguments are \
                  visible to every user of this machine. SIGHUP reads labels, capacity, admission and allowed paths again."
)]
pub(crate) struct Arguments {
    /// Control plane to dial; repeat it to name several. Default: the ones joined last, else 127.0.0.1:4222
    #[arg(short = 'o', long = "orchestrator", value_name = "HOST[:PORT]")]
    orchestrators: Vec<String>,
    /// Join string that the control plane printed; `-` reads it from stdin
    #[arg(long, value_name = "STRING", conflicts_with = "join_file")]
    join: Option<String>,
    /// File with the join string
    #[arg(long, value_name = "FILE")]
    join_file: Option<PathBuf>,
    /// Where everything durable lives. Default: ~/.bacalhau
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// Name of a new node; one that has a name keeps it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Label by which jobs find this node; repeatable
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// Host path that jobs may mount, as in /var/log:ro or /data/**:rw; repeatable
    #[arg(long = "allow-path", value_name = "PATTERN[:ro|:rw]")]
    allowed_paths: Vec<String>,
    /// Setting, or YAML file with settings; repeatable, the last one wins
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE|FILE")]
    config: Vec<String>,
    /// trace, debug, info, warn or error
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// What stdin held, which is read once.
    #[arg(skip)]
    stdin: OnceLock<Result<String, String>>,
}

impl Arguments {
    /// Reads files, environment and command line. May be called again for a reload.
    pub(crate) fn config(&self) -> Result<(Config, Vec<String>), Mistakes> {
        let (first, warnings) = Config::resolve(&self.settings(None))?;
        let file = first.data_dir.join("config.yaml");
        if self.names_a_file() || !file.exists() {
            return Ok((first, warnings));
        }
        Config::resolve(&self.settings(Some(&file)))
    }

    fn names_a_file(&self) -> bool {
        self.config.iter().any(|argument| Settings::is_file(argument))
    }

    /// Lowest first: files, environment, command line.
    fn settings(&self, file: Option<&Path>) -> Settings {
        let mut settings = Settings::default();
        let (files, keys): (Vec<_>, Vec<_>) =
            self.config.iter().partition(|argument| Settings::is_file(argument));
        file.into_iter().chain(files.into_iter().map(Path::new)).for_each(|path| settings.file(path));
        settings.environment(|name| std::env::var(name).ok());
        self.flags(&mut settings);
        keys.into_iter().for_each(|argument| settings.argument(argument));
        settings
    }

    fn flags(&self, settings: &mut Settings) {
        let lists = [
            ("--orchestrator", "Compute.Orchestrators", &self.orchestrators),
            ("--label", "Labels", &self.labels),
            ("--allow-path", "Compute.AllowListedLocalPaths", &self.allowed_paths),
        ];
        for (flag, key, items) in lists {
            items.iter().for_each(|item| settings.add(key, item, Origin::Flag(flag)));
        }
        let texts = [
            ("--data-dir", "DataDir", &self.data_dir),
            ("--name", "NodeName", &self.name),
            ("--log-level", "Logging.Level", &self.log_level),
        ];
        for (flag, key, text) in texts {
            text.iter().for_each(|text| settings.set(key, text, Origin::Flag(flag)));
        }
        let (flag, join) = match (self.join.as_deref(), &self.join_file) {
            (Some("-"), _) => {
                ("--join", self.stdin.get_or_init(|| read_join(Ok(io::stdin().lock()))).clone())
            }
            (Some(join), _) => ("--join", Ok(join.to_owned())),
            (None, Some(path)) => (
                "--join-file",
                read_join(File::open(path)).map_err(|why| format!("{}: {why}", path.display())),
            ),
            (None, None) => return,
        };
        match join {
            Ok(join) => settings.set("Compute.Auth.Token", &join, Origin::Flag(flag)),
            Err(why) => settings.mistake(format!("{flag}: {why}")),
        }
    }
}

fn read_join(source: io::Result<impl Read>) -> Result<String, String> {
    let mut text = String::new();
    match source.and_then(|source| source.take(MAX_JOIN_BYTES).read_to_string(&mut text)) {
        Ok(0) => Err("there is no join string".to_owned()),
        Ok(_) => Ok(text),
        Err(error) => Err(format!("the join string cannot be read: {error}")),
    }
}
