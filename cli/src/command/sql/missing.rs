//! Who did not answer, and why: pure functions from what the server tells to lines for people.

use std::collections::BTreeMap;

use bacalhau_protocol::api::{Connection, Execution, NodeState};
use bacalhau_protocol::model::Constraint;

use crate::output::cell;

/// Shown of a node's standard error, characters.
const MAX_REASON: usize = 1000;
/// Nodes named in one line.
const NAMED: usize = 10;

/// A node without an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missing {
    node: String,
    reason: String,
}

impl Missing {
    pub(super) fn new(node: &str, reason: String) -> Self {
        Self { node: node.to_owned(), reason: harmless(&reason) }
    }
}

/// What a device says cannot send escape sequences to the terminal.
fn harmless(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

/// Whether there is an answer to fetch. A program that failed leaves results as well, but no answer among them.
pub(super) fn has_answered(execution: &Execution) -> bool {
    !execution.published_result.kind.is_empty() && execution.run_output.exit_code == 0
}

/// Nodes that were asked and have not answered. `waited` says how long they had, if nobody waits any longer; `nodes`
/// tells who cannot be reached.
pub(super) fn silent<'a>(
    executions: impl IntoIterator<Item = &'a Execution>,
    waited: Option<&str>,
    nodes: &[NodeState],
) -> Vec<Missing> {
    let silent = executions.into_iter().filter(|execution| !has_answered(execution));
    silent.map(|execution| Missing::new(&execution.node_id, reason(execution, waited, nodes))).collect()
}

fn reason(execution: &Execution, waited: Option<&str>, nodes: &[NodeState]) -> String {
    let output = &execution.run_output;
    let state = &execution.compute_state;
    if output.exit_code > 0 && !output.stderr.trim().is_empty() {
        return duckdb_message(&output.stderr);
    }
    let has_ended = state.state_type.is_terminal();
    match (has_ended, waited) {
        (false, Some(waited)) => format!("no answer within {waited}{}", out_of_reach(execution, nodes)),
        (false, None) => format!("no answer{}", out_of_reach(execution, nodes)),
        _ if !state.message.is_empty() => state.message.clone(),
        _ => format!("the task ended as {}", state.state_type),
    }
}

fn out_of_reach(execution: &Execution, nodes: &[NodeState]) -> String {
    let is_it = |node: &&NodeState| node.info.node_id == execution.node_id;
    match nodes.iter().find(is_it).filter(|node| node.connection == Connection::Disconnected) {
        Some(node) => {
            let since = node.connection_state.disconnected_since;
            format!("; it cannot be reached since {} UTC", cell::time(since, true))
        }
        None => String::new(),
    }
}

/// What DuckDB said about the question: its last error, without the lines of the script around it.
pub(super) fn duckdb_message(stderr: &str) -> String {
    let is_error = |line: &&str| line.split_once(" Error: ").is_some_and(|(kind, _)| kind.len() < 30);
    let start = stderr.lines().rfind(is_error).and_then(|line| stderr.rfind(line)).unwrap_or(0);
    let message = stderr[start..].split("\n\nLINE ").next().unwrap_or_default().trim();
    message.chars().take(MAX_REASON).collect()
}

/// What a node that answered could not open, as DuckDB tells it; `None` if there is nothing to tell.
pub(super) fn unreadable(execution: &Execution) -> Option<String> {
    let output = &execution.run_output;
    let mut files = output.stderr.lines().filter_map(|line| line.strip_prefix("IO Error: "));
    let first = files.next()?.replace(super::over::ROOT, "");
    let more = match files.count() {
        _ if output.stderr_truncated => ", and more".to_owned(),
        0 => String::new(),
        count => format!(", and {count} more"),
    };
    Some(harmless(&format!("{} left files out: {first}{more}", execution.node_id)))
}

/// Approved nodes that the selector chooses but that were not asked.
pub(super) fn not_asked(
    nodes: &[NodeState],
    constraints: &[Constraint],
    asked: &[Execution],
) -> Vec<Missing> {
    let is_meant = |node: &&NodeState| {
        node.membership == "APPROVED"
            && node.info.node_type == "Compute"
            && constraints.iter().all(|constraint| constraint.holds(&node.info.labels))
            && !asked.iter().any(|execution| execution.node_id == node.info.node_id)
    };
    nodes.iter().filter(is_meant).map(|node| Missing::new(&node.info.node_id, why_not_asked(node))).collect()
}

fn why_not_asked(node: &NodeState) -> String {
    let offers = &node.info.compute_node_info;
    if let Some(reason) = offers.engines_unavailable.get("docker") {
        return format!("not asked, Docker is not available there: {reason}");
    }
    if !offers.execution_engines.iter().any(|engine| engine == "docker") {
        return "not asked, it has no Docker engine".to_owned();
    }
    match node.connection {
        Connection::Disconnected => "not asked, it is not connected".to_owned(),
        Connection::Connected => "not asked; it may have joined after the question".to_owned(),
    }
}

/// One paragraph per reason, with the nodes it holds for; the most common reason last, where it is seen.
pub(super) fn report(missing: &[Missing]) -> Vec<String> {
    let mut nodes_by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Missing { node, reason } in missing {
        nodes_by_reason.entry(reason).or_default().push(node);
    }
    let mut groups: Vec<_> = nodes_by_reason.into_iter().collect();
    groups.sort_by_key(|(_, nodes)| nodes.len());
    groups.into_iter().map(|(reason, nodes)| format!("{}: {reason}", names(nodes))).collect()
}

/// The path that a device does not let jobs read, if that is what one of the lines says.
pub(super) fn closed_path(lines: &[String]) -> Option<&str> {
    let (before, _) = lines.iter().find_map(|line| line.split_once(" is not allowlisted"))?;
    before.rsplit_once("volume ").map(|(_, path)| path)
}

/// A node, or how many and the first of them.
pub(super) fn names(mut nodes: Vec<&str>) -> String {
    nodes.sort_unstable();
    nodes.dedup();
    match nodes.len() {
        1 => nodes[0].to_owned(),
        2..=NAMED => format!("{} nodes ({})", nodes.len(), nodes.join(", ")),
        count => format!("{count} nodes ({} and {} more)", nodes[..NAMED].join(", "), count - NAMED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    const SAID: &str = "IO Error: Cannot open file \"/host/var/log/x\": Permission denied\n\
        Binder Error: Referenced column \"nope\" not found in FROM clause!\nCandidate bindings: \"a\"\n\n\
        LINE 1: CREATE VIEW answer AS FROM query(getenv('QUERY'));\n      ^\n";

    #[test]
    fn nodes_without_an_answer_say_why() {
        let executions: Vec<Execution> = read(json!([
            {"NodeID": "a", "ComputeState": {"StateType": 10, "Message": "exit code 1"},
             "PublishedResult": {"Type": "local"}, "RunOutput": {"ExitCode": 1, "stderr": SAID}},
            {"NodeID": "b", "ComputeState": {"StateType": 4, "Message": "volume /x is not allowlisted"}},
            {"NodeID": "c", "ComputeState": {"StateType": 6}},
            {"NodeID": "d", "ComputeState": {"StateType": 9}, "PublishedResult": {"Type": "local"}},
            {"NodeID": "e", "ComputeState": {"StateType": 6}}
        ]));
        let nodes: Vec<NodeState> = read(json!([
            {"Info": {"NodeID": "c"}, "Connection": "CONNECTED"},
            {"Info": {"NodeID": "e"}, "Connection": "DISCONNECTED",
             "ConnectionState": {"DisconnectedSince": "2024-10-02T06:00:00Z"}}
        ]));
        let found = silent(&executions, Some("30s"), &nodes);
        let expected = [
            (
                "a",
                "Binder Error: Referenced column \"nope\" not found in FROM clause!\nCandidate bindings: \"a\"",
            ),
            ("b", "volume /x is not allowlisted"),
            ("c", "no answer within 30s"),
            ("e", "no answer within 30s; it cannot be reached since 2024-10-02 06:00:00 UTC"),
        ];
        assert_eq!(found, expected.map(|(node, reason)| Missing::new(node, reason.to_owned())));
        let left_out = "a left files out: Cannot open file \"/var/log/x\": Permission denied";
        assert_eq!(unreadable(&executions[0]).as_deref(), Some(left_out));
        assert_eq!(unreadable(&executions[3]), None);
    }

    #[test]
    fn a_reason_is_told_once() {
        let all: Vec<Missing> = (0..12)
            .map(|number| Missing::new(&format!("n{number:02}"), "Parser Error: x".into()))
            .chain([Missing::new("z", "away".into()), Missing::new("y", "away".into())])
            .collect();
        assert_eq!(
            report(&all),
            [
                "2 nodes (y, z): away",
                "12 nodes (n00, n01, n02, n03, n04, n05, n06, n07, n08, n09 and 2 more): Parser Error: x"
            ]
        );
    }

    #[test]
    fn a_device_cannot_send_escape_sequences_to_the_terminal() {
        let missing = [Missing::new("a", "\u{1b}[2JParser Error: x\nline".into())];
        assert_eq!(report(&missing), ["a: \u{fffd}[2JParser Error: x\nline"]);
    }

    #[test]
    fn a_closed_path_is_found_for_the_hint() {
        let lines = ["a: rejected bid: the input for /host/x: volume /x y is not allowlisted".to_owned()];
        assert_eq!(closed_path(&lines), Some("/x y"));
        assert_eq!(closed_path(&[]), None);
    }

    #[test]
    fn nodes_that_were_meant_but_not_asked_are_named() {
        let node = |name: &str, membership: &str, engines: Value, zone: &str| -> NodeState {
            read(json!({"Membership": membership, "Connection": "CONNECTED", "Info": {
                "NodeID": name, "NodeType": "Compute", "Labels": {"zone": zone},
                "ComputeNodeInfo": {"ExecutionEngines": engines}}}))
        };
        let nodes = [
            node("asked", "APPROVED", json!(["docker"]), "a"),
            node("bare", "APPROVED", json!(["wasm"]), "a"),
            node("pending", "PENDING", json!(["docker"]), "a"),
            node("elsewhere", "APPROVED", json!(["docker"]), "b"),
        ];
        let asked: Vec<Execution> = read(json!([{"NodeID": "asked"}]));
        let constraints = bacalhau_protocol::selector::parse("zone=a").unwrap();
        let found = not_asked(&nodes, &constraints, &asked);
        assert_eq!(found, [Missing::new("bare", "not asked, it has no Docker engine".into())]);
    }
}
