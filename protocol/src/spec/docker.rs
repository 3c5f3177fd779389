//! Engine `docker`: which image runs and how it is called.

use super::{Fields, InvalidParams, Report, read};
use crate::model::SpecConfig;

/// Longest image reference, bytes: a name of 255, a tag of 128 and a digest.
pub const MAX_IMAGE_BYTES: usize = 512;
/// Variables with this in front are the system's.
const RESERVED: &str = "BACALHAU_";
/// What an image looks like, for messages.
const EXAMPLES: &str = "expected an image such as \"ubuntu:24.04\" or \"ghcr.io/org/tool@sha256:…\"";

/// Parameters of a Docker task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerSpec {
    /// Reference of the image: name, and tag or digest.
    pub image: String,
    /// Replaces the image's entrypoint unless empty.
    pub entrypoint: Vec<String>,
    /// Replaces the image's command unless empty.
    pub parameters: Vec<String>,
    /// Name and value, in the order given; of a name given twice the last counts.
    pub environment: Vec<(String, String)>,
    /// Absolute path in the container; `None` for the image's own.
    pub working_directory: Option<String>,
}

impl DockerSpec {
    /// Reads the parameters.
    pub fn parse(config: &SpecConfig) -> Result<Self, InvalidParams> {
        read(config, Self::from_fields)
    }

    pub(crate) fn from_fields(fields: &mut Fields<'_>, report: &mut Report) -> Self {
        let image = fields.text("Image", report);
        // A value of the wrong type has been reported as such.
        if fields.value("Image").is_none_or(|value| value.is_string())
            && let Err(problem) = check_image(&image)
        {
            report.error(fields.at("Image"), problem);
        }
        Self {
            image,
            entrypoint: arguments(fields, "Entrypoint", report),
            parameters: arguments(fields, "Parameters", report),
            environment: environment(fields, report),
            working_directory: working_directory(fields, report),
        }
    }
}

/// What no container engine could make sense of; whether the image exists is found out on the node.
fn check_image(image: &str) -> Result<(), String> {
    if image.is_empty() {
        return Err(format!("missing; {EXAMPLES}"));
    }
    if image.len() > MAX_IMAGE_BYTES {
        return Err(format!("expected at most {MAX_IMAGE_BYTES} bytes, found {}", image.len()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "./:@_-[]+".contains(c);
    if let Some(bad) = image.chars().find(|c| !allowed(*c)) {
        return Err(format!("an image reference cannot contain {bad:?}; {EXAMPLES}"));
    }
    let (name, _digest) = image.split_once('@').unwrap_or((image, ""));
    // A colon behind the last slash stands before the tag; one in front of it belongs to the registry's port.
    let path_start = name.rfind('/').map_or(0, |slash| slash + 1);
    let tag_start = name[path_start..].find(':').map_or(name.len(), |colon| path_start + colon);
    let (repository, tag) = (&name[..tag_start], name.get(tag_start + 1..));
    if repository.is_empty() || repository.split('/').any(str::is_empty) || tag == Some("") {
        return Err(format!("{image:?} is incomplete; {EXAMPLES}"));
    }
    // The registry's name may have capitals, the path behind it may not.
    let path =
        repository.split_once('/').filter(|(host, _)| is_registry(host)).map_or(repository, |(_, rest)| rest);
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let lower = path.to_lowercase();
        return Err(format!("the name of an image must be lowercase: {lower:?} rather than {path:?}"));
    }
    Ok(())
}

fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn arguments(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Vec<String> {
    let arguments = fields.texts(key, report);
    if let Some(index) = arguments.iter().position(|text| text.contains('\0')) {
        report.error(format!("{}[{index}]", fields.at(key)), "cannot contain null characters");
    }
    arguments
}

fn environment(fields: &mut Fields<'_>, report: &mut Report) -> Vec<(String, String)> {
    let key = "EnvironmentVariables";
    let texts = fields.texts(key, report);
    let mut variables = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match variable(text) {
            Ok(variable) => variables.push(variable),
            Err(problem) => report.error(format!("{}[{index}]", fields.at(key)), problem),
        }
    }
    variables
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| format!("expected NAME=value, found {text:?}"))?;
    if text.contains('\0') {
        return Err("cannot contain null characters".to_owned());
    }
    if name.to_uppercase().starts_with(RESERVED) {
        return Err(format!("environment variable '{name}' cannot start with {RESERVED}"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn working_directory(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let path = fields.text("WorkingDirectory", report);
    if path.is_empty() {
        return None;
    }
    if !path.starts_with('/') || path.contains('\0') {
        let message =
            format!("invalid docker engine param: 'WorkingDirectory' ({path:?}) must contain absolute path");
        report.error(fields.at("WorkingDirectory"), message);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(params: &str) -> Result<DockerSpec, InvalidParams> {
        DockerSpec::parse(&SpecConfig { kind: "docker".into(), params: params.into() })
    }

    fn problem(params: &str) -> String {
        parse(params).unwrap_err().to_string()
    }

    #[test]
    fn reads_parameters_in_any_case_and_null_means_the_images_own() {
        let spec = parse(
            r#"{"image": "ubuntu:24.04", "ENTRYPOINT": null, "Parameters": ["echo", ""],
                "EnvironmentVariables": ["A=b=c", "EMPTY="], "workingdirectory": "/srv"}"#,
        );
        let expected = DockerSpec {
            image: "ubuntu:24.04".into(),
            entrypoint: vec![],
            parameters: vec!["echo".into(), String::new()],
            environment: vec![("A".into(), "b=c".into()), ("EMPTY".into(), String::new())],
            working_directory: Some("/srv".into()),
        };
        assert_eq!(spec, Ok(expected));
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_by_name() {
        let text = problem(
            r#"{"Entrypoint": "sh", "Parameters": ["a", 2], "WorkingDirectory": "srv",
                "EnvironmentVariables": ["A=1", "B", "bacalhau_x=1", "=x"]}"#,
        );
        let lines: Vec<&str> = text.lines().collect();
        let starts = [
            "Params.Image: missing; expected an image such as",
            "Params.Entrypoint: expected a list, found the text \"sh\"",
            "Params.Parameters[1]: expected text, found the number 2",
            "Params.EnvironmentVariables[1]: expected NAME=value, found \"B\"",
            "Params.EnvironmentVariables[2]: environment variable 'bacalhau_x' cannot start with BACALHAU_",
            "Params.EnvironmentVariables[3]: expected NAME=value, found \"=x\"",
            "Params.WorkingDirectory: invalid docker engine param: 'WorkingDirectory' (\"srv\") must contain absolute path",
        ];
        assert_eq!(lines.len(), starts.len(), "{text}");
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
    }

    #[test]
    fn an_image_of_the_wrong_type_is_told_once() {
        assert_eq!(problem(r#"{"Image": 7}"#), "Params.Image: expected text, found the number 7");
    }

    #[test]
    fn usual_references_are_accepted() {
        for image in [
            "ubuntu",
            "library/ubuntu:24.04",
            "localhost:5000/tool",
            "Registry.Example.com:5000/team/tool:V1.2_rc-3",
            "[::1]:5000/tool",
            "ghcr.io/org/tool@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ] {
            assert_eq!(check_image(image), Ok(()), "{image}");
        }
    }

    #[test]
    fn references_that_no_engine_reads_are_refused() {
        for (image, part) in [
            ("ubuntu 24.04", "cannot contain ' '"),
            ("{{.image}}", "cannot contain '{'"),
            ("docker://ubuntu", "is incomplete"),
            ("ubuntu:", "is incomplete"),
            ("ghcr.io//tool", "is incomplete"),
            ("ghcr.io/Org/tool", "\"org/tool\" rather than \"Org/tool\""),
            ("Ubuntu", "must be lowercase: \"ubuntu\""),
        ] {
            let problem = check_image(image).unwrap_err();
            assert!(problem.contains(part), "{image}: {problem}");
        }
        assert!(check_image(&"a".repeat(600)).unwrap_err().contains("at most 512 bytes"));
    }
}
