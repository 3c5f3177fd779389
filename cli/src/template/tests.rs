use super::*;

/// What Go's own engine makes of the same templates and values; `golden/cases.go` writes it.
const EXPECTED: &str = include_str!("golden/expected.jsonl");

#[derive(serde::Deserialize)]
struct Expected {
    template: String,
    output: String,
    /// Of the mistake; empty where there is none.
    line: String,
}

/// Templates that come out differently on purpose, and why.
const DIFFERENT: &[(&str, &str)] =
    &[("a\n{{if .name}}\nb", "Go names the end of the file, we the block that is open")];

fn data() -> Values {
    let text = "a \"b\" <c> & 'd'";
    [
        ("name", "World"),
        ("greeting", "Hello"),
        ("empty", ""),
        ("start-time", "-5m"),
        ("count", "3"),
        ("text", text),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn line(error: &Error) -> String {
    match error {
        Error::Parse { line, .. } | Error::Missing { line, .. } | Error::Execute { line, .. } => {
            line.to_string()
        }
        Error::Pattern(_) => String::new(),
    }
}

#[test]
fn templates_come_out_as_go_writes_them() {
    let mut wrong = Vec::new();
    for row in EXPECTED.lines() {
        let expected: Expected = serde_json::from_str(row).unwrap();
        if DIFFERENT.iter().any(|(template, _)| *template == expected.template) {
            continue;
        }
        let found = render(&expected.template, &data());
        let is_right = match &found {
            Ok(output) => expected.line.is_empty() && *output == expected.output,
            Err(error) => expected.line == "?" || expected.line == line(error),
        };
        if !is_right {
            wrong.push(format!(
                "{:?}: Go {:?} line {:?}, found {found:?}",
                expected.template, expected.output, expected.line
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_missing_name_is_told_with_its_place() {
    let error = render("a: b\nc: ü{{ if .name }}{{ .nothing }}{{ end }}", &data()).unwrap_err();
    let expected = "failed to execute template: template: :2:22: executing \"\" at <.nothing>: \
                    map has no entry for key \"nothing\"";
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().contains("-V nothing=VALUE"));
}

#[test]
fn what_is_no_template_is_told_with_its_place() {
    let error = render("a\nb {{if .name}}", &data()).unwrap_err();
    assert!(error.to_string().starts_with("failed to parse template: template: :2:"), "{error}");
    let error = render("{{upper .name}}", &data()).unwrap_err().to_string();
    assert_eq!(error, "failed to parse template: template: :1:3: function \"upper\" not defined");
}

#[test]
fn given_values_win_over_the_environment() {
    let environment: BTreeMap<String, String> = [("name", "env"), ("hostname", "h"), ("other", "o")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let given: Values = [("name".to_owned(), "given".to_owned())].into();
    let found = values(given.clone(), Some("name"), &environment).unwrap();
    let expected = [("hostname", "h"), ("name", "given")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(found, expected.into());
    assert_eq!(values(Values::new(), Some("*"), &environment).unwrap(), environment);
    assert_eq!(values(given.clone(), None, &environment).unwrap(), given);
    let error = values(given, Some("("), &environment).unwrap_err().to_string();
    assert!(error.starts_with("failed to compile environment variable pattern: "), "{error}");
}
