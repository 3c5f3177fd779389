//! The command tree and the flags every command knows.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::client::Client;
use crate::command::{
    agent, auth, completion, config as config_command, devstack, docker, exec, job, legacy, node, profile,
    serve, sql, version, wasm,
};
use crate::config::client::{Choice, ClientConfig, Kept};
use crate::config::serve::ServeConfig;
use crate::config::{self, Flag, Invocation, Problems, Settings, dotenv};
use crate::profiles::{Profile, Profiles};
use crate::{arguments, error, output, usage};

/// Compute over data
#[derive(Debug, Parser)]
#[command(name = "bacalhau", disable_help_subcommand = false, after_help = AUTHENTICATION)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

const AUTHENTICATION: &str = "\
Authentication (environment):
  BACALHAU_API_KEY       key of the API
  BACALHAU_API_USERNAME  user name, with
  BACALHAU_API_PASSWORD  its password";

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// A YAML configuration file, Key=Value, or a key to set to true; may be repeated
    #[arg(short = 'c', long = "config", global = true, value_name = "KEY=VALUE|FILE")]
    pub(crate) config: Vec<String>,
    /// Host or URL of the API [env: BACALHAU_API_HOST]
    #[arg(long, global = true, value_name = "HOST")]
    api_host: Option<String>,
    /// Port of the API [env: BACALHAU_API_PORT]
    #[arg(long, global = true, value_name = "PORT")]
    api_port: Option<String>,
    /// Directory of everything that is kept [env: BACALHAU_DIR] [default: ~/.bacalhau]
    #[arg(long, alias = "repo", global = true, value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// A profile to take the server from [env: BACALHAU_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// Talk https to the server
    #[arg(long, global = true, hide = true)]
    tls: bool,
    /// Certificates to trust, PEM
    #[arg(long, global = true, hide = true, value_name = "PATH")]
    cacert: Option<String>,
    /// Talk to a server whoever it is
    #[arg(long, global = true, hide = true)]
    insecure: bool,
    /// Least important event that is logged
    #[arg(long, global = true, hide = true, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Form of log lines
    #[arg(long, global = true, hide = true, value_name = "MODE")]
    log_mode: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask the server about itself
    #[command(subcommand)]
    Agent(agent::Command),
    /// Show how this client authenticates
    #[command(subcommand)]
    Auth(auth::Command),
    /// Print a script that completes commands and flags
    Completion(completion::Completion),
    /// Show and change the configuration
    #[command(subcommand)]
    Config(config_command::Command),
    /// Submit, inspect and stop jobs
    #[command(subcommand)]
    Job(job::Command),
    /// Inspect nodes and decide who may take work
    #[command(subcommand)]
    Node(node::Command),
    /// Keep the names of several servers
    #[command(subcommand)]
    Profile(profile::Command),
    /// Ask every device a SQL question about its own files
    Sql(Box<sql::Sql>),
    /// Run containers
    #[command(subcommand)]
    Docker(docker::Command),
    /// Run Python code, or a DuckDB query, in a container made for it
    Exec(Box<exec::Exec>),
    /// Run WebAssembly modules
    #[command(subcommand)]
    Wasm(wasm::Command),
    /// Run a node in the foreground
    Serve(serve::Serve),
    /// Run a small cluster on this machine for trials
    Devstack(devstack::Devstack),
    /// Show the versions of client and server
    Version(version::Version),
    /// The same as `job run`
    #[command(hide = true)]
    Create(Box<legacy::Create>),
    /// The same as `job list`, newest first
    #[command(hide = true)]
    List(legacy::List),
    /// The same as `job describe`
    #[command(hide = true)]
    Describe(legacy::Describe),
    /// The same as `job stop`
    #[command(hide = true)]
    Cancel(legacy::Cancel),
    /// The same as `job get`
    #[command(hide = true)]
    Get(job::Get),
    /// The same as `job logs`
    #[command(hide = true)]
    Logs(job::Logs),
    /// The same as `job validate`
    #[command(hide = true)]
    Validate(legacy::Validate),
    /// Show the id of the server's node
    #[command(hide = true)]
    Id(legacy::Id),
}

/// What a command was started with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The merged configuration.
    pub settings: Settings,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The profile `--profile` names.
    pub profile: Option<String>,
}

/// What the program was started with, before anything is read.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Flags of every command.
    pub global: Global,
    /// Flags of this command that stand for keys.
    pub flags: Vec<Flag>,
    /// The environment, with what `.env` files add to it.
    pub environment: BTreeMap<String, String>,
    /// The command starts a node.
    pub serving: bool,
}

impl Start {
    /// The configuration file that is read where no other is named.
    pub fn default_file(&self) -> PathBuf {
        config::default_file(&self.invocation())
    }

    fn invocation(&self) -> Invocation {
        Invocation {
            config: self.global.config.clone(),
            flags: self.global.flags().into_iter().chain(self.flags.iter().cloned()).collect(),
            environment: self.environment.clone(),
            serving: self.serving,
        }
    }
}

impl Context {
    /// Merges all sources of configuration, and tells what is odd about them.
    pub fn load(start: Start) -> Result<Self, Problems> {
        let (settings, mut problems) =
            config::merge(&start.invocation(), &|path| std::fs::read_to_string(path));
        if !problems.0.is_empty() {
            // Whoever starts a node hears at once what else would be wrong.
            let further = start.serving.then(|| ServeConfig::resolve(&settings).err()).flatten();
            further.into_iter().for_each(|found| problems.add(found));
            return Err(problems);
        }
        for warning in settings.warnings() {
            output::warn(warning);
        }
        Ok(Self { settings, environment: start.environment, profile: start.global.profile })
    }

    /// A client of the server the configuration names.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(self.client_config()?))
    }

    /// The server the configuration names, and how to talk to it.
    pub fn client_config(&self) -> anyhow::Result<ClientConfig> {
        let kept = Kept { profile: self.chosen_profile()?, tokens: self.tokens()? };
        Ok(ClientConfig::resolve(&self.settings, &self.environment, &kept)?)
    }

    /// The profile a client uses unless the settings say more plainly which server is meant.
    pub fn chosen_profile(&self) -> anyhow::Result<Option<(Choice, Profile)>> {
        let profiles = self.profiles();
        let variable = self.environment.get("BACALHAU_PROFILE").filter(|name| !name.is_empty()).cloned();
        let named = |name, choice| Some((name, choice));
        let chosen = match (&self.profile, variable) {
            (Some(name), _) => named(name.clone(), Choice::Flag),
            (None, Some(name)) => named(name, Choice::Environment),
            (None, None) => profiles.current().map(|name| (name, Choice::Current)),
        };
        let read = |(name, choice): (String, Choice)| Ok((choice, profiles.read(&name)?));
        chosen.map(read).transpose()
    }

    /// The profiles of the data directory.
    pub fn profiles(&self) -> Profiles {
        Profiles::new(self.settings.data_dir())
    }

    fn tokens(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let path = self.settings.data_dir().join("tokens.json");
        match std::fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => Ok(BTreeMap::new()),
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("reading {}", path.display())),
            // Whoever cannot read it has no token.
            Err(_) => Ok(BTreeMap::new()),
        }
    }
}

impl Global {
    fn flags(&self) -> Vec<Flag> {
        let set = |flag: bool| flag.then(|| "true".to_owned());
        let data_dir = self.data_dir.as_ref().map(|path| path.display().to_string());
        [
            ("--api-host", "API.Host", &self.api_host),
            ("--api-port", "API.Port", &self.api_port),
            ("--data-dir", "DataDir", &data_dir),
            ("--tls", "API.TLS.UseTLS", &set(self.tls)),
            ("--cacert", "API.TLS.CAFile", &self.cacert),
            ("--insecure", "API.TLS.Insecure", &set(self.insecure)),
            ("--log-level", "Logging.Level", &self.log_level),
            ("--log-mode", "Logging.Mode", &self.log_mode),
        ]
        .into_iter()
        .filter_map(|(name, key, value)| Some(Flag { name, key, value: value.clone()? }))
        .collect()
    }
}

impl Cli {
    fn tree() -> clap::Command {
        arguments::with_negative_values(Self::command())
    }

    fn read(arguments: &[String]) -> Result<Self, clap::Error> {
        let mut matches = Self::tree().try_get_matches_from(arguments)?;
        Self::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut Self::tree()))
    }

    /// The parser's complaint in our words.
    fn explained(error: &clap::Error, arguments: &[String]) -> error::Advised {
        let mut tree = Self::tree();
        tree.build();
        usage::explained(error, &arguments::typed(&tree, arguments))
    }
}

/// Parses the arguments, runs the command, tells what went wrong. This is the whole program.
pub async fn run(
    arguments: impl IntoIterator<Item = String>,
    environment: BTreeMap<String, String>,
) -> ExitCode {
    let arguments = arguments::normalised(&Cli::command(), arguments);
    if let Some(error) = usage::typographic(&arguments) {
        output::note(&error::report(&error.into(), output::stderr_has_colour()));
        return ExitCode::FAILURE;
    }
    let cli = match Cli::read(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error, &arguments),
    };
    match Box::pin(execute(cli, environment)).await {
        Ok(code) => code,
        Err(error) if error::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&error::report(&error, output::stderr_has_colour()));
            ExitCode::FAILURE
        }
    }
}

async fn execute(cli: Cli, environment: BTreeMap<String, String>) -> anyhow::Result<ExitCode> {
    let Some(command) = cli.command else {
        output::print(&Cli::command().render_help().to_string())?;
        return Ok(ExitCode::SUCCESS);
    };
    let (flags, serving) = match &command {
        Command::Serve(serve) => (serve.flags(), true),
        Command::Devstack(devstack) => (devstack.flags(), true),
        _ => (Vec::new(), false),
    };
    let start =
        Start { global: cli.global, flags, environment: with_env_files(environment, serving), serving };
    let command = match command {
        Command::Config(command) => return command.run(start),
        Command::Completion(command) => return command.run(Cli::command()),
        other => other,
    };
    let context = Context::load(start)?;
    match command {
        Command::Agent(command) => command.run(&context).await,
        Command::Auth(command) => command.run(&context),
        Command::Completion(_) | Command::Config(_) => unreachable!("answered above"),
        Command::Job(command) => command.run(&context).await,
        Command::Node(command) => command.run(&context).await,
        Command::Profile(command) => command.run(&context),
        Command::Sql(command) => Box::pin(command.run(&context)).await,
        Command::Docker(command) => command.run(&context).await,
        Command::Exec(command) => Box::pin(command.run(&context)).await,
        Command::Wasm(command) => command.run(&context).await,
        Command::Serve(command) => Box::pin(command.run(&context)).await,
        Command::Devstack(command) => Box::pin(command.run(&context)).await,
        Command::Version(command) => command.run(&context).await,
        Command::Create(command) => Box::pin(command.run(&context)).await,
        Command::List(command) => command.run(&context).await,
        Command::Describe(command) => command.run(&context).await,
        Command::Cancel(command) => command.run(&context).await,
        Command::Get(command) => command.run(&context).await,
        Command::Logs(command) => command.run(&context).await,
        Command::Validate(command) => command.run(&context),
        Command::Id(command) => command.run(&context).await,
    }
}

/// Adds what `.env` in the working directory says, and for clients what the file of a devstack says. What is set stays.
fn with_env_files(mut environment: BTreeMap<String, String>, serving: bool) -> BTreeMap<String, String> {
    let devstack = environment.get("DEVSTACK_ENV_FILE").filter(|_| !serving).cloned();
    for file in [Some(".env".to_owned()), devstack].into_iter().flatten().filter(|file| !file.is_empty()) {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let (variables, odd) = dotenv::parse(&text);
        for line in odd {
            output::warn(&format!("{file}:{line} is ignored: expected NAME=VALUE"));
        }
        for (name, value) in variables {
            environment.entry(name).or_insert(value);
        }
    }
    environment
}

/// Help is an answer; everything else about the arguments is a failure with code 1, as of all failures.
fn misunderstood(error: &clap::Error, arguments: &[String]) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            match output::print(&error.render().to_string()) {
                Err(failure) if failure.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
                _ => ExitCode::SUCCESS,
            }
        }
        _ => {
            let explained = Cli::explained(error, arguments).into();
            output::note(&error::report(&explained, output::stderr_has_colour()));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message and the hint.
    fn error(arguments: &[&str]) -> String {
        let arguments: Vec<String> = ["bacalhau"].iter().chain(arguments).map(ToString::to_string).collect();
        let error = Cli::read(&arguments).unwrap_err();
        error::report(&Cli::explained(&error, &arguments).into(), false)
    }

    #[test]
    fn the_tree_is_well_formed() {
        Cli::tree().debug_assert();
    }

    #[test]
    fn what_was_wrong_is_on_one_line_and_what_to_do_on_the_next() {
        for (arguments, message, hint) in [
            (&["jobs"][..], "unknown command \"jobs\" for \"bacalhau\"", "did you mean job"),
            (&["jbo", "list"], "unknown command \"jbo\" for \"bacalhau\"", "did you mean job?"),
            (&["job", "lst"], "unknown command \"lst\" for \"bacalhau job\"", "did you mean list"),
            (&["job", "list", "--limt", "1"], "unknown flag: --limt", "did you mean --limit?"),
            (&["job", "list", "-x"], "unknown shorthand flag: 'x' in -x", "`bacalhau job list --help`"),
            (
                &["job", "run", "--wait=flase"],
                "invalid argument \"flase\" for \"--wait\" flag",
                "did you mean false",
            ),
            (
                &["completion", "bsh"],
                "invalid argument \"bsh\" for <bash|zsh|fish|powershell>: ",
                "did you mean bash",
            ),
            (&["job", "delete", "x"], "unknown command \"delete\"", "`bacalhau job stop`"),
            (&["config", "auto-resources"], "unknown command", "Compute.AllocatedCapacity"),
            (&["job", "list", "y"], "unknown command \"y\" for \"bacalhau job list\"", "--help"),
            (&["job", "stop", "a", "b"], "accepts 1 arg(s), received 2", "usage: bacalhau job stop"),
            (&["job", "run", "a", "b"], "accepts at most 1 arg(s), received 2", "usage: bacalhau job run"),
            (&["docker", "run"], "requires at least 1 arg(s), only received 0", "usage: bacalhau docker run"),
            (&["job", "list", "--limit"], "flag needs an argument: --limit", "--help"),
            (
                &["job", "list", "--limit", "z"],
                "invalid argument \"z\" for \"--limit\" flag: strconv.ParseInt: parsing \"z\": invalid syntax",
                "expected a whole number",
            ),
            (
                &["list", "-n", "-1"],
                "invalid argument \"-1\" for \"-n, --number\" flag: -1 is not in 0..",
                "`bacalhau list --help`",
            ),
            (
                &["docker", "run", "--timeout", "-1", "ubuntu"],
                "invalid argument \"-1\" for \"--timeout\" flag: strconv.ParseInt: parsing \"-1\"",
                "0 or more",
            ),
            (
                &["job", "list", "--output", "jsn"],
                "expected one of table, csv, json, yaml",
                "did you mean json?",
            ),
            (&["job", "stop"], "accepts 1 arg(s), received 0", "usage: bacalhau job stop"),
            (
                &["docker", "run", "--concurrency", "2", "--count", "1", "a"],
                "if any flags in the group [count concurrency] are set none of the others can be; [concurrency count] were all set",
                "use one of them",
            ),
            (&["docker", "run", "ubuntu", "ls", "--color"], "unknown flag: --color", "put -- in front"),
            (
                &["docker", "run", "--dry-run", "a", "-s", "b=c", "--constraints", "d=e"],
                "[constraints selector] were all set",
                "use one",
            ),
        ] {
            let text = error(arguments);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!((lines.len(), lines[0]), (3, ""), "{text}");
            assert!(lines[1].starts_with("Error: ") && lines[1].contains(message), "{text}");
            assert!(lines[2].starts_with("Hint:  ") && lines[2].contains(hint), "{text}");
        }
    }

    #[test]
    fn a_dash_of_a_word_processor_is_no_image() {
        let texts = |arguments: &[&str]| arguments.iter().map(ToString::to_string).collect::<Vec<_>>();
        let arguments = texts(&["bacalhau", "docker", "run", "\u{2014}network=http", "rust/compile"]);
        let error = error::report(&usage::typographic(&arguments).unwrap().into(), false);
        assert!(error.ends_with("Hint:  did you mean --network=http?"), "{error}");
        assert!(usage::typographic(&texts(&["bacalhau", "docker", "run", "a", "--", "\u{2014}x"])).is_none());
    }

    #[test]
    fn global_flags_stand_anywhere() {
        let cli =
            Cli::try_parse_from(["bacalhau", "job", "list", "--api-port", "9", "-c", "API.Host=x"]).unwrap();
        let context = Context::load(Start { global: cli.global, ..Start::default() }).unwrap();
        assert_eq!(context.client().unwrap().endpoint(), "http://x:9");
    }
}
