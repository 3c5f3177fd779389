//! What older clients cannot read, in the words they know (api.md 7). Clients that name no version get the newest.

use bacalhau_protocol::api::{ComputeStateNumber, Execution, HistoryItem, HistoryType, Job, Task};

use super::caller::{Caller, ClientVersion};

/// From here on clients number the states of executions as we do.
const NUMBERS_STATES: ClientVersion = (1, 5, 2);
/// From here on clients expect no states in history.
const READS_EVENTS: ClientVersion = (1, 5, 0);
/// From here on clients know `Host` and `Bridge`, and no longer `Full`.
const KNOWS_HOST: ClientVersion = (1, 6, 4);
/// From here on clients know all kinds of network. Before, an unknown one makes them refuse the whole answer.
const KNOWS_NETWORKS: ClientVersion = (1, 7, 0);

/// An execution as the caller can read it.
pub(super) fn execution(caller: &Caller, shown: &mut Execution) {
    if caller.is_older_than(NUMBERS_STATES) {
        let state = &mut shown.compute_state.state_type;
        *state = ComputeStateNumber(match state.0 {
            6 | 7 => 5,
            8 => 6,
            9 => 7,
            10 => 8,
            11 => 9,
            same => same,
        });
    }
}

/// A job as the caller can read it.
pub(super) fn job(caller: &Caller, shown: &mut Job) {
    if caller.is_older_than(KNOWS_NETWORKS) {
        let knows_host = !caller.is_older_than(KNOWS_HOST);
        shown.tasks.iter_mut().for_each(|task| network(task, knows_host));
    }
}

/// An empty word leaves the network out, which every client takes for its default.
fn network(task: &mut Task, knows_host: bool) {
    let word = match (task.network.network_type.as_str(), knows_host) {
        ("Default", _) | ("Bridge", false) => "",
        ("Host", false) => "Full",
        ("Full", true) => "Host",
        _ => return,
    };
    word.clone_into(&mut task.network.network_type);
}

/// A history entry as the caller can read it.
pub(super) fn history(caller: &Caller, shown: &mut HistoryItem) {
    if caller.is_older_than(READS_EVENTS) {
        let state = Some(Default::default());
        match shown.history_type {
            HistoryType::ExecutionLevel => shown.execution_state = state,
            HistoryType::JobLevel | HistoryType::Undefined => shown.job_state = state,
        }
    }
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::api::Network;

    use super::*;

    fn client(version: ClientVersion) -> Caller {
        Caller::anonymous(Some(version))
    }

    #[test]
    fn states_of_executions_are_renumbered_before_1_5_2() {
        let shown = |version, number| {
            let mut shown = Execution::default();
            shown.compute_state.state_type = ComputeStateNumber(number);
            execution(&client(version), &mut shown);
            shown.compute_state.state_type.0
        };
        let before: Vec<u8> = (0..12).map(|number| shown((1, 5, 1), number)).collect();
        assert_eq!(before, [0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9]);
        assert_eq!(shown((1, 5, 2), 9), 9);
    }

    #[test]
    fn networks_are_named_as_each_client_knows_them() {
        let shown = |version, word: &str| {
            let network = Network { network_type: word.to_owned(), ..Network::default() };
            let mut shown = Job { tasks: vec![Task { network, ..Task::default() }], ..Job::default() };
            job(&client(version), &mut shown);
            serde_json::to_value(&shown.tasks[0]).unwrap()["Network"]["Type"].as_str().map(str::to_owned)
        };
        for (version, word, expected) in [
            ((1, 6, 3), "Default", None),
            ((1, 6, 3), "Host", Some("Full")),
            ((1, 6, 3), "Bridge", None),
            ((1, 6, 3), "HTTP", Some("HTTP")),
            ((1, 6, 5), "Full", Some("Host")),
            ((1, 6, 5), "Bridge", Some("Bridge")),
            ((1, 7, 0), "Default", Some("Default")),
        ] {
            assert_eq!(shown(version, word).as_deref(), expected, "{version:?} {word}");
        }
    }

    #[test]
    fn history_has_states_before_1_5() {
        let mut shown = HistoryItem { history_type: HistoryType::JobLevel, ..HistoryItem::default() };
        history(&client((1, 5, 0)), &mut shown);
        assert!(shown.job_state.is_none());
        history(&client((1, 4, 0)), &mut shown);
        assert_eq!(serde_json::to_value(&shown).unwrap()["JobState"], serde_json::json!({}));
    }
}
