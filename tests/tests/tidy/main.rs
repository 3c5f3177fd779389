//! Rules that no linter knows. Each rule is a function from files to violations, tried on a bad sample beside it and
//! applied to the whole repository here.

mod documents;
mod imports;
mod repository;
mod size;
mod source;

use repository::{File, repository};

type Rule = fn(&[File]) -> Vec<String>;

const RULES: &[(&str, Rule)] = &[
    ("crates depend on each other one way only", imports::crate_dependencies),
    ("no forbidden package is linked", imports::forbidden_packages),
    ("pure modules do no input or output and read no clock", imports::pure_modules),
    ("only the link's shells name quinn", imports::transport),
    ("no file is longer than a person reads in one go", size::long_files),
    ("no function is longer than a screen", size::long_functions),
    ("every waived lint says why", source::waivers),
    ("every source file is part of a crate", source::orphans),
    ("no path of a developer's machine is written down", source::machine_paths),
    ("links between documents lead somewhere", documents::links),
    ("the changelog has a place for what comes next", documents::changelog),
    ("example jobs are well-formed", documents::example_jobs),
];

#[test]
fn the_repository_keeps_its_rules() {
    let files = repository();
    let mut report = String::new();
    for (title, rule) in RULES {
        for violation in rule(&files) {
            report += &format!("{title}: {violation}\n");
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn the_walk_sees_the_repository() {
    let files = repository();
    for path in ["Cargo.toml", "tests/tests/tidy/main.rs", "examples/host-logs/job.yaml", "LICENSE"] {
        assert!(files.iter().any(|file| file.path == path), "{path}");
    }
    assert!(!files.iter().any(|file| file.path.starts_with("target/")));
}
