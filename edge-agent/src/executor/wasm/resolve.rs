//! Which file of the node a module's name means.

use std::fs;
use std::path::{Path, PathBuf};

use crate::executor::{HostPath, Mount};

use super::error::Error;

/// The absolute form of a path inside the task: one leading slash, no empty or `.` parts, and never `..`.
pub(super) fn guest_path(path: &str) -> Result<String, Error> {
    let refuse = |reason| Err(Error::GuestPath { path: path.to_owned(), reason });
    if path.is_empty() {
        return refuse("it is empty");
    }
    if path.contains('\0') {
        return refuse("it contains a zero byte");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return refuse("'..' is not allowed");
    }
    Ok(format!("/{}", parts.join("/")))
}

/// Finds the file of module `name`: by an input's alias, by its target path, or inside an input that is a directory.
pub(super) fn module_file(inputs: &[Mount], name: &str, wanted_by: &str) -> Result<HostPath, Error> {
    find(inputs, name)
        .and_then(single_module)
        .ok_or_else(|| Error::NoSuchModule { name: name.to_owned(), wanted_by: wanted_by.to_owned() })
}

fn find(inputs: &[Mount], name: &str) -> Option<HostPath> {
    if let Some(input) = inputs.iter().find(|input| input.alias.as_deref() == Some(name)) {
        return Some(input.host.clone());
    }
    let wanted = guest_path(name).ok()?;
    inputs.iter().find_map(|input| {
        let target = guest_path(&input.guest).ok()?;
        let rest = Path::new(&wanted).strip_prefix(&target).ok()?;
        match &input.host {
            whole if rest.as_os_str().is_empty() => Some(whole.clone()),
            HostPath::Unmade { .. } => None,
            there => inside(&there.access(), rest).map(HostPath::There),
        }
    })
}

// A link inside an input must not lead out of it.
fn inside(root: &Path, rest: &Path) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    root.join(rest).canonicalize().ok().filter(|path| path.starts_with(&root))
}

fn single_module(host: HostPath) -> Option<HostPath> {
    if let HostPath::Unmade { .. } = host {
        return Some(host);
    }
    let path = host.access();
    if !path.is_dir() {
        return path.is_file().then_some(host.clone());
    }
    let mut modules = fs::read_dir(&path)
        .ok()?
        .filter_map(|entry| inside(&path, Path::new(&entry.ok()?.file_name())))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm") && path.is_file());
    modules.next().filter(|_| modules.next().is_none()).map(HostPath::There)
}

#[cfg(test)]
mod tests {
    use crate::executor::Access;

    use super::*;

    fn mount(host: &Path, guest: &str, alias: Option<&str>) -> Mount {
        let alias = alias.map(str::to_owned);
        Mount { host: host.to_owned().into(), guest: guest.to_owned(), alias, access: Access::ReadOnly }
    }

    #[test]
    fn paths_inside_the_task_are_made_absolute_and_cannot_climb() {
        assert_eq!(guest_path("/a//b/./c/").unwrap(), "/a/b/c");
        assert_eq!(guest_path("a/b").unwrap(), "/a/b");
        assert_eq!(guest_path("/").unwrap(), "/");
        assert!(guest_path("").is_err());
        assert!(guest_path("/a/../b").is_err());
        assert!(guest_path("/a\0b").is_err());
    }

    #[test]
    fn a_module_is_found_by_alias_by_path_and_alone_in_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lib.wasm");
        fs::write(&file, b"").unwrap();
        let root = dir.path().canonicalize().unwrap();
        let inputs = [mount(&file, "/wasm/lib.wasm", Some("lib")), mount(dir.path(), "/all", None)];
        let found = |name| Some(module_file(&inputs, name, "the task").ok()?.name().to_owned());
        assert_eq!(found("lib"), Some(file.clone()));
        assert_eq!(found("/wasm/lib.wasm"), Some(file.clone()));
        assert_eq!(found("/all/lib.wasm"), Some(root.join("lib.wasm")));
        assert_eq!(found("/all"), Some(root.join("lib.wasm")));
        assert_eq!(found("/all/none.wasm"), None);
        fs::write(dir.path().join("second.wasm"), b"").unwrap();
        assert_eq!(found("/all"), None);
    }

    #[test]
    fn a_link_out_of_an_input_is_no_module() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("x.wasm"), b"").unwrap();
        std::os::unix::fs::symlink(outside.path().join("x.wasm"), dir.path().join("x.wasm")).unwrap();
        let inputs = [mount(dir.path(), "/in", None)];
        assert!(module_file(&inputs, "/in/x.wasm", "the task").is_err());
        assert!(module_file(&inputs, "/in", "the task").is_err());
    }
}
