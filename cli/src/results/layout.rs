//! Names for answers that lie side by side.

use std::collections::BTreeSet;

use crate::client::RemoteArchive;
use crate::output::cell::short_id;

/// The published result of one execution.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The execution.
    pub execution_id: String,
    /// Where it ran; empty when that is not known.
    pub node_id: String,
    /// Where the archive is.
    pub archive: RemoteArchive,
}

impl Answer {
    /// Name of the archive's file.
    pub fn file_name(&self) -> String {
        format!("{}.tar.gz", self.execution_id)
    }

    /// How the answer is called in messages.
    pub fn title(&self) -> String {
        match self.node_id.as_str() {
            "" => format!("execution {}", self.execution_id),
            node => format!("node {node} (execution {})", short_id(&self.execution_id)),
        }
    }
}

/// A directory name per answer: the node's, and the execution's beside it where a node has several or its name is taken by
/// a file.
pub fn directories(answers: &[Answer]) -> Vec<String> {
    let mut taken: BTreeSet<String> = ["raw", "stdout", "stderr", "exitcode"].map(str::to_owned).into();
    answers
        .iter()
        .map(|answer| {
            let short = [&answer.node_id, &format!("{}-{}", answer.node_id, short_id(&answer.execution_id))]
                .into_iter()
                .find(|name| is_file_name(name) && !taken.contains(&name.to_lowercase()))
                .cloned();
            let name = short.unwrap_or_else(|| answer.execution_id.clone());
            // Some file systems do not tell upper from lower case.
            taken.insert(name.to_lowercase());
            name
        })
        .collect()
}

/// Whether the text names an entry of a directory and nothing else.
fn is_file_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(['.', '-']) && !text.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(node: &str, execution: &str) -> Answer {
        let url = "http://h/a.tar.gz".parse().unwrap();
        let archive = RemoteArchive { url, sha256: None, size: None };
        Answer { execution_id: execution.into(), node_id: node.into(), archive }
    }

    #[test]
    fn nodes_name_directories() {
        let e = "e-1a2b3c4d-0000-4000-8000-000000000001";
        let answers = [
            answer("gateway-1", e),
            answer("gateway-2", "e-2"),
            answer("gateway-1", e),
            answer("Stdout", "e-4"),
            answer("../x", "e-5"),
            answer("", "e-6"),
        ];
        let expected = ["gateway-1", "gateway-2", "gateway-1-e-1a2b3c4d", "Stdout-e-4", "e-5", "e-6"];
        assert_eq!(directories(&answers), expected);
    }
}
