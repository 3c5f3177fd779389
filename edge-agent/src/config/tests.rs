use super::*;

const TOKEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.c2VjcmV0LXNlY3JldA";

fn settings(arguments: &[&str]) -> Settings {
    let mut settings = Settings::default();
    settings.environment(|name| (name == "HOME").then(|| "/home/ann".to_owned()));
    arguments.iter().for_each(|argument| settings.argument(argument));
    settings
}

fn resolved(arguments: &[&str]) -> Config {
    Config::resolve(&settings(arguments)).unwrap().0
}

fn mistakes(arguments: &[&str]) -> Vec<String> {
    Config::resolve(&settings(arguments)).unwrap_err().0
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

#[test]
fn nothing_written_gives_the_defaults() {
    let config = resolved(&[]);
    assert_eq!(config.data_dir, Path::new("/home/ann/.bacalhau"));
    assert_eq!(config.name, Name::PrefixedUuid);
    assert!(config.orchestrators.is_empty());
    assert!(config.allowed_paths.is_empty() && !config.admission.accept_networked);
}

#[test]
fn a_range_of_ports_has_both_ends() {
    let config = resolved(&["Compute.Network.PortRangeStart=25000"]);
    assert_eq!(config.port_range, 25_000..=32_000);
    let errors = mistakes(&["Compute.Network.PortRangeStart=40000", "Compute.Network.PortRangeEnd=80"]);
    assert!(errors[0].contains("expects a port from 1024 to 65535"), "{errors:?}");
    assert!(errors[1].contains("the range 40000 to 32000 holds no port"), "{errors:?}");
}

#[test]
fn later_sources_override_earlier_ones() {
    let (_directory, path) = file(
        "nameProvider: hostname\nLogging: {Level: debug}\ncompute:\n  Orchestrators: [one, 'nats://two:5000']\n",
    );
    let mut settings = Settings::default();
    settings.file(&path);
    settings.environment(|name| match name {
        "BACALHAU_LOGGING_LEVEL" => Some("warn".to_owned()),
        "BACALHAU_DIR" => Some("/var/lib/edge".to_owned()),
        _ => None,
    });
    settings.argument("NAMEPROVIDER=uuid");
    let (config, warnings) = Config::resolve(&settings).unwrap();
    assert_eq!(config.name, Name::Uuid);
    assert_eq!(config.logging.level, "warn");
    assert_eq!(config.data_dir, Path::new("/var/lib/edge"));
    assert_eq!(
        config.orchestrators.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["one:4222", "two:5000"]
    );
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn names_of_v1_4_work_and_those_of_today_win() {
    let (_directory, path) = file(
        "NodeName: today\nNode:\n  Name: then\n  Labels: {zone: a}\n  Network: {Orchestrators: [one]}\n  Type: [compute]\n",
    );
    let mut settings = Settings::default();
    settings.file(&path);
    settings.environment(|name| match name {
        "HOME" => Some("/home/ann".to_owned()),
        "BACALHAU_NODE_COMPUTE_JOBSELECTION_ACCEPTNETWORKEDJOBS" => Some("true".to_owned()),
        _ => None,
    });
    settings.argument("Node.LoggingMode=json");
    let (config, warnings) = Config::resolve(&settings).unwrap();
    assert_eq!(config.name, Name::Chosen(NodeId::parse("today").unwrap()));
    assert_eq!(config.labels["zone"], "a");
    assert!(config.admission.accept_networked && config.logging.json);
    assert_eq!(config.orchestrators[0].to_string(), "one:4222");
    let warnings = warnings.join("\n");
    assert!(warnings.contains("Node.Labels has a new name: Labels"), "{warnings}");
    assert!(warnings.contains("unknown key Node.Type has no effect"), "{warnings}");
}

#[test]
fn stores_may_lie_elsewhere_and_are_directories() {
    assert_eq!(resolved(&["Compute.StorePath=/fast/journal"]).store, Some(PathBuf::from("/fast/journal")));
    let (_directory, path) = file("");
    let errors = mistakes(&[&format!("Compute.StorePath={}", path.display())]);
    assert!(errors[0].contains("is a file; the store is a directory"), "{errors:?}");
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let found = mistakes(&[
        "Compute.AllocatedCapacity.CPU=120%",
        "Compute.Orchestrators=http://x,host:99999",
        "Compute.AllowListedLocalPaths=relative,/a:wo,/ok/{a,b}:rw,/x[",
        "Labels=zone",
        "NameProvider=aws",
        "Compute.Auth.Token=sEcReT",
        "JobAdmissionControl.Locality=near",
        "JobAdmissionControl.RejectStatelessJobs=maybe",
        "Compute.Orchestrator=x",
    ]);
    for expected in [
        "Compute.AllocatedCapacity.CPU: cpu capacity percentage must be between 0% and 100%, got 120% (command line)",
        "Compute.Orchestrators: unknown scheme http://",
        "\"99999\" is not a port",
        "\"relative\": the path must be absolute",
        "access is ro or rw, not \"wo\"",
        "\"/x[\" is no glob",
        "found no '=' in 'zone'",
        "unknown node name provider: aws",
        "Compute.Auth.Token: is no join string",
        "expects local or anywhere",
        "expects a boolean value, received: \"maybe\"",
        "Compute.Orchestrator: no matching config key (command line); did you mean Compute.Orchestrators?",
    ] {
        assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected} not in {found:#?}");
    }
    assert_eq!(found.len(), 12);
}

#[test]
fn an_unknown_key_in_a_file_is_a_warning_and_other_programs_keys_are_none() {
    let (_directory, path) =
        file("API: {Port: 1}\nCompute: {AllowListedLocalPath: [/x]}\nLabels: {zone: a, rank: 3}\n");
    let mut settings = settings(&[]);
    settings.file(&path);
    let (config, warnings) = Config::resolve(&settings).unwrap();
    assert_eq!(config.labels["rank"], "3");
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.ends_with(
        "unknown key Compute.AllowListedLocalPath has no effect; did you mean Compute.AllowListedLocalPaths?"
    ));
}

#[test]
fn a_missing_a_damaged_and_a_wrongly_named_file_are_told_apart() {
    let (directory, path) = file("a: [b\n");
    let other = directory.path().join("settings.toml");
    std::fs::write(&other, "").unwrap();
    let found = mistakes(&["/nowhere.yaml", path.to_str().unwrap(), other.to_str().unwrap()]);
    assert_eq!(found[0], "specified configuration file doesn't exist: /nowhere.yaml");
    assert!(found[1].contains("not YAML"));
    assert!(found[2].ends_with("config files must end in suffix '.yaml' or '.yml'"));
}

#[test]
fn secrets_are_shown_nowhere() {
    let config = resolved(&[&format!("Compute.Auth.Token={TOKEN}")]);
    assert_eq!(config.join.as_ref().unwrap().secret, "c2VjcmV0LXNlY3JldA");
    assert!(!format!("{config:?}").contains("c2VjcmV0"));
    let found = mistakes(&["Compute.Auth.Token=aaaa.c2VjcmV0LXNlY3JldA"]);
    assert!(!found[0].contains("c2VjcmV0"), "{found:?}");
}

#[test]
fn a_join_string_may_be_the_user_part_of_an_address() {
    let config = resolved(&[&format!("Compute.Orchestrators=nats://{TOKEN}@[::1]:7000")]);
    assert_eq!(config.orchestrators, [Orchestrator { host: "::1".to_owned(), port: 7000 }]);
    assert!(config.join.is_some());
}

#[test]
fn lists_take_commas_and_repeated_flags() {
    let mut settings = settings(&["Compute.Env.AllowList=AWS_*,HOME"]);
    settings.add("Compute.AllowListedLocalPaths", "/var/log/**:ro", Origin::Flag("--allow-path"));
    settings.add("Compute.AllowListedLocalPaths", "/data:rw", Origin::Flag("--allow-path"));
    let (config, _) = Config::resolve(&settings).unwrap();
    assert_eq!(config.env_allow_list, ["AWS_*", "HOME"]);
    assert_eq!(
        config.allowed_paths[1],
        AllowedPath { pattern: "/data".to_owned(), access: Access::ReadWrite }
    );
}

#[test]
fn networked_jobs_need_a_word_and_rejecting_wins() {
    assert!(resolved(&["JobAdmissionControl.AcceptNetworkedJobs"]).admission.accept_networked);
    assert!(resolved(&["JobAdmissionControl.RejectNetworkedJobs=false"]).admission.accept_networked);
    let both = ["JobAdmissionControl.AcceptNetworkedJobs", "JobAdmissionControl.RejectNetworkedJobs"];
    assert!(!resolved(&both).admission.accept_networked);
}

#[test]
fn automatic_labels_cannot_be_configured() {
    let (config, warnings) = Config::resolve(&settings(&["Labels=os_arch=vax,zone=a"])).unwrap();
    assert_eq!(config.labels.len(), 2);
    assert_eq!(warnings, ["label os_arch is ignored: the agent sets it itself"]);
}

#[test]
fn node_names_follow_the_rules_of_other_implementations() {
    assert_eq!(resolved(&["NodeName=gateway-7"]).name, Name::Chosen(NodeId::parse("gateway-7").unwrap()));
    assert!(mistakes(&["NodeName=a.b"])[0].contains(".*>"));
    assert!(mistakes(&["NodeName=a b"])[0].contains("no node name"));
}

#[test]
fn a_flag_and_a_setting_for_the_same_key_contradict_each_other() {
    let mut settings = settings(&[]);
    settings.set("DataDir", "/a", Origin::Flag("--data-dir"));
    settings.argument("datadir=/b");
    assert_eq!(
        Config::resolve(&settings).unwrap_err().0,
        ["flag: --data-dir and config flag key \"DataDir\" cannot both be provided. Only one may be used"]
    );
}

#[test]
fn fetching_has_limits() {
    let config = resolved(&["InputSources.ReadTimeout=90s", "InputSources.MaxRetryCount=0"]);
    assert_eq!((config.inputs.read_timeout.as_secs(), config.inputs.attempts.get()), (90, 1));
    let found = mistakes(&["InputSources.ReadTimeout=0s", "InputSources.MaxRetryCount=-1"]);
    assert!(found[0].contains("expects a duration above 0") && found[1].contains("positive"), "{found:?}");
}
