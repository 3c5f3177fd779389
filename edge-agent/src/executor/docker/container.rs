//! What a container is made of. Pure.

use std::collections::{BTreeMap, HashMap};

use bacalhau_protocol::ids::NodeId;
use bacalhau_protocol::spec::docker::DockerSpec;
use bollard::models::{
    ContainerCreateBody, DeviceMapping, DeviceRequest, HostConfig, HostConfigLogConfig, Mount, MountType,
};

use super::network;
use crate::executor::{self, Access, TaskRun};

/// Label of everything a node creates, with [`Owner::id`].
pub(super) const NODE_LABEL: &str = "bacalhau-executor";
/// Label with the owner and the job.
const JOB_LABEL: &str = "bacalhau-jobID";
/// Label with the owner and the execution.
pub(super) const EXECUTION_LABEL: &str = "bacalhau-executionID";
/// Label with the bytes that stdout and stderr of the execution held before this container, as `12,0`.
const OFFSETS_LABEL: &str = "bacalhau-output-offsets";
/// Label with the positions in the node's list of the GPUs that were given to the container, as `0,2`.
const GPUS_LABEL: &str = "bacalhau-gpus";
/// Length of a period in which a share of the processor is given out, microseconds: the kernel's own.
const CPU_PERIOD_US: i64 = 100_000;
/// Smallest share in a period that the kernel takes, microseconds.
const LEAST_CPU_QUOTA_US: i64 = 1_000;
/// The engine's log of a container may be this many times as large as what is kept of its output: it holds time and
/// stream of every line. It is needed until the agent has read it, also after a restart of the agent.
const LOG_OVERHEAD: u64 = 2;
/// Files of the engine's log; the oldest goes when there would be more.
const LOG_FILES: u64 = 2;

/// The node, as labels name it.
#[derive(Debug)]
pub(super) struct Owner(String);

impl Owner {
    pub(super) fn new(node_id: &NodeId) -> Self {
        Self(format!("bacalhau-{node_id}"))
    }

    /// Value of [`NODE_LABEL`].
    pub(super) fn id(&self) -> &str {
        &self.0
    }

    /// Labels of everything that belongs to an execution.
    pub(super) fn labels(&self, execution_id: &str) -> HashMap<String, String> {
        [(NODE_LABEL, self.0.clone()), (EXECUTION_LABEL, self.of(execution_id))]
            .map(|(key, value)| (key.to_owned(), value))
            .into()
    }

    /// The same with the job's.
    pub(super) fn labels_of_job(&self, job_id: &str, execution_id: &str) -> HashMap<String, String> {
        let mut labels = self.labels(execution_id);
        labels.insert(JOB_LABEL.to_owned(), self.of(job_id));
        labels
    }

    /// The execution that something with these labels belongs to; `None` if it is not this node's.
    pub(super) fn execution<'l>(&self, labels: &'l HashMap<String, String>) -> Option<&'l str> {
        (labels.get(NODE_LABEL)? == &self.0).then_some(())?;
        labels.get(EXECUTION_LABEL)?.strip_prefix(&self.0)
    }

    fn of(&self, id: &str) -> String {
        format!("{}{id}", self.0)
    }
}

/// The container's name. Execution ids are unique, so names are.
pub(super) fn name(execution_id: &str) -> String {
    format!("bacalhau-{execution_id}")
}

/// The name of the container through which it reaches the agent's proxy.
pub(super) fn relay_name(execution_id: &str) -> String {
    format!("{}-relay", name(execution_id))
}

/// The name of the container that makes its files the agent's own.
pub(super) fn reclaim_name(execution_id: &str) -> String {
    format!("{}-reclaim", name(execution_id))
}

/// Bytes of each stream that were there before the container began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    pub(super) stdout: u64,
    pub(super) stderr: u64,
}

impl Offsets {
    pub(super) fn from_labels(labels: &HashMap<String, String>) -> Self {
        let read = || {
            let (stdout, stderr) = labels.get(OFFSETS_LABEL)?.split_once(',')?;
            Some(Self { stdout: stdout.parse().ok()?, stderr: stderr.parse().ok()? })
        };
        read().unwrap_or_default()
    }
}

/// The GPUs that were given to a container.
pub(super) fn gpus_from_labels(labels: &HashMap<String, String>) -> Vec<u32> {
    labels
        .get(GPUS_LABEL)
        .map_or_else(Vec::new, |list| list.split(',').filter_map(|i| i.parse().ok()).collect())
}

/// Hardware beyond processor and memory.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Hardware {
    /// Positions of the GPUs in the node's list.
    pub(super) gpus: Vec<u32>,
    pub(super) requests: Vec<DeviceRequest>,
    pub(super) devices: Vec<DeviceMapping>,
}

/// What the engine is asked to create.
pub(super) fn body(
    owner: &Owner,
    run: &TaskRun,
    spec: &DockerSpec,
    offsets: Offsets,
    hardware: &Hardware,
) -> ContainerCreateBody {
    let mut labels = owner.labels_of_job(&run.job_id, &run.execution_id);
    labels.insert(OFFSETS_LABEL.to_owned(), format!("{},{}", offsets.stdout, offsets.stderr));
    if !hardware.gpus.is_empty() {
        let list: Vec<String> = hardware.gpus.iter().map(u32::to_string).collect();
        labels.insert(GPUS_LABEL.to_owned(), list.join(","));
    }
    labels.extend(network::ports_label(&run.ports));
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        entrypoint: some(spec.entrypoint.clone()),
        cmd: some(spec.parameters.clone()),
        working_dir: spec.working_directory.clone(),
        env: Some(environment(run, spec)),
        labels: Some(labels),
        network_disabled: network::is_disabled(&run.network).then_some(true),
        exposed_ports: some(network::exposed_ports(&run.ports)),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        host_config: Some(host_config(run, hardware)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(run: &TaskRun, hardware: &Hardware) -> HostConfig {
    let memory = run.memory_limit_bytes.map(saturated);
    let limits = &run.limits;
    let quota = saturated(limits.cpu_millis).saturating_mul(CPU_PERIOD_US / 1000).max(LEAST_CPU_QUOTA_US);
    HostConfig {
        memory,
        // Both together, so the same number means no swap: a hog ends instead of wearing out the card.
        memory_swap: memory,
        cpu_period: (limits.cpu_millis > 0).then_some(CPU_PERIOD_US),
        cpu_quota: (limits.cpu_millis > 0).then_some(quota),
        storage_opt: (limits.disk_bytes > 0)
            .then(|| [("size".to_owned(), limits.disk_bytes.to_string())].into()),
        mounts: some(run.inputs.iter().chain(&run.outputs).map(mount).collect()),
        log_config: Some(log_config(run.kept.bytes())),
        device_requests: some(hardware.requests.clone()),
        devices: some(hardware.devices.clone()),
        network_mode: Some(network::mode(&run.network).to_owned()),
        extra_hosts: some(network::extra_hosts(&run.network)),
        port_bindings: network::port_bindings(&run.ports),
        ..HostConfig::default()
    }
}

/// The engine's own log driver whatever the engine's default is: another one could not be read back.
fn log_config(kept_bytes: u64) -> HostConfigLogConfig {
    let file = kept_bytes.saturating_mul(2 * LOG_OVERHEAD) / LOG_FILES;
    let config = [("max-size", file.max(1 << 20).to_string()), ("max-file", LOG_FILES.to_string())]
        .map(|(key, value)| (key.to_owned(), value));
    HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(config.into()) }
}

fn mount(mount: &executor::Mount) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(mount.host.name().to_string_lossy().into_owned()),
        target: Some(mount.guest.clone()),
        read_only: Some(mount.access == Access::ReadOnly),
        ..Mount::default()
    }
}

/// The engine's own variables come last, so they win; of a name given twice the last counts.
fn environment(run: &TaskRun, spec: &DockerSpec) -> Vec<String> {
    let mut variables: BTreeMap<&str, &str> =
        run.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    variables.extend(spec.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn saturated(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bacalhau_protocol::model::Resources;

    use super::*;

    fn run() -> TaskRun {
        let mount = |host: &str, guest: &str, access| executor::Mount {
            host: std::path::PathBuf::from(host).into(),
            guest: guest.into(),
            alias: None,
            access,
        };
        TaskRun {
            execution_id: "e-1".into(),
            job_id: "j-1".into(),
            params: String::new(),
            environment: [("A".to_owned(), "task".to_owned()), ("B".to_owned(), "task".to_owned())].into(),
            inputs: vec![mount("/srv/a:b", "/in", Access::ReadOnly)],
            outputs: vec![mount("/results/out", "/out", Access::ReadWrite)],
            network: Default::default(),
            ports: Vec::new(),
            limits: Resources { cpu_millis: 250, disk_bytes: 7, ..Resources::default() },
            memory_limit_bytes: Some(64_000_000),
            results_dir: "/results".into(),
            scratch_dir: "/scratch".into(),
            kept: executor::Kept::First(1 << 30),
            notes: Default::default(),
        }
    }

    fn made() -> ContainerCreateBody {
        let spec = DockerSpec {
            image: "busybox".into(),
            environment: vec![("B".into(), "engine".into())],
            ..DockerSpec::default()
        };
        let owner = Owner::new(&NodeId::parse("n-1").unwrap());
        let offsets = Offsets { stdout: 12, stderr: 3 };
        body(&owner, &run(), &spec, offsets, &Hardware { gpus: vec![0, 2], ..Hardware::default() })
    }

    #[test]
    fn limits_and_mounts_are_the_tasks() {
        let host = made().host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap), (Some(64_000_000), Some(64_000_000)));
        assert_eq!((host.cpu_quota, host.cpu_period), (Some(25_000), Some(100_000)));
        assert_eq!(host.storage_opt.unwrap()["size"], "7");
        let mounts = host.mounts.unwrap();
        let shown = |index: usize| {
            let mount: &Mount = &mounts[index];
            (mount.source.as_deref().unwrap(), mount.target.as_deref().unwrap(), mount.read_only.unwrap())
        };
        assert_eq!([shown(0), shown(1)], [("/srv/a:b", "/in", true), ("/results/out", "/out", false)]);
        assert_eq!(host.network_mode.as_deref(), Some("none"));
    }

    #[test]
    fn what_the_task_leaves_out_is_the_images() {
        let body = made();
        assert_eq!((body.entrypoint, body.cmd, body.working_dir), (None, None, None));
        assert_eq!(body.env.unwrap(), ["A=task", "B=engine"]);
    }

    #[test]
    fn labels_tell_a_later_agent_what_it_needs() {
        let labels = made().labels.unwrap();
        assert_eq!(labels["bacalhau-executor"], "bacalhau-n-1");
        assert_eq!(labels["bacalhau-jobID"], "bacalhau-n-1j-1");
        let owner = Owner::new(&NodeId::parse("n-1").unwrap());
        assert_eq!(owner.execution(&labels), Some("e-1"));
        assert_eq!(Owner::new(&NodeId::parse("n-2").unwrap()).execution(&labels), None);
        assert_eq!(Offsets::from_labels(&labels), Offsets { stdout: 12, stderr: 3 });
        assert_eq!(gpus_from_labels(&labels), [0, 2]);
        assert_eq!(Offsets::from_labels(&HashMap::new()), Offsets::default());
    }
}
