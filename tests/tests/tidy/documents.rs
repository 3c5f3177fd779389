//! Documents and examples.

use crate::repository::File;

/// Relative links of Markdown files that lead to no file or folder.
pub(crate) fn links(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for target in link_targets(&file.text) {
            let path = target.split('#').next().unwrap_or_default();
            let is_relative = !path.is_empty() && !path.contains(':');
            if is_relative && !exists(&resolve(&file.path, path), files) {
                violations.push(format!("{} links to {target}", file.path));
            }
        }
    }
    violations
}

/// What stands between `](` and `)`.
fn link_targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.trim())
}

/// The path that `link` in the file `from` means, relative to the root.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn exists(path: &str, files: &[File]) -> bool {
    let folder = format!("{path}/");
    path.is_empty() || files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
}

pub(crate) fn changelog(files: &[File]) -> Vec<String> {
    let has_section =
        |file: &File| file.path == "CHANGELOG.md" && file.text.lines().any(|l| l == "## Unreleased");
    if files.iter().any(has_section) {
        Vec::new()
    } else {
        vec!["no `## Unreleased` in CHANGELOG.md".to_owned()]
    }
}

/// Every YAML file below `examples/` is a job with a type and one task that has an engine. What a template fills in stands
/// for some word.
pub(crate) fn example_jobs(files: &[File]) -> Vec<String> {
    let jobs = files.iter().filter(|file| file.path.starts_with("examples/") && file.path.ends_with(".yaml"));
    jobs.filter_map(|file| {
        job_mistake(&filled_in(&file.text)).map(|mistake| format!("{}: {mistake}", file.path))
    })
    .collect()
}

fn filled_in(template: &str) -> String {
    let mut parts = template.split("{{");
    let first = parts.next().unwrap_or_default().to_owned();
    let rests = parts.map(|part| part.split_once("}}").map_or("", |(_, rest)| rest));
    rests.fold(first, |text, rest| text + "x" + rest)
}

fn job_mistake(text: &str) -> Option<String> {
    let job: serde_json::Value = match serde_norway::from_str(text) {
        Ok(job) => job,
        Err(error) => return Some(error.to_string()),
    };
    let expected = ["/Type", "/Tasks/0/Name", "/Tasks/0/Engine/Type"];
    expected
        .iter()
        .find(|pointer| !job.pointer(pointer).is_some_and(|value| value.is_string()))
        .map(|pointer| format!("no text at {pointer}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::sample;

    #[test]
    fn a_link_into_nothing_is_found() {
        let text = "[a](../README.md) [b](#here) [c](https://example.org) [d](gone.md#x) [e](images/)";
        let files = [sample("docs/a.md", text), sample("README.md", ""), sample("docs/images/x.svg", "")];
        assert_eq!(links(&files), ["docs/a.md links to gone.md#x"]);
    }

    #[test]
    fn a_changelog_without_room_for_news_is_found() {
        assert_eq!(changelog(&[sample("CHANGELOG.md", "# Changelog\n\n## 1.0\n")]).len(), 1);
        assert!(changelog(&[sample("CHANGELOG.md", "# Changelog\n\n## Unreleased\n")]).is_empty());
    }

    #[test]
    fn a_template_is_looked_at_as_if_it_were_filled_in() {
        let text =
            "Type: ops\nTasks: [{Name: a, Engine: {Type: docker, Image: {{or (index . \"i\") \"b\"}}}}]";
        assert_eq!(job_mistake(&filled_in(text)), None);
    }

    #[test]
    fn a_broken_example_is_found() {
        for text in ["Type: [", "Type: ops\nTasks: []", "Tasks: [{Name: a, Engine: {Type: wasm}}]"] {
            assert_eq!(example_jobs(&[sample("examples/a/job.yaml", text)]).len(), 1, "{text}");
        }
    }
}
