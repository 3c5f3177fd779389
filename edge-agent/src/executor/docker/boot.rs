//! Tells containers that ended with their machine from those that ended by themselves.

use std::collections::HashMap;
use std::fs;

use bollard::models::{ContainerState, ContainerStateStatusEnum};

/// Label with the kernel's name for the time between two boots in which the container was made.
const LABEL: &str = "bacalhau-boot";
/// What a machine leaves in containers that it takes down with it: killed, asked to end, found dead by the engine of the
/// next boot, which has no other code for them.
const CODES: [i64; 3] = [137, 143, 255];

/// The name of this boot; none where the kernel does not tell. An engine across the network has another.
pub(super) fn name(host: &str) -> Option<String> {
    let name =
        host.starts_with("unix://").then(|| fs::read_to_string("/proc/sys/kernel/random/boot_id").ok());
    name.flatten().map(|name| name.trim().to_owned())
}

/// Label of a container that is made in this boot.
pub(super) fn label(boot: Option<String>) -> Option<(String, String)> {
    Some((LABEL.to_owned(), boot?))
}

/// Whether a container is over because the machine went down, in boot `now` or before it.
pub(super) fn ended(labels: &HashMap<String, String>, state: &ContainerState, now: Option<&str>) -> bool {
    use ContainerStateStatusEnum::{DEAD, EXITED};
    let is_over = matches!(state.status, Some(EXITED | DEAD));
    let is_its_own =
        state.oom_killed == Some(true) || !state.exit_code.is_some_and(|code| CODES.contains(&code));
    let has_booted = labels.get(LABEL).zip(now).is_some_and(|(then, now)| then != now);
    is_over && has_booted && !is_its_own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_boot_came_after_and_a_machine_does_is_the_machines() {
        let labels: HashMap<_, _> = label(Some("first".to_owned())).into_iter().collect();
        let exited = |code| ContainerState {
            status: Some(ContainerStateStatusEnum::EXITED),
            exit_code: Some(code),
            ..ContainerState::default()
        };
        for code in CODES {
            assert!(ended(&labels, &exited(code), Some("second")));
            assert!(!ended(&labels, &exited(code), Some("first")), "the machine was up all the time");
            assert!(!ended(&labels, &exited(code), None));
            assert!(!ended(&HashMap::new(), &exited(code), Some("second")));
        }
        for code in [0, 1, 139] {
            assert!(!ended(&labels, &exited(code), Some("second")), "{code} is the task's own");
        }
        let hog = ContainerState { oom_killed: Some(true), ..exited(137) };
        assert!(!ended(&labels, &hog, Some("second")));
        let alive = ContainerState { status: Some(ContainerStateStatusEnum::RUNNING), ..exited(0) };
        assert!(!ended(&labels, &alive, Some("second")));
    }

    #[test]
    fn a_boot_has_a_name_on_this_machine_only() {
        assert!(name("unix:///run/docker.sock").is_some_and(|name| name.len() == 36));
        assert_eq!(name("tcp://engine:2375"), None);
    }
}
