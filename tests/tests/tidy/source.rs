//! Habits of the source text.

use crate::repository::File;

/// Every `#[allow(…)]` and `#[expect(…)]` gives a reason.
pub(crate) fn waivers(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let code = file.code();
        for opening in ["[allow(", "[expect("] {
            for (start, _) in code.match_indices(&format!("#{opening}")) {
                let attribute = &code[start..];
                let attribute = &attribute[..attribute.find(")]").unwrap_or(attribute.len())];
                if !attribute.contains("reason = \"") {
                    violations.push(format!("{}: {attribute})]", file.path));
                }
            }
        }
    }
    violations
}

/// Files below a `src` folder that no `mod` declaration reaches; the compiler does not see them.
pub(crate) fn orphans(files: &[File]) -> Vec<String> {
    let sources = files.iter().filter(|file| file.is_rust() && file.path.contains("src/"));
    let lost = sources.filter(|file| !is_root(&file.path) && !is_declared(file, files));
    lost.map(|file| file.path.clone()).collect()
}

fn is_root(path: &str) -> bool {
    path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") || path.contains("src/bin/")
}

fn is_declared(file: &File, files: &[File]) -> bool {
    let module =
        file.path.strip_suffix("/mod.rs").or_else(|| file.path.strip_suffix(".rs")).unwrap_or(&file.path);
    let Some((folder, name)) = module.rsplit_once('/') else { return false };
    let parents = ["/mod.rs", "/lib.rs", "/main.rs", ".rs"].map(|ending| format!("{folder}{ending}"));
    let declaration = format!("mod {name};");
    let mut candidates = files.iter().filter(|file| parents.contains(&file.path));
    candidates.any(|parent| parent.code_lines().any(|(_, line)| line.trim_end().ends_with(&declaration)))
}

/// Folders of the machines this is developed on, in two parts so that this file does not break its own rule.
const MACHINE_FOLDERS: &[(&str, &str)] = &[("/wo", "rk/"), ("/ro", "ot/")];

pub(crate) fn machine_paths(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if MACHINE_FOLDERS.iter().any(|(a, b)| mentions_absolute(line, &format!("{a}{b}"))) {
                violations.push(format!("{}:{}", file.path, index + 1));
            }
        }
    }
    violations
}

/// Whether `folder` occurs as the beginning of a path, not in the middle of a longer one.
fn mentions_absolute(line: &str, folder: &str) -> bool {
    let is_path_part = |c: char| c.is_alphanumeric() || "._-}/".contains(c);
    line.match_indices(folder).any(|(start, _)| !line[..start].ends_with(is_path_part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::sample;

    #[test]
    fn a_waiver_without_a_reason_is_found() {
        let bare = sample("a.rs", concat!("#", "[allow(dead_code)]\nfn f() {}\n"));
        let good = sample("b.rs", concat!("#", "[expect(\n    dead_code,\n    reason = \"because\"\n)]\n"));
        assert_eq!(waivers(&[bare, good]), [concat!("a.rs: #", "[allow(dead_code)]")]);
    }

    #[test]
    fn a_file_that_nobody_declares_is_found() {
        let files = [
            sample("x/src/lib.rs", "mod a;\npub mod b;\n"),
            sample("x/src/a.rs", "mod inner;\n"),
            sample("x/src/a/inner.rs", ""),
            sample("x/src/b/mod.rs", "// mod lost;\n"),
            sample("x/src/b/lost.rs", ""),
        ];
        assert_eq!(orphans(&files), ["x/src/b/lost.rs"]);
    }

    #[test]
    fn a_path_of_this_machine_is_found() {
        let (first, second) = MACHINE_FOLDERS[0];
        let bad = sample("a.md", &format!("see\n`{first}{second}notes`"));
        let good = sample("b.md", &format!("see docs{first}{second}notes"));
        assert_eq!(machine_paths(&[bad, good]), ["a.md:2"]);
    }
}
