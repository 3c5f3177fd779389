//! A Docker engine of the tests' own: its own data, socket and images, nothing of the machine's.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its engine has to fail")]

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// An image with a shell and the usual commands, and nothing to run by itself.
pub const IMAGE: &str = "busybox:test";
/// The same for a processor that nobody has.
pub const FOREIGN_IMAGE: &str = "busybox:foreign";

/// What a person has to do when the engine does not start.
const ADVICE: &str = "the Docker tests start an engine of their own: run them as root with dockerd, docker, iptables and \
                      a static busybox installed (`cargo xtask setup test` installs them)";

/// A running engine. Dropping it ends it with all its containers and removes its files; so does the end of the tests,
/// whatever ends them.
pub struct Engine {
    daemon: Mutex<Option<Child>>,
    reaper: Child,
    folder: TempDir,
    bridge: Option<Bridge>,
}

/// A network device for containers that want a network of their own.
struct Bridge {
    name: String,
    address: Ipv4Addr,
}

/// Runs until its input closes, then ends whatever there is and removes it.
const REAPER: &str = r#"
    cat >/dev/null
    for file in "$1/pid" "$1/exec/containerd/containerd.pid"; do
        pid=$(cat "$file" 2>/dev/null) && kill "$pid" 2>/dev/null
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    done
    for shim in $(grep -las "$1/exec/containerd" /proc/[0-9]*/cmdline | cut -d/ -f3); do kill -9 "$shim" 2>/dev/null; done
    awk -v folder="$1/" 'index($2, folder) == 1 {print $2}' /proc/mounts | sort -r | xargs -r -n1 umount -l
    [ "$2" = none ] || "$3" ip link delete "$2"
    rm -rf "$1"
"#;

impl Engine {
    /// The one that tests share. It lives as long as a test uses it. Blocks, on a runtime with several threads, while it
    /// starts.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = shared.upgrade() {
            return engine;
        }
        // Others wait here until it is there.
        let engine = Arc::new(tokio::task::block_in_place(|| Self::prepare(None)));
        *shared = Arc::downgrade(&engine);
        engine
    }

    /// One that a test has for itself, with images.
    pub fn own() -> Self {
        Self::prepare(None)
    }

    /// The same with a bridge that nothing else on this machine has, so that containers can have a network of their own.
    /// It leads to this machine alone.
    pub fn with_bridge() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = u8::try_from(std::process::id() % 250).expect("below 250");
        let name = format!("bactest{process}-{number}");
        // For tests between networks only (RFC 2544), so nothing else is there.
        Self::prepare(Some(Bridge { name, address: Ipv4Addr::new(198, 18, process, number % 16 * 16 + 1) }))
    }

    /// One whose data, images included, lies on a disk of this many megabytes.
    pub fn with_small_disk(megabytes: u32) -> Self {
        Self::prepare_with(None, |data| {
            fs::create_dir(data).unwrap();
            let size = format!("size={megabytes}m");
            let mount = Command::new(busybox())
                .args(["mount", "-t", "tmpfs", "-o", &size, "disk"])
                .arg(data)
                .status();
            assert!(mount.unwrap().success(), "a small disk cannot be mounted: {ADVICE}");
        })
    }

    /// Leaves no byte free on the engine's disk, until the file that it names is removed.
    pub fn fill_disk(&self) -> PathBuf {
        let path = self.folder.path().join("data/filling");
        let mut file = fs::File::create(&path).unwrap();
        let block = vec![1; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        path
    }

    fn prepare(bridge: Option<Bridge>) -> Self {
        Self::prepare_with(bridge, |_| {})
    }

    /// `make_disk` may put something at the place of the engine's data.
    fn prepare_with(bridge: Option<Bridge>, make_disk: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let reaper = Command::new("sh")
            .args(["-c", REAPER, "reaper"])
            .arg(folder.path())
            .arg(bridge.as_ref().map_or("none", |bridge| &bridge.name))
            .arg(busybox())
            .stdin(Stdio::piped())
            // What is sent to the tests' group, as by Ctrl-C, must not reach it.
            .process_group(0)
            .spawn()
            .unwrap();
        make_disk(&folder.path().join("data"));
        bridge.iter().for_each(Bridge::set_up);
        let engine = Self { daemon: Mutex::new(None), reaper, folder, bridge };
        engine.start();
        engine.make_images();
        engine
    }

    /// Starts it, again after [`kill`](Self::kill), and returns when it answers.
    pub fn start(&self) {
        let path = |name: &str| self.folder.path().join(name);
        let log = fs::OpenOptions::new().create(true).append(true).open(path("log")).unwrap();
        let mut daemon = Command::new("dockerd");
        for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            daemon.arg(option).arg(path(name));
        }
        daemon.arg("--host").arg(self.host());
        // Containers survive the engine; networks of the machine's own engine stay as they are.
        daemon.args(["--live-restore", "--iptables=false", "--ip6tables=false"]);
        daemon.arg("--bridge").arg(self.bridge.as_ref().map_or("none", |bridge| &bridge.name));
        daemon.args(["--host-gateway-ip", "127.0.0.1"]);
        daemon.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = daemon.spawn().unwrap_or_else(|error| panic!("{error}: {ADVICE}"));
        *self.daemon() = Some(child);
        loop {
            if self.try_docker(&["version"], Stdio::null()).is_ok() {
                return;
            }
            let ended = self.daemon().as_mut().and_then(|child| child.try_wait().unwrap());
            if let Some(status) = ended {
                let log = fs::read_to_string(path("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                panic!("dockerd ended with {status}: {ADVICE}\n{}", last.join("\n"));
            }
        }
    }

    /// Ends the engine as a power cut would; its containers go on.
    pub fn kill(&self) {
        if let Some(mut child) = self.daemon().take() {
            child.kill().unwrap();
            child.wait().unwrap();
            // Its helper dies with it, and where nobody reaps orphans it would look alive to the next engine.
            _ = fs::remove_file(self.folder.path().join("exec/containerd/containerd.pid"));
        }
    }

    /// Ends the engine as a service manager would; its containers go on.
    pub async fn terminate(&self) {
        let mut child = self.daemon().take().expect("it runs");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let waited = tokio::task::spawn_blocking(move || child.wait()).await;
        waited.expect("waiting does not panic").unwrap();
    }

    /// Lets every user of this machine speak to it, until it starts again.
    pub fn open_to_everybody(&self) {
        let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        allow(self.folder.path(), 0o711);
        allow(&self.folder.path().join("docker.sock"), 0o666);
    }

    /// This machine, as containers with a network of their own see it.
    pub fn gateway(&self) -> Ipv4Addr {
        self.bridge.as_ref().map(|bridge| bridge.address).expect("the engine has a bridge")
    }

    /// As `DOCKER_HOST` has it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    /// Runs `docker` against it; what it printed.
    pub fn docker(&self, arguments: &[&str]) -> String {
        self.try_docker(arguments, Stdio::null())
            .unwrap_or_else(|error| panic!("docker {arguments:?}: {error}"))
    }

    /// Containers of a node, ended ones too, and its networks and volumes.
    pub fn left_by(&self, node: &str) -> Vec<String> {
        let label = format!("label=bacalhau-executor=bacalhau-{node}");
        let kinds: [&[&str]; 3] = [&["ps", "-a"], &["network", "ls"], &["volume", "ls"]];
        let listed = kinds.into_iter().map(|kind| self.docker(&[kind, &["-q", "--filter", &label]].concat()));
        listed.collect::<String>().lines().map(str::to_owned).collect()
    }

    /// What the engine says to a `docker` command that it refuses.
    pub fn refusal(&self, arguments: &[&str]) -> String {
        match self.try_docker(arguments, Stdio::null()) {
            Ok(printed) => panic!("docker {arguments:?} succeeded: {printed}"),
            Err(said) => said,
        }
    }

    fn try_docker(&self, arguments: &[&str], input: Stdio) -> Result<String, String> {
        let output = Command::new("docker")
            .args(["--host", &self.host()])
            .args(arguments)
            .stdin(input)
            .output()
            .unwrap_or_else(|error| panic!("docker: {error}: {ADVICE}"));
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn make_images(&self) {
        let root = self.folder.path().join("root");
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::create_dir_all(root.join("tmp")).unwrap();
        fs::copy(busybox(), root.join("bin/busybox")).unwrap_or_else(|error| panic!("{error}: {ADVICE}"));
        for link in ["sh", "cat", "echo", "true", "sleep", "seq", "id", "pwd", "tail", "dd", "ls", "test"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(link)).unwrap();
        }
        let make = format!(
            r#"set -e
            tar -C "$1" -c . | docker --host "$2" import - {IMAGE} >/dev/null
            mkdir "$1/foreign" && cd "$1/foreign"
            docker --host "$2" save {IMAGE} | tar -x
            sed -i 's/"architecture":"[^"]*"/"architecture":"s390x"/; s/{IMAGE}/{FOREIGN_IMAGE}/' *.json
            tar -c . | docker --host "$2" load >/dev/null"#
        );
        let status =
            Command::new("sh").args(["-c", &make, "make"]).arg(&root).arg(self.host()).status().unwrap();
        assert!(status.success(), "the images cannot be made: {ADVICE}");
    }

    fn daemon(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(mut child) = self.daemon().take() {
            _ = kill_process(Pid::from_child(&child), Signal::TERM);
            _ = child.wait();
        }
        drop(self.reaper.stdin.take());
        _ = self.reaper.wait();
    }
}

impl Bridge {
    fn set_up(&self) {
        let Self { name, address } = self;
        for command in [
            format!("link add {name} type bridge"),
            format!("address add {address}/28 dev {name}"),
            format!("link set {name} up"),
        ] {
            let status = Command::new(busybox()).arg("ip").args(command.split(' ')).status().unwrap();
            assert!(status.success(), "ip {command}: {ADVICE}");
        }
    }
}

fn busybox() -> &'static Path {
    let usual = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    usual.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no busybox: {ADVICE}"))
}
