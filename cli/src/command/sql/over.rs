//! `--over`: which files of a device are asked.

use std::collections::BTreeSet;

/// Where the device's directories stand inside the task, so that none of them hides a part of the image.
pub(super) const ROOT: &str = "/host";

/// Globs, and the directories that hold everything they can match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Over {
    /// As the task sees them.
    pub(super) globs: Vec<String>,
    /// On the device; none lies in another one.
    pub(super) directories: Vec<String>,
}

impl Over {
    /// Reads all values of the flag.
    pub(super) fn parse(values: &[String]) -> Result<Self, String> {
        let mut globs = Vec::new();
        let mut bases = BTreeSet::new();
        for value in values {
            let path = checked(value)?;
            let fixed = fixed_part(&path);
            if fixed == "/" {
                return Err(format!(
                    "--over {value:?} would need everything the device has: begin with a directory, as in /var/log/**"
                ));
            }
            if fixed == path {
                // A directory means all that is in it; whether it is one, only the device knows.
                globs.push(format!("{ROOT}{path}/**"));
            }
            globs.push(format!("{ROOT}{path}"));
            bases.insert(fixed);
        }
        let is_inside = |inner: &str| bases.iter().any(|outer| inner.starts_with(&format!("{outer}/")));
        let directories = bases.iter().filter(|base| !is_inside(base)).cloned().collect();
        Ok(Self { globs, directories })
    }
}

/// The path without doubled or trailing slashes, if it is one.
fn checked(value: &str) -> Result<String, String> {
    let wrong = |why: &str| Err(format!("--over {value:?} {why}"));
    if !value.starts_with('/') {
        return wrong(
            "must be an absolute path of the device, as in '/var/log/**/*.log' (in quotes, or this machine's shell expands it)",
        );
    }
    if value.contains(char::is_control) {
        return wrong("contains a control character");
    }
    if value.contains(['{', '}']) {
        return wrong("has braces, which are not understood: give --over several times instead");
    }
    let parts: Vec<&str> = value.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return wrong("must not contain '..'");
    }
    if parts.iter().any(|part| part.matches('[').count() != part.matches(']').count()) {
        return wrong("has a bracket that is not closed; a set of characters is written as in [a-z]");
    }
    if parts.iter().any(|part| part.contains("**") && *part != "**") {
        return wrong(
            "has '**' next to something else: it stands alone between slashes, as in /var/log/**/*.log",
        );
    }
    if parts.iter().filter(|part| **part == "**").count() > 1 {
        return wrong("has '**' twice: once is enough");
    }
    Ok(format!("/{}", parts.join("/")))
}

/// What stands in front of the first part with a wildcard.
fn fixed_part(path: &str) -> String {
    let fixed: Vec<&str> =
        path.split('/').skip(1).take_while(|part| !part.contains(['*', '?', '['])).collect();
    format!("/{}", fixed.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(values: &[&str]) -> Result<Over, String> {
        Over::parse(&values.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn the_directory_in_front_of_the_wildcards_is_what_a_device_must_allow() {
        for (value, directory, globs) in [
            ("/var/log/**/*.log", "/var/log", vec!["/host/var/log/**/*.log"]),
            ("/var//log/./nginx/access.log*", "/var/log/nginx", vec!["/host/var/log/nginx/access.log*"]),
            ("/var/l?g/x", "/var", vec!["/host/var/l?g/x"]),
            ("/var/log/", "/var/log", vec!["/host/var/log/**", "/host/var/log"]),
        ] {
            let over = over(&[value]).unwrap();
            assert_eq!(
                (over.directories, over.globs),
                (vec![directory.to_owned()], globs.iter().map(ToString::to_string).collect())
            );
        }
    }

    #[test]
    fn a_directory_inside_another_is_not_asked_for_again() {
        let over = over(&["/var/log/**", "/var/log/nginx/*.log", "/var/logs/*", "/var/log/*.gz"]).unwrap();
        assert_eq!(over.directories, ["/var/log", "/var/logs"]);
        assert_eq!(over.globs.len(), 4);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (value, part) in [
            ("*.log", "must be an absolute path"),
            ("/**", "everything the device has"),
            ("/", "everything the device has"),
            ("/var/../etc/*", "'..'"),
            ("/var/log/[a", "not closed"),
            ("/var/log/{a,b}", "several times"),
            ("/var/log/a**", "stands alone"),
            ("/a/**/b/**", "once is enough"),
            ("/a\nb", "control character"),
        ] {
            let error = over(&[value]).unwrap_err();
            assert!(error.contains(part), "{value}: {error}");
        }
    }
}
