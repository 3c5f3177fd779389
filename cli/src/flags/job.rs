//! Flags of commands that make a job of one task themselves (cli.md 4.7).

use bacalhau_protocol::api::{
    Constraint, InputSource, Network, ResourcesConfig, ResultPath, SpecConfig, Task, Timeouts,
};
use bacalhau_protocol::selector;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::flags::input::{self, Input};
use crate::flags::{environment, network, publisher, read, result_path};

/// Flags of the job around the task.
#[derive(Args, Clone, Debug)]
pub struct JobFlags {
    /// Name of the job
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Namespace of the job
    #[arg(long, default_value = "default")]
    namespace: String,
    /// Jobs of higher priority are placed first
    #[arg(long, default_value_t, allow_negative_numbers = true)]
    priority: i32,
    /// Labels of the job, as in env=prod,team=a; may be repeated
    #[arg(short, long, value_name = "LABELS")]
    labels: Vec<String>,
    /// Number of nodes to run on [default: 1]
    #[arg(long)]
    count: Option<u32>,
    /// The same as --count
    #[arg(long, conflicts_with = "count", value_name = "COUNT")]
    concurrency: Option<u32>,
    /// Run on some matching nodes, or on all
    #[arg(long, value_enum, default_value_t)]
    target: Target,
    /// Nodes to run on, as in zone=a,tier!=test
    #[arg(long, default_value = "", hide_default_value = true, value_name = "SELECTOR")]
    constraints: String,
    /// The same as --constraints
    #[arg(
        short = 's',
        long,
        conflicts_with = "constraints",
        default_value = "",
        hide_default_value = true,
        value_name = "SELECTOR"
    )]
    selector: String,
}

/// How a job spreads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// On every matching node.
    All,
    /// On as many as were asked for.
    #[default]
    Any,
}

/// Flags of the task.
#[derive(Args, Clone, Debug)]
pub struct TaskFlags {
    /// Name of the task
    #[arg(long, default_value = "main")]
    task_name: String,
    /// Environment of the task; may be repeated
    #[arg(short, long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// Data for the task, as in file:///var/log:/logs or s3://bucket/key,dst=/data; may be repeated
    #[arg(short, long, value_name = "URI[:TARGET][,dst=TARGET][,opt=KEY=VALUE]")]
    input: Vec<String>,
    /// A directory to keep; may be repeated. /outputs is kept in any case
    #[arg(short, long, value_name = "NAME:PATH")]
    output: Vec<String>,
    /// Where results go: local, s3://bucket/key, ipfs
    #[arg(short, long, default_value = "local", value_name = "URI[,opt=KEY=VALUE]")]
    publisher: String,
    /// CPU to set aside, as in 500m or 2
    #[arg(long, default_value = "", hide_default_value = true)]
    cpu: String,
    /// Memory to set aside, as in 500Mb or 2Gb
    #[arg(long, default_value = "", hide_default_value = true)]
    memory: String,
    /// Disk to set aside, as in 500Gb
    #[arg(long, default_value = "", hide_default_value = true)]
    disk: String,
    /// GPUs to set aside
    #[arg(long, default_value = "", hide_default_value = true)]
    gpu: String,
    /// What the task may reach: None, HTTP, Full, Host, Bridge
    #[arg(long, default_value = "None", value_name = "TYPE")]
    network: String,
    /// A domain the task may reach with --network http; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
    /// Longest run, seconds; 0 for the server's default
    #[arg(long, default_value_t, value_name = "SECONDS")]
    timeout: u64,
    /// Longest wait for a node, seconds; 0 for the server's default
    #[arg(long, default_value_t, value_name = "SECONDS")]
    queue_timeout: u64,
}

impl JobFlags {
    /// The job around a task, without anything that only a server sets.
    pub fn job(&self, task: &Task) -> anyhow::Result<Value> {
        let written = if self.selector.is_empty() { &self.constraints } else { &self.selector };
        let constraints = selector::parse(written)?;
        let constraints: Vec<Constraint> = constraints.iter().map(Constraint::from).collect();
        let (job_type, count) = match self.target {
            Target::Any => ("batch", self.count.or(self.concurrency).unwrap_or(1)),
            Target::All => ("ops", 0),
        };
        Ok(json!({
            "Name": self.name,
            "Namespace": self.namespace,
            "Type": job_type,
            "Priority": self.priority,
            "Count": count,
            "Constraints": constraints,
            "Labels": environment::labels("-l, --labels", &self.labels).map_err(anyhow::Error::msg)?,
            "Tasks": [task],
        }))
    }
}

impl TaskFlags {
    /// The task of this engine. `more_inputs` stand before those of the flags.
    pub fn task(&self, engine: SpecConfig, more_inputs: Vec<Input>) -> Result<Task, String> {
        let network_type = read("--network", &self.network, network::parse(&self.network))?;
        network::check_domains(network_type, &self.domain)?;
        let publisher = read("-p, --publisher", &self.publisher, publisher::parse(&self.publisher))?;
        let inputs: Vec<Input> = more_inputs.into_iter().chain(self.inputs()?).collect();
        Ok(Task {
            name: self.task_name.clone(),
            engine,
            publisher: SpecConfig {
                kind: publisher.kind,
                params: Some(publisher.params).filter(|p| !p.is_empty()),
            },
            env: environment::pairs("-e, --env", &self.env)?,
            input_sources: inputs.into_iter().map(source).collect(),
            result_paths: self.result_paths()?,
            resources: ResourcesConfig {
                cpu: self.cpu.clone(),
                memory: self.memory.clone(),
                disk: self.disk.clone(),
                gpu: self.gpu.clone(),
            },
            network: Network {
                network_type: network_type.as_str().to_owned(),
                domains: self.domain.clone(),
                ports: Vec::new(),
            },
            timeouts: Timeouts {
                execution_timeout: self.timeout,
                queue_timeout: self.queue_timeout,
                total_timeout: 0,
            },
            ..Task::default()
        })
    }

    /// The inputs of the flags. No two may have the same place or name.
    pub fn inputs(&self) -> Result<Vec<Input>, String> {
        let inputs: Vec<Input> = self
            .input
            .iter()
            .map(|text| read("-i, --input", text, input::parse(text, input::DEFAULT_TARGET)))
            .collect::<Result<_, _>>()?;
        for (index, one) in inputs.iter().enumerate() {
            let before = &inputs[..index];
            if before.iter().any(|other| other.target == one.target) {
                return Err(format!(
                    "two inputs have the target {}: give each its own with dst=",
                    one.target
                ));
            }
            if before.iter().any(|other| other.alias == one.alias) {
                return Err(format!("the input {} is given twice", one.alias));
            }
        }
        Ok(inputs)
    }

    fn result_paths(&self) -> Result<Vec<ResultPath>, String> {
        let paths = result_path::parse_all(&self.output)?;
        Ok(paths.into_iter().map(|kept| ResultPath { name: kept.name, path: kept.path }).collect())
    }
}

/// An input as it stands in a job.
pub fn source(input: Input) -> InputSource {
    InputSource {
        source: SpecConfig { kind: input.kind.to_owned(), params: Some(input.params) },
        alias: input.alias,
        target: input.target,
    }
}
