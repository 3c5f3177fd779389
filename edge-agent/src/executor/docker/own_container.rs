//! Containers in which this agent's own program runs an errand (`own_program.rs`). Any image will do: nothing is pulled, and
//! nothing of the image runs.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType};

use super::Settings;
use crate::chain::chain;
use crate::executor::Access;
use crate::own_program::OwnProgram;

/// Everything of ours in the container's file system lies below.
pub(super) const ROOT: &str = "/.bacalhau";
/// Memory of an errand, and of its buffers in the kernel.
const MEMORY_BYTES: i64 = 64 << 20;
/// Processes and threads of an errand. It has one.
const MAX_PROCESSES: i64 = 8;

/// Whether there can be such containers here; else why not.
pub(super) fn check(settings: &Settings) -> Result<OwnProgram, String> {
    if !settings.runs_in_containers {
        return Err("the program that runs this agent does not offer it".to_owned());
    }
    if !settings.host.starts_with("unix://") {
        return Err("the Docker engine is not on this machine".to_owned());
    }
    OwnProgram::read().map_err(|error| chain(&error))
}

/// What the program is to do as root, without any network but its own loopback.
pub(super) struct Errand {
    /// Arguments of the program.
    pub(super) command: Vec<String>,
    /// What it needs of the node.
    pub(super) sees: Mount,
    /// What it may do beyond any user's rights.
    pub(super) capabilities: Vec<String>,
}

impl Errand {
    pub(super) fn body(
        self,
        program: &OwnProgram,
        image: &str,
        labels: HashMap<String, String>,
    ) -> ContainerCreateBody {
        let (mut command, mut mounts) = start(program);
        command.extend(self.command);
        mounts.push(self.sees);
        ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(command),
            cmd: Some(Vec::new()),
            user: Some("0:0".to_owned()),
            working_dir: Some("/".to_owned()),
            labels: Some(labels),
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                mounts: Some(mounts),
                readonly_rootfs: Some(true),
                cap_drop: Some(vec!["ALL".to_owned()]),
                cap_add: Some(self.capabilities),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                memory: Some(MEMORY_BYTES),
                memory_swap: Some(MEMORY_BYTES),
                pids_limit: Some(MAX_PROCESSES),
                log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }
}

/// Shows something of the node as `name` below [`ROOT`].
pub(super) fn mount(host: &Path, name: &str, access: Access) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(host.to_string_lossy().into_owned()),
        target: Some(format!("{ROOT}/{name}")),
        read_only: Some(access == Access::ReadOnly),
        ..Mount::default()
    }
}

/// How the program is started, and its files. One that is not static brings loader and libraries along.
fn start(program: &OwnProgram) -> (Vec<String>, Vec<Mount>) {
    let mut mounts = Vec::new();
    let mut bring = |file: &Path, directory: &str| {
        let name = format!("{directory}/{}", file.file_name().unwrap_or_default().to_string_lossy());
        mounts.push(mount(file, &name, Access::ReadOnly));
        format!("{ROOT}/{name}")
    };
    let mut command = Vec::new();
    if let Some(shared) = &program.shared {
        let loader = bring(&shared.loader, "lib");
        shared.libraries.iter().for_each(|library| drop(bring(library, "lib")));
        command.extend([loader, "--library-path".to_owned(), format!("{ROOT}/lib")]);
    }
    command.push(bring(&program.executable, "bin"));
    (command, mounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own_program::Shared as Libraries;

    #[test]
    fn a_static_program_is_started_itself() {
        let program = OwnProgram { executable: "/usr/bin/agent".into(), shared: None };
        let (command, mounts) = start(&program);
        assert_eq!(command, ["/.bacalhau/bin/agent"]);
        assert_eq!(mounts.len(), 1);
        assert!(mounts.iter().all(|mount| mount.read_only == Some(true)));
    }

    #[test]
    fn a_dynamic_program_brings_its_loader_and_libraries() {
        let shared =
            Libraries { loader: "/lib/ld-linux.so.2".into(), libraries: vec!["/lib/libc.so.6".into()] };
        let program = OwnProgram { executable: "/usr/bin/agent".into(), shared: Some(shared) };
        let (command, mounts) = start(&program);
        let expected =
            ["/.bacalhau/lib/ld-linux.so.2", "--library-path", "/.bacalhau/lib", "/.bacalhau/bin/agent"];
        assert_eq!(command, expected);
        let targets: Vec<_> = mounts.iter().filter_map(|mount| mount.target.as_deref()).collect();
        assert!(targets.contains(&"/.bacalhau/lib/libc.so.6"), "{targets:?}");
    }
}
