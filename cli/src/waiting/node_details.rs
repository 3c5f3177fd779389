//! What each node answered, nodes of the same answer together (cli.md 5.5).

use bacalhau_protocol::api::Execution;

use crate::output::cell;

/// The answers under a heading.
pub(super) fn text(executions: &[Execution]) -> String {
    let mut groups: Vec<(String, Vec<&Execution>)> = Vec::new();
    for execution in executions {
        let answer = answer(execution);
        match groups.iter_mut().find(|(text, _)| *text == answer) {
            _ if answer.is_empty() => {}
            Some((_, members)) => members.push(execution),
            None => groups.push((answer, vec![execution])),
        }
    }
    let lines: String = groups.iter().map(|(answer, members)| line(answer, members)).collect();
    format!("\nJob Results By Node:\n{lines}")
}

fn line(answer: &str, members: &[&Execution]) -> String {
    let title = match members {
        [only] => format!("• Node {}: ", cell::short_id(&only.node_id)),
        many => {
            let mut nodes: Vec<&str> = many.iter().map(|execution| execution.node_id.as_str()).collect();
            nodes.sort_unstable();
            nodes.dedup();
            format!("• {} runs on {} nodes: ", many.len(), nodes.len())
        }
    };
    let indent = title.chars().count();
    format!("{title}{}\n", answer.replace('\n', &format!("\n{:indent$}", "")))
}

/// The run's error, else stderr of a program that failed, else stdout, else why there was no run.
fn answer(execution: &Execution) -> String {
    let output = &execution.run_output;
    let text = if !output.error_msg.is_empty() {
        &output.error_msg
    } else if output.exit_code > 0 && !output.stderr.is_empty() {
        &output.stderr
    } else if output.stdout.is_empty() && execution.compute_state.state_type.is_discarded() {
        &execution.compute_state.message
    } else {
        &output.stdout
    };
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_answers_stand_together() {
        let executions: Vec<Execution> = serde_json::from_value(json!([
            {"NodeID": "a", "RunOutput": {"Stdout": "hello\nworld\n"}},
            {"NodeID": "b", "RunOutput": {"stderr": "denied", "ExitCode": 1, "Stdout": "x"}},
            {"NodeID": "c", "RunOutput": {"stderr": "denied", "ExitCode": 1}},
            {"NodeID": "d", "ComputeState": {"StateType": 4, "Message": "rejected bid"}},
            {"NodeID": "e"}
        ]))
        .unwrap();
        let expected = concat!(
            "\nJob Results By Node:\n",
            "• Node a: hello\n          world\n",
            "• 2 runs on 2 nodes: denied\n",
            "• Node d: rejected bid\n",
        );
        assert_eq!(text(&executions), expected);
    }
}
